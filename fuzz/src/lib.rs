//! What must hold for any input from outside, as one function for each place where bytes come in. Each takes any bytes
//! and panics when its promise is broken.
//!
//! The same functions are run by the tests of this crate, on seeds and deterministic changes of them, and by the
//! libFuzzer targets of `make fuzz`, for as long as one likes.

pub mod config;
pub mod content;
pub mod frames;
pub mod headers;
pub mod multipart;
pub mod names;
pub mod pdf;
pub mod picture;
pub mod range;
pub mod tus;

mod parts;

#[cfg(test)]
mod tests;
