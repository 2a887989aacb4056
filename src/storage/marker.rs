//! The marker file that ties a folder to its database, so that an unmounted disk or a wrong folder is noticed
//! before anything is written to it or believed missing from it.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use uuid::Uuid;

use super::{Result, StorageError};

pub const MARKER_FILE: &str = ".stillage-store";

/// What a missing marker means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkerPolicy {
    /// The database knows no file yet: the folder is new and gets its marker.
    CreateIfMissing,
    /// The database knows files, so the folder that holds them must carry the marker.
    Require,
}

/// Checks that `root` belongs to the store `id`.
pub(super) fn check(root: &Path, id: Uuid) -> Result<()> {
    let path = root.join(MARKER_FILE);
    let mut text = String::new();
    match File::open(&path).and_then(|file| file.take(256).read_to_string(&mut text)) {
        Ok(_) if text.trim().parse() == Ok(id) => Ok(()),
        Ok(_) => Err(StorageError::ReadOnly(
            "The storage folder belongs to another database, so nothing is written to it.".to_owned(),
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StorageError::ReadOnly(
            "The storage that belongs to this database is not there (is it mounted?).".to_owned(),
        )),
        Err(source) => Err(StorageError::Io { doing: "read its marker", source }),
    }
}

/// Whether there is any marker at all.
pub(super) fn exists(root: &Path) -> bool {
    root.join(MARKER_FILE).exists()
}

pub(super) fn create(root: &Path, id: Uuid) -> Result<()> {
    let write = || -> io::Result<()> {
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o644).open(root.join(MARKER_FILE))?;
        writeln!(file, "{id}")?;
        file.sync_all()?;
        File::open(root)?.sync_all()
    };
    write().map_err(StorageError::io("write its marker"))
}
