//! Messages that survive one redirect, kept in the session.

use std::borrow::Cow;

use actix_session::Session;
use serde::{Deserialize, Serialize};

use super::{
    pages::view::frame::{self, FileResult, FlashKind, Undo},
    session,
    shorten::shorten,
};

const KEY: &str = "flash";

/// What one message takes in the session's row, at most: characters of its text, of a file's name and of the reason
/// why that is not stored, and files.
const TEXT_CHARS: usize = 500;
const NAME_CHARS: usize = 120;
const REASON_CHARS: usize = 300;
const FILES: usize = 60;

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

    /// The result for each file of an upload, and what else was not stored.
    pub fn files(files: Vec<FileOutcome>, not_stored: String) -> Self {
        let is_done = not_stored.is_empty() && files.iter().all(|file| file.stored);
        let kind = if is_done { Kind::Done } else { Kind::Failed };
        Self { kind, text: not_stored, undo: None, files }
    }

    /// Adds a button that takes the act back.
    pub fn with_undo(self, action_url: String) -> Self {
        Self { undo: Some(action_url), ..self }
    }

    /// Keeps the message for the next page.
    pub fn keep(self, session: &Session) {
        session::insert(session, KEY, &self.bounded());
    }

    fn bounded(mut self) -> Self {
        let cut = |text: &mut String, most| {
            if let Cow::Owned(short) = shorten(text, most) {
                *text = short;
            }
        };
        cut(&mut self.text, TEXT_CHARS);
        self.files.truncate(FILES);
        for file in &mut self.files {
            cut(&mut file.filename, NAME_CHARS);
            cut(&mut file.message, REASON_CHARS);
        }
        self
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_any_size_is_kept_within_bounds() {
        let file =
            || FileOutcome { filename: "ü".repeat(60_000), stored: false, message: "ü".repeat(60_000) };
        let flash = Flash {
            text: "ü".repeat(60_000),
            ..Flash::files((0..1000).map(|_| file()).collect(), String::new())
        };
        let flash = flash.bounded();
        assert_eq!(flash.files.len(), FILES);
        let row = serde_json::to_string(&flash).unwrap();
        assert!(row.len() < 64 * 1024, "{} bytes", row.len());
        let short = Flash::done("Saved").bounded();
        assert_eq!(short.text, "Saved");
    }
}
