//! Lines of the audit trail, and the pages made of them: the admin's, a batch's history, who saw a file.

use askama::Template;
use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use super::{activity::Change, batches::BatchStatus, file::FileState, format, frame::Frame};
use crate::domain::audit::{actions::Group, who::ActorKind};

/// One event in words.
pub struct Line {
    pub id: i64,
    pub at: DateTime<Utc>,
    pub who: Who,
    /// The page of the person, for those who may see it.
    pub actor_href: Option<String>,
    pub icon: &'static str,
    pub is_trouble: bool,
    pub pieces: Vec<Piece>,
    pub changes: Vec<Change>,
    pub address: Option<String>,
    /// The seal that covers it; `None` while it waits for one.
    pub seal: Option<i64>,
}

/// Who did something. Names are chosen by people: what is no person is told by its mark and its word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    pub kind: ActorKind,
    /// Of a person: as they were called then.
    pub name: String,
    /// Of a person, and nobody else's.
    pub username: Option<String>,
    /// The name of the API token by which they acted.
    pub token: Option<String>,
}

impl Who {
    pub fn is_person(&self) -> bool {
        self.kind.has_account()
    }

    /// How pages call it.
    pub fn called(&self) -> &str {
        match self.kind {
            ActorKind::Person | ActorKind::Token => &self.name,
            ActorKind::Console => "The console",
            ActorKind::Visitor => "A visitor",
            ActorKind::Anonymous => "A stranger",
            ActorKind::System => "Stillage",
        }
    }

    /// The user name beside the name, where they differ.
    pub fn also_called(&self) -> Option<&str> {
        self.username.as_deref().filter(|username| *username != self.name)
    }

    /// Stands beside the name: "by API token ERP", "not signed in".
    pub fn mark(&self) -> Option<String> {
        let mark = match self.kind {
            ActorKind::Person => return None,
            ActorKind::Token => {
                return Some(format!("by API token {}", self.token.as_deref().unwrap_or_default()));
            }
            ActorKind::Console => "shell on the server",
            ActorKind::Visitor => "share link",
            ActorKind::Anonymous => "not signed in",
            ActorKind::System => "by itself",
        };
        Some(mark.to_owned())
    }

    pub fn icon(&self) -> &'static str {
        match self.kind {
            ActorKind::Person | ActorKind::Token => "user",
            ActorKind::Console => "desk",
            ActorKind::Visitor => "link",
            ActorKind::Anonymous => "key",
            ActorKind::System => "settings",
        }
    }
}

/// A piece of a sentence.
pub struct Piece {
    pub text: String,
    pub kind: PieceKind,
    pub href: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceKind {
    Words,
    /// A batch's number.
    Batch,
    /// A name or another fact.
    Name,
}

impl Line {
    pub fn seal_text(&self) -> Option<String> {
        self.seal.map(format::grouped)
    }

    /// The sentence without its actor, as plain text.
    pub fn text(&self) -> String {
        self.pieces.iter().map(|piece| piece.text.as_str()).collect()
    }
}

impl Piece {
    pub fn is_batch(&self) -> bool {
        self.kind == PieceKind::Batch
    }

    pub fn is_name(&self) -> bool {
        self.kind == PieceKind::Name
    }
}

/// `GET /admin/audit`
#[derive(Template)]
#[template(path = "admin/audit.html")]
pub struct AuditPage {
    pub frame: Frame,
    pub filters: AuditFilters,
    pub lines: Vec<Line>,
    pub next_url: Option<String>,
    pub is_first_page: bool,
    pub chain: Chain,
}

/// Where the chain of seals stands.
pub struct Chain {
    pub head: Option<HeadFacts>,
    pub unsealed: i64,
    pub verified: Option<VerifiedFacts>,
}

pub struct HeadFacts {
    pub seal: i64,
    pub sealed_at: DateTime<Utc>,
    /// 64 hexadecimal digits.
    pub hash: String,
}

pub struct VerifiedFacts {
    pub at: DateTime<Utc>,
    pub seals: i64,
    pub events: i64,
    pub problems: i64,
    /// The first of them.
    pub words: Vec<String>,
}

/// What the list is narrowed to, as it was typed.
#[derive(Default)]
pub struct AuditFilters {
    pub actor: String,
    pub group: Option<Group>,
    pub about: String,
    pub since: Option<NaiveDate>,
    pub until: Option<NaiveDate>,
    pub address: String,
    pub text: String,
}

impl AuditFilters {
    fn pairs(&self) -> [(&'static str, String); 7] {
        let date = |date: Option<NaiveDate>| date.map(|date| date.to_string()).unwrap_or_default();
        [
            ("actor", self.actor.clone()),
            ("group", self.group.as_ref().map_or("", group_key).to_owned()),
            ("about", self.about.clone()),
            ("since", date(self.since)),
            ("until", date(self.until)),
            ("address", self.address.clone()),
            ("q", self.text.clone()),
        ]
    }

    fn url_of(&self, path: &str, name: &str, value: &str) -> String {
        let pairs = self.pairs();
        let mut pairs: Vec<(&str, &str)> = pairs.iter().map(|(key, value)| (*key, value.as_str())).collect();
        pairs.push((name, value));
        format!("{path}{}", format::query(&pairs))
    }

    /// The list from a place on; empty is its start.
    pub fn url(&self, cursor: &str) -> String {
        self.url_of("/admin/audit", "cursor", cursor)
    }

    pub fn export_url(&self, format: &str) -> String {
        self.url_of("/admin/audit/export", "format", format)
    }

    pub fn any(&self) -> bool {
        self.pairs().iter().any(|(_, value)| !value.is_empty())
    }

    pub fn value_of(&self, name: &str) -> String {
        let pairs = self.pairs();
        pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value).unwrap_or_default()
    }

