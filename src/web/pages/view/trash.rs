//! What was deleted and can come back.

use askama::Template;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::batches::BatchRef;
use super::file::FileKind;
use super::format;
use super::frame::Frame;

#[derive(Template)]
#[template(path = "trash/list.html")]
pub struct TrashPage {
    pub frame: Frame,
    pub batches: Vec<TrashedBatch>,
    /// Files that were deleted one by one; those of a deleted batch come back with it.
    pub files: Vec<TrashedFile>,
    /// For how many days deleted things are kept; `None` for ever.
    pub keep_days: Option<i64>,
    /// The address of the next page, if there is one.
    pub more_url: Option<String>,
}

pub struct TrashedBatch {
    pub id: Uuid,
    pub number: String,
    pub product: String,
    pub file_count: i64,
    pub bytes: i64,
    pub deleted_by: String,
    pub deleted_at: DateTime<Utc>,
    pub can_restore: bool,
}

pub struct TrashedFile {
    pub id: Uuid,
    pub filename: String,
    pub kind: FileKind,
    pub batch: BatchRef,
    pub bytes: i64,
    pub deleted_by: String,
    pub deleted_at: DateTime<Utc>,
    pub can_restore: bool,
}

impl TrashPage {
    /// "Deleted things wait here for 30 days, then they go for good."
    pub fn keep_text(&self) -> String {
        match self.keep_days {
            Some(days) => format!(
                "What is deleted waits here for {}, then it goes for good.",
                format::count(days, "day", "days")
            ),
            None => "What is deleted waits here until it is restored.".to_owned(),
        }
    }
}
