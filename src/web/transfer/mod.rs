//! Bytes on their way in and out, in constant memory.

pub mod archive;
pub mod body;
mod check;
pub mod disposition;
pub mod download;
pub mod preview;
pub mod tus;
pub mod upload;
pub mod zip;
