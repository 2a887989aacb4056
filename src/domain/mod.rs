//! Use cases and rules. Each function authorises its caller once, through [`access`], so that pages, API and
//! commands agree; no HTTP, no templates.

pub mod access;
pub mod account;
pub mod archive;
pub mod archive_names;
pub mod attachments;
pub mod audit;
pub mod auth;
pub mod backup;
pub mod batches;
pub mod bench;
pub mod content;
pub mod demo;
pub mod files;
mod inflow;
pub mod intake;
pub mod kind;
pub mod labels;
pub mod maintenance;
pub mod password_links;
pub mod people;
pub mod previews;
pub mod queue;
pub mod scan;
pub mod session_store;
pub mod shares;
pub mod sites;
pub mod slots;
pub mod throttle;
pub mod tokens;
pub mod trash;
pub mod two_factor;
pub mod uploads;
pub mod users;
mod weak;
