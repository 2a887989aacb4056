//! The database itself.

mod plans;
mod schema;
