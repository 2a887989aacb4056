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
    /// The next pages of the two lists, if there are any.
    pub more_locked: Option<String>,
    pub more_refused: Option<String>,
    pub is_first_page: bool,
    /// The latest refused upload that stands on this page, to be marked as seen with all before it.
    pub seen_up_to: Option<i64>,
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
    /// How many there are, where all of them stand on this page.
    pub fn locked_text(&self) -> Option<String> {
        let is_all = self.is_first_page && self.more_locked.is_none();
        is_all.then(|| format::count(self.locked.len() as i64, "file", "files"))
    }

    /// What the button that marks refused uploads as seen sends, while there are some that nobody has seen.
    pub fn to_see(&self) -> Option<i64> {
        self.seen_up_to.filter(|_| self.frame.findings.is_some_and(|findings| findings.unseen > 0))
    }
}
