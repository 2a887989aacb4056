//! Pictures of files and the text of PDFs, made where they can do no harm: in a child process of this program
//! that reads the file from its standard input and can write nothing but frames to its standard output.
//!
//! ```text
//!   job ──▶ Renderer::start ──▶ `stillage render TYPE`     limits and a filter first, then work
//!                │   stdin: the file, opened for reading
//!                ◀── stdout: frames (frame.rs), bounded in number and size
//! ```
//!
//! The decoders are written in safe Rust, but files from outside make them loop, panic, run out of memory or
//! nest without end. All of that ends the child and nothing else; [`Reason`] says what happened. Nothing here
//! knows the database or the store.

pub mod child;
mod frame;
mod jail;
mod nesting;
pub mod parent;
pub mod pdf;
pub mod picture;
mod text;

use serde::{Deserialize, Serialize};

pub use parent::{Piece, Renderer, Rendering};

/// Longest edges of thumbnails, in pixels.
pub const THUMBNAILS: [u32; 2] = [320, 640];
/// Longest edge of the picture on a picture's own page.
pub const LARGE: u32 = 2048;
/// Longest edge of a page of a PDF. Small where only the way there matters: `make fuzz` draws thousands of pages.
pub const PAGE: u32 = if cfg!(fuzzing) { 160 } else { 1600 };
/// Pages of a PDF that get a picture.
pub const PAGES: u32 = 20;
/// Text kept of a PDF, in bytes.
pub const TEXT_MAX: usize = 1024 * 1024;

/// Largest file that is read into the child's memory, in bytes.
const FILE_MAX: u64 = 256 * 1024 * 1024;
/// Largest one picture that comes back, in bytes.
const BODY_MAX: usize = 8 * 1024 * 1024;
/// Most bytes that come back of one file.
const TOTAL_MAX: usize = 64 * 1024 * 1024;

/// Whether there can be previews of a media type at all.
pub fn handles(media_type: &str) -> bool {
    matches!(media_type, "image/jpeg" | "image/png" | "application/pdf")
}

/// Why there are no previews of a file, or not all. Trying again would change nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    Encrypted,
    Broken,
    TooLarge,
    TooLong,
    TooMuch,
}

impl Reason {
    /// For an admin, as a sentence about the file.
    pub fn words(self) -> &'static str {
        match self {
            Self::Encrypted => "It is protected by a password.",
            Self::Broken => "Its content is broken or uses something that is not understood.",
            Self::TooLarge => "It is too large to be shown.",
            Self::TooLong => "Drawing it took too long and was stopped.",
            Self::TooMuch => "Drawing it took too much memory, or it is nested without end.",
        }
    }
}
