//! Use cases and rules. Each function authorises its caller once, through [`access`], so that pages, API and
//! commands agree; no HTTP, no templates.

pub mod access;
pub mod attachments;
pub mod audit;
pub mod auth;
pub mod batches;
pub mod bench;
pub mod content;
pub mod intake;
pub mod maintenance;
pub mod scan;
pub mod shares;
pub mod sites;
pub mod slots;
pub mod throttle;
pub mod tokens;
pub mod trash;
pub mod two_factor;
pub mod users;
mod weak;
