//! A picture, as the drawing child gets it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use stillage::render::picture;

use crate::frames;

/// As [`crate::pdf`]: what the child says of any picture can be heard.
///
/// # Panics
/// When what was said cannot be heard.
pub fn check(data: &[u8]) {
    for media_type in ["image/png", "image/jpeg"] {
        let mut said = Vec::new();
        let _ = catch_unwind(AssertUnwindSafe(|| picture::make(data, media_type, &mut said)));
        frames::check(&said);
    }
}
