//! The list of batches, one batch, and the form that makes or changes one.

use askama::Template;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::activity::Activity;
use super::file::FileRow;
use super::files::FileFilters;
use super::form::{Field, SiteOption};
use super::format;
use super::frame::Frame;
use super::hold::Hold;
use super::search::SearchHit;

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
    pub is_held: bool,
    /// A file for which it was found, when neither number nor product says why.
    pub hit: Option<SearchHit>,
}

/// What the list was asked for, as it stands in the address.
#[derive(Default)]
pub struct BatchFilters {
    pub q: String,
    pub status: Option<BatchStatus>,
    pub site: Option<Uuid>,
    pub made: Option<Period>,
    pub without_files: bool,
    pub order: Order,
}

/// How long ago a batch was made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Period {
    Week,
    Month,
    Year,
}

/// In what order batches are listed.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Activity,
    Made,
    Number,
    Size,
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
    pub filters: FileFilters,
    pub files: Vec<FileRow>,
    /// The address of the next page of files, if there is one.
    pub more_files_url: Option<String>,
    /// The newest few, newest first.
    pub activity: Vec<Activity>,
    pub can_upload: bool,
    /// Files can be given another kind.
    pub can_change_files: bool,
    /// A scan of the label led here: adding files comes before everything that can wait.
    pub is_scanned: bool,
    /// Shows "Change the details", a link to `/batches/{id}/edit`.
    pub can_edit: bool,
    pub can_close: bool,
    pub can_reopen: bool,
    pub can_delete: bool,
    pub can_restore: bool,
    /// On legal hold: who put it there, when and why.
    pub hold: Option<Hold>,
    pub can_hold: bool,
    pub can_delete_files: bool,
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
        !self.q.is_empty() || self.has_chips()
    }

    /// Whether anything but the search narrows the list.
    pub fn has_chips(&self) -> bool {
        self.status.is_some() || self.site.is_some() || self.made.is_some() || self.without_files
    }

    /// What the address says, pair by pair; an empty value is left out of it.
    pub fn pairs(&self) -> [(&'static str, String); 6] {
        [
            ("q", self.q.clone()),
            ("status", self.status.map_or("", BatchStatus::key).to_owned()),
            ("site", self.site.map(|id| id.to_string()).unwrap_or_default()),
            ("made", self.made.map_or("", Period::key).to_owned()),
            ("files", if self.without_files { "none" } else { "" }.to_owned()),
            ("sort", self.order.key().to_owned()),
        ]
    }

    /// The list's address with one thing changed; an empty value lifts it. Every change leads to the first page.
    pub fn url_with(&self, name: &str, value: &str) -> String {
        let mut pairs = self.pairs().map(|(key, value)| (key, value)).to_vec();
        pairs.retain(|(key, _)| *key != name);
        let mut pairs: Vec<(&str, &str)> = pairs.iter().map(|(key, value)| (*key, value.as_str())).collect();
        pairs.push((name, value));
        format!("/batches{}", format::query(&pairs))
    }

    pub fn periods(&self) -> [Period; 3] {
        [Period::Week, Period::Month, Period::Year]
    }

    pub fn orders(&self) -> [Order; 4] {
        [Order::Activity, Order::Made, Order::Number, Order::Size]
    }
}

impl Period {
    pub fn parse(key: &str) -> Option<Self> {
        [Self::Week, Self::Month, Self::Year].into_iter().find(|period| period.key() == key)
    }

    /// The value in the address: `made=30d`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Week => "7d",
            Self::Month => "30d",
            Self::Year => "365d",
        }
    }

    pub fn days(self) -> i64 {
        match self {
            Self::Week => 7,
            Self::Month => 30,
            Self::Year => 365,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Week => "Made in 7 days",
            Self::Month => "Made in 30 days",
            Self::Year => "Made in a year",
        }
    }
}

impl Order {
    pub fn parse(key: &str) -> Self {
        [Self::Made, Self::Number, Self::Size]
            .into_iter()
            .find(|order| order.key() == key)
            .unwrap_or_default()
    }

    /// The value in the address: `sort=number`; the usual order has none.
    pub fn key(self) -> &'static str {
        match self {
            Self::Activity => "",
            Self::Made => "made",
            Self::Number => "number",
            Self::Size => "size",
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Activity => "Latest activity first",
            Self::Made => "Newest first",
            Self::Number => "By number",
            Self::Size => "Largest first",
        }
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
            .filter(|ext| !matches!(ext.as_str(), "jpeg" | "tif" | "heif") || self.extensions.len() == 1)
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

    /// Whether any file can be ticked for something.
    pub fn can_pick(&self) -> bool {
        !self.is_trashed()
    }

    pub fn has_menu(&self) -> bool {
        self.can_edit || self.can_close || self.can_reopen || self.can_delete || self.can_hold
    }
}
