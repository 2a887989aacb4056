//! The viewer of one file.

use askama::Template;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::activity::Activity;
use super::batches::BatchRef;
use super::file::{FileKind, FileRef, FileState};
use super::format;
use super::frame::Frame;

#[derive(Template)]
#[template(path = "attachments/show.html")]
pub struct AttachmentPage {
    pub frame: Frame,
    pub batch: BatchRef,
    pub file: FileDetail,
    pub preview: Preview,
    /// Which file of its batch this is, from 1, and of how many; `None` when that is not known or it is in the trash.
    pub position: Option<(i64, i64)>,
    /// Its neighbours in the order of the batch's page.
    pub previous: Option<FileRef>,
    pub next: Option<FileRef>,
    /// Who has seen it, newest first.
    pub activity: Vec<Activity>,
    pub can_delete: bool,
    pub can_restore: bool,
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
    /// 64 hexadecimal digits.
    pub sha256: String,
    pub uploaded_by: String,
    pub uploaded_at: DateTime<Utc>,
    pub state: FileState,
    /// Where its copies are and how, in words; `None` where there is only local storage.
    pub copies: Option<String>,
}

/// What `/attachments/{id}/preview` gives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Preview {
    /// A picture, shown in the page.
    Picture,
    /// A PDF, opened in a tab of its own: phones show no PDF in a frame, and `frame-ancestors 'none'` stays as it is.
    Pdf,
    /// Nothing that is safe to show.
    None,
}

impl AttachmentPage {
    pub fn is_picture(&self) -> bool {
        self.preview == Preview::Picture && self.file.state.is_readable()
    }

    pub fn is_pdf(&self) -> bool {
        self.preview == Preview::Pdf && self.file.state.is_readable()
    }

    pub fn is_trashed(&self) -> bool {
        self.file.state == FileState::Trashed
    }

    /// What can be kept beside the file to check it later.
    pub fn receipt(&self) -> String {
        let file = &self.file;
        format!(
            "Receipt {}\nFile: {}\nSize: {}\nSHA-256: {}\nBatch: {}\nAdded by: {}\nStored: {}",
            file.id,
            format::shown_name(&file.filename),
            format::exact_size(file.bytes),
            file.sha256,
            self.batch.number,
            file.uploaded_by,
            format::rfc3339(file.uploaded_at),
        )
    }

    /// "3 of 12"
    pub fn position_text(&self) -> Option<String> {
        self.position.map(|(nth, of)| format!("{nth} of {of}"))
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

    /// "4032 × 3024"
    pub fn pixels_text(&self) -> Option<String> {
        self.pixels.map(|(width, height)| format!("{width} × {height}"))
    }
}
