//! Messages that survive one redirect, kept in the session.

use actix_session::Session;
use serde::{Deserialize, Serialize};

use super::{
    pages::view::frame::{self, FileResult, FlashKind, Undo},
    session,
};

const KEY: &str = "flash";

#[derive(Debug, Serialize, Deserialize)]
pub struct Flash {
    kind: Kind,
    text: String,
    /// Where the undo button posts to.
    undo: Option<String>,
    files: Vec<FileOutcome>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Kind {
    Done,
    Failed,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct FileOutcome {
    pub filename: String,
    pub stored: bool,
    pub message: String,
}

impl Flash {
    pub fn done(text: impl Into<String>) -> Self {
        Self { kind: Kind::Done, text: text.into(), undo: None, files: Vec::new() }
    }

    pub fn failed(text: impl Into<String>) -> Self {
        Self { kind: Kind::Failed, ..Self::done(text) }
    }

    /// What became of each file of an upload.
    pub fn files(files: Vec<FileOutcome>) -> Self {
        let kind = if files.iter().all(|file| file.stored) { Kind::Done } else { Kind::Failed };
        Self { kind, text: String::new(), undo: None, files }
    }

    /// Adds a button that takes the act back.
    pub fn with_undo(self, action_url: String) -> Self {
        Self { undo: Some(action_url), ..self }
    }

    /// Keeps the message for the next page.
    pub fn keep(self, session: &Session) {
        session::insert(session, KEY, &self);
    }
}

/// Takes the message, so that it shows once.
pub fn take(session: &Session) -> Vec<frame::Flash> {
    let flash: Option<Flash> = session.get(KEY).ok().flatten();
    if flash.is_some() {
        session.remove(KEY);
    }
    flash.into_iter().map(shown).collect()
}

fn shown(flash: Flash) -> frame::Flash {
    frame::Flash {
        kind: match flash.kind {
            Kind::Done => FlashKind::Done,
            Kind::Failed => FlashKind::Failed,
        },
        text: flash.text,
        undo: flash.undo.map(|action_url| Undo { action_url, label: "Undo".to_owned() }),
        files: flash
            .files
            .into_iter()
            .map(|file| FileResult { filename: file.filename, stored: file.stored, message: file.message })
            .collect(),
    }
}
