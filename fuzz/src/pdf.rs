//! A PDF, as the drawing child gets it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use stillage::render::pdf;

use crate::frames;

/// Whatever is in it, what the child says can be heard. Panics of the libraries are what the child is there for: it
/// survives them, and what it has said before counts. What is looked for here is what no child survives: an overflown
/// stack, memory without end, a loop without end.
///
/// # Panics
/// When what was said cannot be heard.
pub fn check(data: &[u8]) {
    let mut said = Vec::new();
    let _ = catch_unwind(AssertUnwindSafe(|| pdf::make(data.to_vec(), &mut said)));
    frames::check(&said);
}
