//! The viewer of one file.

use askama::Template;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::activity::Activity;
use super::batches::BatchRef;
use super::file::{FileKind, FileRef, FileState};
use super::form::Field;
use super::format;
use super::frame::Frame;
use super::preview::Viewer;
use super::receipt::Receipt;
use super::trail::Reader;
use crate::domain::kind::Kind;

#[derive(Template)]
#[template(path = "attachments/show.html")]
pub struct AttachmentPage {
    pub frame: Frame,
    pub batch: BatchRef,
    pub file: FileDetail,
    pub about: About,
    pub viewer: Viewer,
    /// Why there is no preview, or not all of it: for admins.
    pub preview_problem: Option<String>,
    /// Which file of its batch this is, from 1, and of how many; `None` when that is not known or it is in the trash.
    pub position: Option<(i64, i64)>,
    /// Its neighbours in the order of the batch's page.
    pub previous: Option<FileRef>,
    pub next: Option<FileRef>,
    /// What was done to it, newest first.
    pub activity: Vec<Activity>,
    /// Who saw it, the last one first.
    pub seen_by: Vec<Reader>,
    /// Kind and note can be changed.
    pub can_describe: bool,
    pub can_delete: bool,
    /// Its batch is on legal hold.
    pub is_held: bool,
    /// Shows "Share", a link to `/attachments/{id}/shares`.
    pub can_share: bool,
    pub can_restore: bool,
}

/// What people say about a file; in the form as it was typed.
pub struct About {
    pub kind: Kind,
    pub kind_error: Option<String>,
    pub note: Field,
}

pub struct FileDetail {
    pub id: Uuid,
    pub filename: String,
    pub kind: FileKind,
    /// As sniffed from the bytes.
    pub content_type: String,
    pub bytes: i64,
    /// Width and height in pixels, of a picture whose size is known.
    pub pixels: Option<(i64, i64)>,
    /// Of a document, once they are counted.
    pub pages: Option<i64>,
    /// 64 hexadecimal digits.
    pub sha256: String,
    pub uploaded_by: String,
    pub uploaded_at: DateTime<Utc>,
    pub state: FileState,
    /// Where its copies are and how, in words; `None` where there is only local storage.
    pub copies: Option<String>,
}

impl AttachmentPage {
    pub fn is_trashed(&self) -> bool {
        self.file.state == FileState::Trashed
    }

    /// What can be kept beside the file to check it later.
    pub fn receipt(&self) -> String {
        let FileDetail { id, filename, bytes, sha256, uploaded_by, uploaded_at, .. } = &self.file;
        let receipt = Receipt {
            id: *id,
            filename,
            bytes: *bytes,
            sha256,
            batch: &self.batch.number,
            uploaded_by,
            uploaded_at: *uploaded_at,
        };
        receipt.text()
    }

    /// "2 more pages": those of a document that have no picture.
    pub fn pages_beyond_text(&self) -> Option<String> {
        let Viewer::Pdf { shown, .. } = self.viewer else { return None };
        let beyond = self.file.pages? - i64::from(shown);
        (beyond > 0).then(|| format::count(beyond, "more page", "more pages"))
    }

    /// "3 of 12"
    pub fn position_text(&self) -> Option<String> {
        self.position.map(|(nth, of)| format!("{nth} of {of}"))
    }
}

impl About {
    pub fn kinds(&self) -> [Kind; 5] {
        Kind::ALL
    }
}

impl FileDetail {
    /// Where an act on this file posts to.
    pub fn path(&self, act: &str) -> String {
        format!("/attachments/{}/{act}", self.id)
    }

    pub fn hash_groups(&self) -> Vec<String> {
        format::hash_groups(&self.sha256)
    }

    /// "4032 × 3024", or "12 pages"
    pub fn extent_text(&self) -> Option<String> {
        self.pixels
            .map(|(width, height)| format!("{width} × {height}"))
            .or_else(|| self.pages.map(|pages| format::count(pages, "page", "pages")))
    }
}
