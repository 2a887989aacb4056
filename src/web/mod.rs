//! Everything that knows HTTP. A handler extracts, calls one domain function, renders.

pub mod api;
pub mod assets;
pub mod bearer;
mod brand;
mod browser;
pub mod client;
pub mod connections;
pub mod csrf;
pub mod error;
pub mod extract;
mod flash;
pub mod health;
pub mod maintenance;
pub mod middleware;
pub mod monitor;
pub mod multipart;
pub mod pages;
pub mod query;
mod refusals;
pub mod routes;
pub mod server;
pub mod session;
mod shorten;
pub mod transfer;
mod unreadable;
