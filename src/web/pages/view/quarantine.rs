//! The admin's page about malware: what was locked away, and what was refused.

use askama::Template;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{format, frame::Frame};

/// `GET /admin/quarantine`
#[derive(Template)]
#[template(path = "admin/quarantine.html")]
pub struct QuarantinePage {
    pub frame: Frame,
    pub has_scanner: bool,
    pub locked: Vec<LockedRow>,
    pub refused: Vec<RefusedRow>,
}

/// A file that is locked away.
pub struct LockedRow {
    pub id: Uuid,
    pub filename: String,
    pub bytes: i64,
    pub batch: Uuid,
    pub batch_number: String,
    pub uploader: String,
    /// What the scanner calls it.
    pub found: String,
    pub since: Option<DateTime<Utc>>,
}

/// An upload that was refused.
pub struct RefusedRow {
    pub at: DateTime<Utc>,
    pub actor: String,
    pub filename: String,
    pub found: String,
    pub batch: Uuid,
    pub batch_number: String,
}

impl LockedRow {
    pub fn path(&self, act: &str) -> String {
        format!("/admin/quarantine/{}/{act}", self.id)
    }

    pub fn shown(&self) -> String {
        format::shown_name(&self.filename)
    }

    pub fn ask_id(&self) -> String {
        format!("ask-{}", self.id)
    }

    pub fn ask_title(&self) -> String {
        format!("Release {}?", self.shown())
    }
}

impl QuarantinePage {
    pub fn locked_text(&self) -> String {
        format::count(self.locked.len() as i64, "file", "files")
    }
}
