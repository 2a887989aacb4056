//! The marker file that ties a folder to its database, so that an unmounted disk or a wrong folder is noticed
//! before anything is written to it or believed missing from it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use uuid::Uuid;

use super::{Result, StorageError, open_regular};

pub const MARKER_FILE: &str = ".stillage-store";
/// The marker until it is durable.
const UNFINISHED: &str = ".stillage-store.new";

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
    match open_regular(&path).and_then(|file| file.take(256).read_to_string(&mut text)) {
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

/// Whether there is any marker at all. An empty one is what a power cut left of a first start.
pub(super) fn exists(root: &Path) -> bool {
    root.join(MARKER_FILE).metadata().is_ok_and(|meta| meta.len() > 0)
}

/// Whole or not at all, whenever a crash comes.
pub(super) fn create(root: &Path, id: Uuid) -> Result<()> {
    let write = || -> io::Result<()> {
        let unfinished = root.join(UNFINISHED);
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&unfinished)?;
        writeln!(file, "{id}")?;
        file.sync_all()?;
        fs::rename(&unfinished, root.join(MARKER_FILE))?;
        File::open(root)?.sync_all()
    };
    write().map_err(StorageError::io("write its marker"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_marker_left_by_a_power_cut_is_written_again() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(MARKER_FILE), b"").unwrap();
        assert!(!exists(dir.path()));
        let id = Uuid::new_v4();
        create(dir.path(), id).unwrap();
        assert!(exists(dir.path()));
        check(dir.path(), id).unwrap();
        assert!(check(dir.path(), Uuid::new_v4()).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
