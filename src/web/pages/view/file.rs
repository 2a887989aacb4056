//! A file as lists and pages show it.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::format;
use super::preview::Thumb;
use crate::domain::kind::Kind;

/// One file in a batch's gallery or table.
pub struct FileRow {
    pub id: Uuid,
    pub filename: String,
    pub kind: FileKind,
    /// What people say it is.
    pub said: Kind,
    pub note: String,
    pub bytes: i64,
    pub uploaded_by: String,
    pub uploaded_at: DateTime<Utc>,
    pub state: FileState,
    pub thumb: Thumb,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    Photo,
    Pdf,
    Other,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FileState {
    Available,
    Trashed,
    Missing,
    Corrupt,
    Quarantined,
}

/// A file that another page links to.
pub struct FileRef {
    pub id: Uuid,
    pub filename: String,
}

impl FileRow {
    /// Whether its picture is that of a page, of which the top says most.
    pub fn thumb_is_page(&self) -> bool {
        self.kind == FileKind::Pdf
    }

    /// The extension, for the corner of a tile: "PDF".
    pub fn badge(&self) -> String {
        format::extension(&self.filename)
    }
}

impl FileRef {
    pub fn shown(&self) -> String {
        format::shown_name(&self.filename)
    }
}

impl FileKind {
    /// The kind that a sniffed media type stands for.
    pub fn of(content_type: &str) -> Self {
        if content_type.starts_with("image/") {
            FileKind::Photo
        } else if content_type == "application/pdf" {
            FileKind::Pdf
        } else {
            FileKind::Other
        }
    }

    pub fn icon(self) -> &'static str {
        match self {
            FileKind::Photo => "photo",
            FileKind::Pdf => "pdf",
            FileKind::Other => "file",
        }
    }

    /// The same, drawn finer, for where it stands in place of a picture.
    pub fn art(self) -> &'static str {
        match self {
            FileKind::Photo => "art-photo",
            FileKind::Pdf => "art-pdf",
            FileKind::Other => "art-file",
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            FileKind::Photo => "Photo",
            FileKind::Pdf => "PDF",
            FileKind::Other => "File",
        }
    }
}

impl FileState {
    pub fn icon(self) -> &'static str {
        match self {
            FileState::Available => "check",
            FileState::Trashed => "trash",
            FileState::Missing | FileState::Corrupt => "alert",
            FileState::Quarantined => "lock",
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            FileState::Available => "Stored",
            FileState::Trashed => "In the trash",
            FileState::Missing => "Missing",
            FileState::Corrupt => "Damaged",
            FileState::Quarantined => "Locked",
        }
    }

    /// The ending of the CSS class; empty is calm.
    pub fn tone(self) -> &'static str {
        match self {
            FileState::Available => "ok",
            FileState::Trashed => "",
            FileState::Missing | FileState::Corrupt | FileState::Quarantined => "bad",
        }
    }

    /// What is wrong and what now, as a title and a sentence; `None` when nothing is.
    pub fn trouble(self) -> Option<(&'static str, &'static str)> {
        match self {
            FileState::Available | FileState::Trashed => None,
            FileState::Missing => Some((
                "The bytes of this file are not where they should be",
                "The record is kept. Tell an admin; do not delete the original on your device.",
            )),
            FileState::Corrupt => Some((
                "This file no longer matches its SHA-256",
                "It is not handed out. Tell an admin; do not delete the original on your device.",
            )),
            FileState::Quarantined => Some((
                "This file is locked away",
                "The scanner found something harmful in it. Nobody can open it; tell an admin.",
            )),
        }
    }

    /// Whether the bytes can be handed out.
    pub fn is_readable(self) -> bool {
        matches!(self, FileState::Available)
    }
}
