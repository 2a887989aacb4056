//! Bytes on their way in and out, in constant memory.

pub mod body;
pub mod disposition;
pub mod download;
pub mod tus;
pub mod upload;
