//! The database itself.

mod schema;
