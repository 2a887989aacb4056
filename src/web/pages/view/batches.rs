//! The list of batches, one batch, and the form that makes or changes one.

use askama::Template;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::activity::Activity;
use super::file::FileRow;
use super::form::{Field, SiteOption};
use super::format;
use super::frame::Frame;

#[derive(Template)]
#[template(path = "batches/list.html")]
pub struct BatchList {
    pub frame: Frame,
    pub rows: Vec<BatchRow>,
    pub filters: BatchFilters,
    /// The sites that this user may filter by; used only when `frame.sites_shown`.
    pub sites: Vec<SiteOption>,
    /// How many batches fit the filters, when that is cheap to know.
    pub total: Option<i64>,
    /// The `cursor` of the next page, if there is one.
    pub next_cursor: Option<String>,
    /// False when this page itself was reached by a cursor.
    pub is_first_page: bool,
    pub can_create: bool,
}

pub struct BatchRow {
    pub id: Uuid,
    pub number: String,
    pub product: String,
    pub site: String,
    pub photos: i64,
    /// Everything that is no photo.
    pub documents: i64,
    pub bytes: i64,
    pub last_activity: DateTime<Utc>,
    pub status: BatchStatus,
}

/// What the list was asked for, as it stands in the address.
#[derive(Default)]
pub struct BatchFilters {
    pub q: String,
    pub status: Option<BatchStatus>,
    pub site: Option<Uuid>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum BatchStatus {
    Open,
    Closed,
    Trashed,
}

#[derive(Template)]
#[template(path = "batches/new.html")]
pub struct BatchForm {
    pub frame: Frame,
    /// The batch that is changed; `None` makes a new one.
    pub editing: Option<BatchRef>,
    /// Where the form posts to.
    pub action_url: String,
    pub number: Field,
    pub product: Field,
    /// The id of the site as text; shown only when `frame.sites_shown`, else sent hidden when not empty.
    pub site_id: Field,
    pub notes: Field,
    pub sites: Vec<SiteOption>,
    /// Something that is wrong with no single field.
    pub message: Option<String>,
}

/// A batch that another page links to.
pub struct BatchRef {
    pub id: Uuid,
    pub number: String,
}

#[derive(Template)]
#[template(path = "batches/show.html")]
pub struct BatchPage {
    pub frame: Frame,
    pub batch: BatchHead,
    pub rules: UploadRules,
    pub view: FilesView,
    pub files: Vec<FileRow>,
    /// The address of the next page of files, if there is one.
    pub more_files_url: Option<String>,
    /// The newest few, newest first.
    pub activity: Vec<Activity>,
    pub can_upload: bool,
    /// Shows "Change the details", a link to `/batches/{id}/edit`.
    pub can_edit: bool,
    pub can_close: bool,
    pub can_reopen: bool,
    pub can_delete: bool,
    pub can_restore: bool,
}

pub struct BatchHead {
    pub id: Uuid,
    pub number: String,
    pub product: String,
    pub notes: String,
    pub site: String,
    pub status: BatchStatus,
    pub created_by: String,
    pub created_at: DateTime<Utc>,
    pub file_count: i64,
    pub bytes: i64,
}

/// What an upload must keep to; the page shows it, `upload.js` checks it first, the server decides.
pub struct UploadRules {
    pub max_bytes: i64,
    /// Small letters without the dot: `jpg`, `pdf`.
    pub extensions: Vec<String>,
    /// The most files that one form may send; `upload.js` sends one file per request.
    pub max_files: i64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FilesView {
    Gallery,
    Table,
}

impl BatchRow {
    pub fn file_count(&self) -> i64 {
        self.photos + self.documents
    }
}

impl BatchStatus {
    /// The value in the address: `status=open`.
    pub fn key(self) -> &'static str {
        match self {
            BatchStatus::Open => "open",
            BatchStatus::Closed => "closed",
            BatchStatus::Trashed => "trashed",
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            BatchStatus::Open => "Open",
            BatchStatus::Closed => "Closed",
            BatchStatus::Trashed => "In the trash",
        }
    }

    pub fn icon(self) -> &'static str {
        match self {
            BatchStatus::Open => "open",
            BatchStatus::Closed => "closed",
            BatchStatus::Trashed => "trash",
        }
    }

