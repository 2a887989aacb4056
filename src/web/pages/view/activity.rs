//! What happened to a batch or a file, newest first.

use chrono::{DateTime, Utc};

use super::{format, trail::Who};

/// One line of activity.
pub struct Activity {
    pub act: Act,
    pub who: Who,
    /// The one file it was about; `None` on that file's own page, or when several were.
    pub filename: Option<String>,
    /// How many files it was about, when a handler sums up a run of equal acts; 1 otherwise.
    pub count: i64,
    /// What an edit changed.
    pub changes: Vec<Change>,
    pub at: DateTime<Utc>,
}

/// One field that an edit changed.
pub struct Change {
    /// "Number"
    pub field: &'static str,
    pub before: String,
    pub after: String,
}

/// A longer text, or one of several lines, is shown when it is asked for.
const SHORT_CHARS: usize = 80;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Act {
    BatchCreated,
    BatchEdited,
    BatchClosed,
    BatchReopened,
    BatchTrashed,
    BatchRestored,
    BatchHeld,
    BatchReleased,
    FileAdded,
    FileTrashed,
    FileRestored,
    FilePurgeOrdered,
    FilePurged,
    FileMissing,
    FileFound,
    FileDescribed,
    ArchiveTaken,
    FileInfected,
    FileLockedAway,
    FileReleased,
    Shared,
    ShareUsed,
    ShareArchive,
    ShareRefused,
    ShareEnded,
}

impl Activity {
    pub fn icon(&self) -> &'static str {
        match self.act {
            Act::BatchCreated => "plus",
            Act::BatchEdited => "tag",
            Act::BatchClosed => "closed",
            Act::BatchReopened => "open",
            Act::BatchTrashed | Act::FileTrashed => "trash",
            Act::BatchRestored | Act::FileRestored => "undo",
            Act::BatchHeld => "lock",
            Act::BatchReleased => "check",
            Act::FilePurgeOrdered | Act::FilePurged => "x",
            Act::FileAdded => "upload",
            Act::FileMissing | Act::FileInfected | Act::FileLockedAway => "alert",
            Act::FileFound | Act::FileReleased => "check",
            Act::Shared | Act::ShareUsed | Act::ShareArchive => "link",
            Act::ShareRefused => "lock",
            Act::ShareEnded => "x",
            Act::ArchiveTaken => "download",
            Act::FileDescribed => "tag",
        }
    }

    /// What was done, to stand after the actor's name: "added".
    pub fn verb(&self) -> &'static str {
        match self.act {
            Act::BatchCreated => "made the batch",
            Act::BatchEdited => "changed the details",
            Act::BatchClosed => "closed the batch",
            Act::BatchReopened => "opened the batch again",
            Act::BatchTrashed => "moved the batch to the trash",
            Act::BatchRestored => "restored the batch",
            Act::BatchHeld => "put the batch on hold",
            Act::BatchReleased => "released the batch",
            Act::FilePurgeOrdered => "ordered the removal for good of",
            Act::FilePurged => "removed for good",
            Act::FileAdded => "added",
            Act::FileTrashed => "moved to the trash",
            Act::FileRestored => "restored",
            Act::FileMissing => "noticed that bytes are missing of",
            Act::FileFound => "found again",
            Act::FileDescribed => "changed kind or note of",
            Act::ArchiveTaken => "took the ZIP",
            Act::Shared => "made a share link to",
            Act::ShareUsed => "downloaded, by a share link,",
            Act::ShareArchive => "took the ZIP, by a share link",
            Act::ShareRefused => "gave a wrong password for the share link to",
            Act::ShareEnded => "ended a share link to",
            Act::FileInfected => "was refused, because of malware,",
            Act::FileLockedAway => "locked away, because of malware,",
            Act::FileReleased => "released from quarantine",
        }
    }

    /// What it was done to when no single file is named: "3 files", "it", or nothing for the batch itself.
    pub fn object(&self) -> String {
        if !self.act.is_about_files() || self.filename.is_some() {
            String::new()
        } else if self.count == 1 {
            "it".to_owned()
        } else {
            format::count(self.count, "file", "files")
        }
    }
}

impl Change {
    pub fn is_short(&self) -> bool {
        [&self.before, &self.after]
            .into_iter()
            .all(|text| text.chars().count() <= SHORT_CHARS && !text.contains('\n'))
    }

    pub fn before_text(&self) -> &str {
        text_or_nothing(&self.before)
    }

    pub fn after_text(&self) -> &str {
        text_or_nothing(&self.after)
    }
}

fn text_or_nothing(text: &str) -> &str {
    if text.is_empty() { "nothing" } else { text }
}

impl Act {
    fn is_about_files(self) -> bool {
        !matches!(
            self,
            Act::BatchCreated
                | Act::BatchEdited
                | Act::BatchClosed
                | Act::BatchReopened
                | Act::BatchTrashed
                | Act::BatchRestored
                | Act::BatchHeld
                | Act::BatchReleased
                | Act::ArchiveTaken
                | Act::ShareArchive
        )
    }
}
