//! Use cases and rules. Each function authorises its caller once, through [`access`], so that pages, API and
//! commands agree; no HTTP, no templates.

pub mod access;
pub mod attachments;
pub mod audit;
pub mod auth;
pub mod batches;
pub mod bench;
pub mod content;
pub mod copies;
pub mod intake;
pub mod maintenance;
mod placed;
pub mod sites;
pub mod slots;
pub mod storage;
pub mod throttle;
pub mod trash;
pub mod users;
