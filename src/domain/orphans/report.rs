//! What a look for files without a row came to.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::find::Findings;
use crate::storage::Found;

/// Names of each part that a report keeps.
const NAMES: usize = 20;

/// Files of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub files: usize,
    pub bytes: u64,
    /// The first of them.
    pub names: Vec<String>,
}

impl Part {
    pub(super) fn of<'a>(files: impl IntoIterator<Item = &'a Found>) -> Self {
        let mut part = Self::default();
        for file in files {
            part.files += 1;
            part.bytes += file.size;
            if part.names.len() < NAMES {
                part.names.push(file.name.clone());
            }
        }
        part
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub at: DateTime<Utc>,
    /// Whether what was found was moved aside.
    pub applied: bool,
    /// How many files were moved; what went away meanwhile, or got its row, is not among them.
    pub moved: usize,
    /// Why nothing was moved although somebody asked for it.
    pub refused: Option<String>,
    /// Published files that no row names.
    pub published: Part,
    /// What uploads left behind that are over.
    pub staged: Part,
    /// Folders of pictures of files that are not there.
    pub previews: usize,
    /// Objects of the bucket that no row names.
    #[serde(default)]
    pub objects: Part,
    /// Why the bucket could not be looked through.
    #[serde(default)]
    pub bucket_trouble: Option<String>,
    /// What lies in `.trash/` and goes for good later.
    pub aside: Part,
    /// What lies in `.trash/` long enough to go for good with the next hourly run.
    pub over: Part,
    /// Files in `.trash/` that a row misses: they are kept, and belong back into `batches/`.
    pub wanted_back: Part,
    /// Files in `batches/` that Stillage did not publish: "to import".
    pub to_import: usize,
    /// Rows whose file is not there.
    pub rows_without_file: usize,
    /// Files that the database expects in the store.
    pub known: usize,
}

impl Report {
    pub(super) fn of(found: &Findings, at: DateTime<Utc>) -> Self {
        Self {
            at,
            applied: false,
            moved: 0,
            refused: None,
            published: Part::of(&found.published),
            staged: Part::of(found.staged.iter().map(|(_, file)| file)),
            previews: found.previews.len(),
            objects: Part::of(&found.objects),
            bucket_trouble: found.bucket_trouble.clone(),
            aside: Part::of(&found.aside.waiting),
            over: Part::of(&found.aside.over),
            wanted_back: Part::of(&found.aside.wanted),
            to_import: found.to_import,
            rows_without_file: found.rows_without_file,
            known: found.total,
        }
    }

    /// How many files would be moved: the number to name when they are too many.
    pub fn going(&self) -> usize {
        self.published.files + self.staged.files + self.previews + self.objects.files
    }

    /// Whether moving them would be refused unless somebody names the number.
    pub fn is_too_much(&self) -> bool {
        super::is_too_much(self.going(), self.known)
    }

    /// For the trail.
    pub(super) fn in_short(&self) -> serde_json::Value {
        json!({
            "moved": self.moved,
            "published": self.published.files,
            "staged": self.staged.files,
            "previews": self.previews,
            "objects": self.objects.files,
        })
    }
}
