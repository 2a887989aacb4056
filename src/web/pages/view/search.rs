//! Why a search found a batch.

use uuid::Uuid;

use super::format;

/// A file in which something was found.
pub struct SearchHit {
    pub file: Uuid,
    pub filename: String,
    /// The words around it; empty when the name was what matched.
    pub line: Vec<Part>,
}

/// A piece of a line.
pub struct Part {
    pub text: String,
    pub is_found: bool,
}

impl SearchHit {
    pub fn shown(&self) -> String {
        format::shown_name(&self.filename)
    }
}
