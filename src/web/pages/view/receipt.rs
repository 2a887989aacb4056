//! What can be kept beside a file to check it later.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::format;
use crate::characters::made_visible;

pub struct Receipt<'a> {
    pub id: Uuid,
    pub filename: &'a str,
    pub bytes: i64,
    pub sha256: &'a str,
    pub batch: &'a str,
    pub uploaded_by: &'a str,
    pub uploaded_at: DateTime<Utc>,
}

impl Receipt<'_> {
    /// Plain text, a fact to a line.
    pub fn text(&self) -> String {
        format!(
            "Receipt {}\nFile: {}\nSize: {}\nSHA-256: {}\nBatch: {}\nAdded by: {}\nStored: {}",
            self.id,
            made_visible(self.filename),
            format::exact_size(self.bytes),
            self.sha256,
            self.batch,
            self.uploaded_by,
            format::rfc3339(self.uploaded_at),
        )
    }
}
