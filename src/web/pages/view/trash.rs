//! What was deleted: what can come back, and when the rest goes. The admin's page shows it over all sites, with what
//! lies in the store and belongs to nothing.

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
    /// For how many days deleted things are kept.
    pub keep_days: i64,
}

/// `GET /admin/trash`
#[derive(Template)]
#[template(path = "admin/trash.html")]
pub struct AdminTrashPage {
    pub frame: Frame,
    pub batches: Vec<TrashedBatch>,
    pub files: Vec<TrashedFile>,
    pub keep_days: i64,
    pub totals: Totals,
    /// The addresses of the next pages, if there are any.
    pub more_batches: Option<String>,
    pub more_files: Option<String>,
    pub is_first_page: bool,
    pub orphans: Option<Orphans>,
}

pub struct TrashedBatch {
    pub id: Uuid,
    pub number: String,
    pub product: String,
    /// Only where sites are mentioned.
    pub site: String,
    pub file_count: i64,
    pub bytes: i64,
    pub deleted_by: String,
    pub deleted_at: DateTime<Utc>,
    pub can_restore: bool,
    pub fate: Fate,
    /// An admin may have it go at once.
    pub can_go: bool,
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
    pub fate: Fate,
    pub can_go: bool,
}

/// What becomes of something in the trash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Held,
    /// Its site keeps files for years.
    Kept {
        until: DateTime<Utc>,
        years: i32,
    },
    /// Can be restored for so many days.
    Waits {
        days: i64,
    },
    Goes,
}

/// How much there is, over all pages.
pub struct Totals {
    pub batches: i64,
    pub files: i64,
    pub bytes: i64,
    pub held_bytes: i64,
}

/// What the last look into the store came to.
pub struct Orphans {
    pub at: DateTime<Utc>,
    /// How many files were moved aside; `None` when it was only a look.
    pub moved: Option<i64>,
    pub refused: Option<String>,
    /// Why the bucket could not be looked through.
    pub bucket_trouble: Option<String>,
    /// Each kind of what was found: how many, how large, and the names of some.
    pub parts: Vec<Part>,
    /// How many would be moved aside.
    pub going: i64,
    /// So many that they are probably no leftovers.
    pub is_too_much: bool,
    pub known: i64,
}

pub struct Part {
    pub word: &'static str,
    /// What is done about it.
    pub meaning: &'static str,
    pub count: i64,
    pub bytes: Option<i64>,
    pub names: Vec<String>,
}

impl TrashPage {
    pub fn keep_text(&self) -> String {
        keep_text(self.keep_days)
    }
}

impl AdminTrashPage {
    pub fn keep_text(&self) -> String {
        keep_text(self.keep_days)
    }
}

/// "What is deleted waits here for 30 days, then it goes for good."
fn keep_text(days: i64) -> String {
    format!("What is deleted waits here for {}, then it goes for good.", format::count(days, "day", "days"))
}

impl Fate {
    pub fn icon(self) -> &'static str {
        match self {
            Self::Held => "lock",
            Self::Kept { .. } => "seal",
            Self::Waits { .. } => "clock",
            Self::Goes => "x",
        }
    }

    /// The ending of the CSS class; empty is calm.
    pub fn tone(self) -> &'static str {
        match self {
            Self::Held => "warn",
            Self::Kept { .. } | Self::Waits { .. } => "",
            Self::Goes => "bad",
        }
    }

    pub fn word(self) -> String {
        match self {
            Self::Held => "On hold".to_owned(),
            Self::Kept { until, .. } => format!("Kept to {}", format::date(until)),
            Self::Waits { days } => format!("Goes in {}", format::count(days, "day", "days")),
            Self::Goes => "Goes within the hour".to_owned(),
        }
    }

    /// Why, for whoever wonders.
    pub fn why(self) -> String {
        match self {
            Self::Held => {
                "The batch is on legal hold: nothing of it goes until an admin releases it.".to_owned()
            }
            Self::Kept { years, .. } => format!(
                "The site keeps its files for at least {} after their upload.",
                format::count(i64::from(years), "year", "years")
            ),
            Self::Waits { .. } => "Until then it can be restored.".to_owned(),
            Self::Goes => "Its days in the trash are over.".to_owned(),
        }
    }
}

impl TrashedBatch {
    pub fn ask(&self) -> String {
        format!("Remove {} for good?", self.number)
    }

    pub fn ask_id(&self) -> String {
        format!("ask-{}", self.id)
    }

    pub fn purge_path(&self) -> String {
        format!("/admin/trash/batches/{}/purge", self.id)
    }

    pub fn files_text(&self) -> String {
        format::count(self.file_count, "file", "files")
    }
}

impl TrashedFile {
    pub fn ask_id(&self) -> String {
        format!("ask-{}", self.id)
    }

    pub fn purge_path(&self) -> String {
        format!("/admin/trash/files/{}/purge", self.id)
    }
}

impl Totals {
    pub fn is_empty(&self) -> bool {
        self.batches == 0 && self.files == 0
    }

    /// "3 batches, 41 files"
    pub fn text(&self) -> String {
        let batches = format::count(self.batches, "batch", "batches");
        let files = format::count(self.files, "file", "files");
        if self.batches == 0 { files } else { format!("{batches}, {files}") }
    }
}

impl Orphans {
    pub fn going_text(&self) -> String {
        format::count(self.going, "file", "files")
    }

    pub fn moved_text(&self) -> Option<String> {
        self.moved.map(|moved| format!("{} moved aside", format::count(moved, "file", "files")))
    }

    pub fn ask(&self) -> String {
        format!("Move {} aside?", self.going_text())
    }
}

impl Part {
    /// "12, 4.0 MB"
    pub fn count_text(&self) -> String {
        let count = format::grouped(self.count);
        self.bytes.map_or_else(|| count.clone(), |bytes| format!("{count}, {}", format::size(bytes)))
    }

    /// "and 12 more"
    pub fn rest_text(&self) -> Option<String> {
        let rest = self.count - self.names.len() as i64;
        (rest > 0 && !self.names.is_empty()).then(|| format!("and {} more", format::grouped(rest)))
    }
}
