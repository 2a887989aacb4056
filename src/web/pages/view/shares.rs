//! Share links: the list with the form for a new one, and what a visitor sees.

use askama::Template;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::shares::ShareRow;

use super::{form::Field, format, frame::Frame};

#[derive(Template)]
#[template(path = "shares/list.html")]
pub struct SharesPage {
    pub frame: Frame,
    /// The page of what is shared.
    pub back: String,
    pub batch_number: String,
    pub batch_url: String,
    /// `None`: the whole batch.
    pub filename: Option<String>,
    /// Where the form posts to.
    pub action_url: String,
    /// A link that was just made: shown this once.
    pub made: Option<String>,
    pub shares: Vec<ShareLine>,
    pub hours: Field,
    pub password_error: Option<String>,
    pub max_downloads: Field,
}

pub struct ShareLine {
    pub id: Uuid,
    pub maker: String,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// Expired or used up.
    pub is_over: bool,
    pub has_password: bool,
    pub downloads: i64,
    pub max_downloads: Option<i64>,
}

impl ShareLine {
    pub fn of(share: ShareRow, maker: String, now: DateTime<Utc>) -> Self {
        Self {
            id: share.id,
            maker,
            created_at: share.created_at,
            is_over: share.expires_at <= now || share.max_downloads.is_some_and(|max| share.downloads >= max),
            expires_at: share.expires_at,
            has_password: share.password_hash.is_some(),
            downloads: share.downloads.into(),
            max_downloads: share.max_downloads.map(i64::from),
        }
    }

    /// Where its button posts to.
    pub fn revoke_path(&self) -> String {
        format!("/shares/{}/revoke", self.id)
    }

    /// "3 of 10 downloads"
    pub fn used_text(&self) -> String {
        match self.max_downloads {
            Some(max) => format!("{} of {}", self.downloads, format::count(max, "download", "downloads")),
            None => format::count(self.downloads, "download", "downloads"),
        }
    }
}

#[derive(Template)]
#[template(path = "shares/visit.html")]
pub struct VisitPage {
    pub frame: Frame,
    /// Where each download posts to.
    pub action_url: String,
    /// Where the ZIP of all of them posts to.
    pub archive_url: String,
    /// All files that can be had, of which `files` may be the first, and their bytes.
    pub count: i64,
    pub bytes: i64,
    pub sender: String,
    pub batch_number: String,
    pub is_batch: bool,
    /// None before the password.
    pub files: Vec<VisitFile>,
    pub expires_at: DateTime<Utc>,
    pub downloads_left: Option<i64>,
    pub needs_password: bool,
    /// Stands for the password that was given, for the downloads that follow; empty without one.
    pub ticket: String,
    pub password_error: Option<String>,
}

pub struct VisitFile {
    pub id: Uuid,
    pub filename: String,
    pub bytes: i64,
}

impl VisitPage {
    pub fn left_text(&self) -> Option<String> {
        self.downloads_left.map(|left| format!("{} left", format::count(left, "download", "downloads")))
    }

    /// "Download all (12 files, 34 MB)", where there are several.
    pub fn all_text(&self) -> Option<String> {
        let text = || {
            let count = format::count(self.count, "file", "files");
            format!("Download all ({count}, {})", format::size(self.bytes))
        };
        (self.is_batch && self.files.len() > 1).then(text)
    }

    /// How many more there are than stand on the page.
    pub fn more_text(&self) -> Option<String> {
        let listed = self.files.len() as i64;
        let text = || format!("These are the first {listed} of {}; the ZIP has all.", self.count);
        (self.count > listed).then(text)
    }

    pub fn what(&self) -> String {
        match (self.is_batch, self.files.as_slice()) {
            (true, []) => format!("Files of batch {}", self.batch_number),
            (true, _) => {
                format!("{} of batch {}", format::count(self.count, "file", "files"), self.batch_number)
            }
            (false, _) => "One file".to_owned(),
        }
    }
}

/// `GET /admin/shares`
#[derive(Template)]
#[template(path = "admin/shares.html")]
pub struct AllSharesPage {
    pub frame: Frame,
    pub rows: Vec<ShareEverywhere>,
    pub next_url: Option<String>,
    pub is_first_page: bool,
}

/// A link among all of them.
pub struct ShareEverywhere {
    pub line: ShareLine,
    pub batch_number: String,
    /// `None`: the whole batch.
    pub filename: Option<String>,
    pub target_url: String,
    pub revoke_path: String,
}

impl ShareEverywhere {
    pub fn what(&self) -> String {
        self.filename.as_deref().map_or_else(|| self.batch_number.clone(), format::shown_name)
    }
}
