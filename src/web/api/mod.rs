//! The JSON API: the same domain as the pages, for scripts. With an API token, or with the session cookie and the
//! CSRF token. `description` is its OpenAPI; a test compares that with the routes.

pub mod attachments;
pub mod batches;
pub mod description;
mod input;
pub mod stats;
pub mod types;