    pub fn is_group(&self, group: &Group) -> bool {
        self.group == Some(*group)
    }
}

pub fn groups() -> [Group; 7] {
    Group::ALL
}

/// The value in the address: `group=reads`.
pub fn group_key(group: &Group) -> &'static str {
    match group {
        Group::Files => "files",
        Group::Reads => "reads",
        Group::Batches => "batches",
        Group::Shares => "shares",
        Group::SignIn => "sign-in",
        Group::People => "people",
        Group::Upkeep => "upkeep",
    }
}

pub fn group_word(group: &Group) -> &'static str {
    match group {
        Group::Files => "Files: added, changed, deleted",
        Group::Reads => "Views and downloads",
        Group::Batches => "Batches",
        Group::Shares => "Share links",
        Group::SignIn => "Signing in and out",
        Group::People => "People, tokens, sites",
        Group::Upkeep => "Jobs, backups, exports",
    }
}

pub fn group_icon(group: Group) -> &'static str {
    match group {
        Group::Files => "file",
        Group::Reads => "eye",
        Group::Batches => "box",
        Group::Shares => "link",
        Group::SignIn => "key",
        Group::People => "user",
        Group::Upkeep => "settings",
    }
}

/// `GET /batches/{id}/history`: a paper.
#[derive(Template)]
#[template(path = "batches/history.html")]
pub struct HistoryPage {
    pub frame: Frame,
    pub batch: HistoryHead,
    pub files: Vec<HistoryFile>,
    pub lines: Vec<Line>,
    /// How many events and files a paper has at most, when there are more.
    pub cut_at: Option<i64>,
    pub seals: Option<(i64, i64)>,
    pub unsealed: i64,
    pub head: Option<HeadFacts>,
    pub shows_addresses: bool,
    /// Files in the trash, and what was done to them, are on the paper too.
    pub with_trash: bool,
    pub made_at: DateTime<Utc>,
    pub made_for: String,
}

pub struct HistoryHead {
    pub id: Uuid,
    pub number: String,
    pub product: String,
    pub notes: String,
    pub status: BatchStatus,
    pub site: String,
    pub made_by: String,
    pub made_at: DateTime<Utc>,
}

pub struct HistoryFile {
    pub id: Uuid,
    pub name: String,
    pub bytes: i64,
    pub sha256: String,
    pub state: FileState,
    pub is_purged: bool,
    pub uploaded_by: String,
    pub uploaded_at: DateTime<Utc>,
}

impl HistoryPage {
    pub fn cut_text(&self) -> Option<String> {
        self.cut_at.map(format::grouped)
    }

    /// "seals 12 to 40"
    pub fn seals_text(&self) -> Option<String> {
        self.seals.map(|(first, last)| {
            if first == last { format!("seal {first}") } else { format!("seals {first} to {last}") }
        })
    }
}

impl HistoryFile {
    pub fn state_word(&self) -> &'static str {
        if self.is_purged { "Purged" } else { self.state.word() }
    }
}

/// Somebody who saw a file.
pub struct Reader {
    /// `None`: somebody with a share link.
    pub name: Option<String>,
    pub username: Option<String>,
    pub views: i64,
    pub downloads: i64,
    pub last: DateTime<Utc>,
}

impl Reader {
    /// "3 views, 1 download"
    pub fn counts_text(&self) -> String {
        let views = (self.views > 0).then(|| format::count(self.views, "view", "views"));
        let downloads = (self.downloads > 0).then(|| format::count(self.downloads, "download", "downloads"));
        views.into_iter().chain(downloads).collect::<Vec<_>>().join(", ")
    }
}