    /// The ending of the CSS class of a state in a list; empty is calm.
    pub fn tone(self) -> &'static str {
        match self {
            BatchStatus::Open => "now",
            BatchStatus::Closed | BatchStatus::Trashed => "",
        }
    }

    /// The ending of the CSS class of the tag beside a heading; empty is calm.
    pub fn tag_tone(self) -> &'static str {
        match self {
            BatchStatus::Open => "accent",
            BatchStatus::Closed => "",
            BatchStatus::Trashed => "bad",
        }
    }
}

impl BatchFilters {
    /// The states that the list offers as chips.
    pub fn statuses(&self) -> [BatchStatus; 2] {
        [BatchStatus::Open, BatchStatus::Closed]
    }

    /// Whether anything narrows the list.
    pub fn any(&self) -> bool {
        !self.q.is_empty() || self.status.is_some() || self.site.is_some()
    }

    pub fn status_key(&self) -> &'static str {
        self.status.map_or("", BatchStatus::key)
    }

    pub fn site_text(&self) -> String {
        self.site.map(|id| id.to_string()).unwrap_or_default()
    }

    /// The list's address with another cursor; an empty one is the first page.
    pub fn url_with_cursor(&self, cursor: &str) -> String {
        self.url(self.status_key(), &self.site_text(), cursor)
    }

    /// The list's address with only this status; an empty one lifts the filter.
    pub fn url_with_status(&self, status: &str) -> String {
        self.url(status, &self.site_text(), "")
    }

    /// The list's address with only this site; an empty one lifts the filter.
    pub fn url_with_site(&self, site: &str) -> String {
        self.url(self.status_key(), site, "")
    }

    /// The list's address without the search.
    pub fn url_without_q(&self) -> String {
        let pairs = [("status", self.status_key()), ("site", &self.site_text())];
        format!("/batches{}", format::query(&pairs))
    }

    fn url(&self, status: &str, site: &str, cursor: &str) -> String {
        let pairs = [("q", self.q.as_str()), ("status", status), ("site", site), ("cursor", cursor)];
        format!("/batches{}", format::query(&pairs))
    }
}

impl BatchList {
    /// The name of the site that the list is narrowed to.
    pub fn site_chosen(&self) -> Option<&str> {
        let id = self.filters.site?;
        self.sites.iter().find(|site| site.id == id).map(|site| site.name.as_str())
    }

    /// "12 batches", or what this page alone knows.
    pub fn count_text(&self) -> Option<String> {
        self.total.map(|n| format::count(n, "batch", "batches"))
    }
}

impl BatchHead {
    /// Where an act on this batch posts to.
    pub fn path(&self, act: &str) -> String {
        format!("/batches/{}/{act}", self.id)
    }

    /// The heading of a question that names this batch: "Move B-2026-0142 to the trash?"
    pub fn ask(&self, verb: &str, rest: &str) -> String {
        format!("{verb} {}{rest}", self.number)
    }
}

impl UploadRules {
    /// The value of the file input's `accept`.
    pub fn accept(&self) -> String {
        self.extensions.iter().map(|ext| format!(".{ext}")).collect::<Vec<_>>().join(",")
    }

    /// "10 MB": the limit as an admin wrote it, without decimals when it is whole megabytes.
    pub fn limit_text(&self) -> String {
        const MB: i64 = 1024 * 1024;
        if self.max_bytes >= MB && self.max_bytes % MB == 0 {
            format!("{} MB", format::grouped(self.max_bytes / MB))
        } else {
            format::size(self.max_bytes)
        }
    }

    /// "JPG, PNG, WebP or PDF"; the second spelling of one type is left out.
    pub fn types_text(&self) -> String {
        let words: Vec<String> = self
            .extensions
            .iter()
            .filter(|ext| !matches!(ext.as_str(), "jpeg" | "tif") || self.extensions.len() == 1)
            .map(|ext| if ext == "webp" { "WebP".to_owned() } else { ext.to_uppercase() })
            .collect();
        match words.split_last() {
            None => String::new(),
            Some((last, [])) => last.clone(),
            Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        }
    }
}

impl BatchPage {
    pub fn is_open(&self) -> bool {
        self.batch.status == BatchStatus::Open
    }

    pub fn is_trashed(&self) -> bool {
        self.batch.status == BatchStatus::Trashed
    }

    pub fn is_gallery(&self) -> bool {
        self.view == FilesView::Gallery
    }

    pub fn has_menu(&self) -> bool {
        self.can_edit || self.can_close || self.can_reopen || self.can_delete
    }
}
