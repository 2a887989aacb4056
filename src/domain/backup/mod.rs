//! Backups: rows and files together, proven by hashes.
//!
//! ```text
//! DIR/manifest.json            what belongs to the backup: every file with size and SHA-256
//! DIR/database.dump            every row, as of one moment (db::dump)
//! DIR/files/batches/{name}     the files; one that is there already is not copied again
//! ```
//!
//! The manifest is written last and replaces the one before it at once. A backup that broke off leaves the
//! manifest that was there, and the next one goes on from what was copied.

mod check;
mod make;
mod restore;

use std::{
    fs::File,
    io::{self, BufReader, Read, Write},
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use uuid::Uuid;

use crate::{
    error::{Error, Result},
    storage::key,
};

pub use check::check;
pub use make::make;
pub use restore::restore;

const MANIFEST: &str = "manifest.json";
const DUMP: &str = "database.dump";
const FILES: &str = "files";
/// The form that this program writes and reads.
const FORMAT: u32 = 1;
const BUFFER: usize = 1024 * 1024;

#[derive(Debug, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// The program that made it.
    pub version: String,
    pub made_at: DateTime<Utc>,
    /// The newest migration; only a program with the same one restores the rows.
    pub schema: String,
    pub store_id: Uuid,
    pub database: Entry,
    pub files: Vec<Entry>,
    /// Files that the store itself could not give whole; they are not in the backup.
    pub missing: Vec<Missing>,
}

/// A file of the backup, by its path in the backup's folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub path: String,
    pub size: u64,
    pub sha256: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    pub stored_name: String,
    pub reason: String,
}

/// What a restore ended, so that nothing lives again that was ended since the backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ended {
    pub shares: usize,
    pub tokens: usize,
    /// Accounts are as they were at this moment.
    pub as_of: DateTime<Utc>,
}

/// What was done, or found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    pub files: usize,
    pub bytes: u64,
    /// Of the files, those that were not there before.
    pub copied: usize,
    /// Of a restore.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// What does not hold, each with the name of the file.
    pub problems: Vec<String>,
}

impl Manifest {
    /// # Errors
    /// [`Error::Conflict`] when the folder holds no backup, or one of another form.
    fn read(folder: &Path) -> Result<Self> {
        let unusable = |why: String| {
            Error::conflict("no_backup", format!("{} holds no usable backup: {why}.", folder.display()))
        };
        let file = File::open(folder.join(MANIFEST)).map_err(|error| unusable(error.to_string()))?;
        let manifest: Self =
            serde_json::from_reader(BufReader::new(file)).map_err(|error| unusable(error.to_string()))?;
        if manifest.format != FORMAT {
            return Err(unusable(format!("its form {} is not {FORMAT}", manifest.format)));
        }
        Ok(manifest)
    }
}

/// Where a stored file lies in a backup's folder.
fn path_of(stored_name: &str) -> String {
    format!("{FILES}/{}/{stored_name}", key::BATCHES)
}

/// The stored name in such a path. A manifest is input: nothing but our own names leads anywhere.
fn name_in(path: &str) -> Option<&str> {
    let name = path.strip_prefix(FILES)?.strip_prefix('/')?.strip_prefix(key::BATCHES)?.strip_prefix('/')?;
    key::is_stored_name(name).then_some(name)
}

/// A file on its way to `target`, whose place it takes when it is whole. Gone without a trace otherwise.
struct Fresh {
    target: PathBuf,
    temporary: NamedTempFile,
    hash: Sha256,
    size: u64,
}

impl Fresh {
    fn create(target: PathBuf) -> io::Result<Self> {
        let temporary = NamedTempFile::with_prefix_in(".part-", parent(&target))?;
        Ok(Self { target, temporary, hash: Sha256::new(), size: 0 })
    }

    /// Size and SHA-256 of what was written so far.
    fn digest(&self) -> (u64, String) {
        (self.size, hex::encode(self.hash.clone().finalize()))
    }

    /// Makes it durable, under its name.
    fn keep(self) -> io::Result<()> {
        self.temporary.as_file().sync_all()?;
        self.temporary.persist(&self.target)?;
        File::open(parent(&self.target))?.sync_all()
    }
}

impl Write for Fresh {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.temporary.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.temporary.flush()
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or_else(|| Path::new("."))
}

/// Size and SHA-256 of a file.
fn digest(mut file: File) -> io::Result<(u64, String)> {
    let (mut hash, mut size, mut buffer) = (Sha256::new(), 0, vec![0; BUFFER]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((size, hex::encode(hash.finalize()))),
            read => {
                hash.update(&buffer[..read]);
                size += read as u64;
            }
        }
    }
}
