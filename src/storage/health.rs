//! Whether the store can be used: the folder that belongs to the database is there, it takes files, and it answers.
//! What is wrong is kept in words for pages, and logged once, with what to do, when it begins and when it is over.

use std::{
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{LocalStore, Result, StorageError, key, local::make_folder, marker};

/// Less free than this counts as full, in bytes: a single large file would fill the disk.
const ROOM: u64 = 16 * 1024 * 1024;
/// Written and flushed to see whether the disk takes files, in bytes.
const PROBE: usize = 4096;

/// What the last looks found wrong.
#[derive(Default)]
pub(super) struct Health {
    /// The folder is not there, or not this store's.
    folder: RwLock<Option<String>>,
    /// It takes no files.
    writing: RwLock<Option<String>>,
    /// It did not answer in time.
    is_silent: AtomicBool,
}

impl LocalStore {
    /// Whether the folder is this store's, right now, and whole. Cheap enough for every write. On a disk that does
    /// not answer this fails at once instead of waiting with all the others.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<()> {
        if self.health.is_silent.load(Ordering::Relaxed) {
            return Err(StorageError::ReadOnly(SILENT.to_owned()));
        }
        self.check_folder()
    }

    fn check_folder(&self) -> Result<()> {
        let result = self.look();
        self.note(&self.health.folder, result.as_ref().err());
        result
    }

    /// Looks at everything: the folder, and whether a file can be written and flushed. Blocks for as long as the disk
    /// does not answer; meanwhile [`fell_silent`](Self::fell_silent) can be called.
    pub fn examine(&self) {
        let folder = self.check_folder();
        if self.health.is_silent.swap(false, Ordering::Relaxed) {
            tracing::info!(root = ?self.root(), "the storage answers again");
        }
        if folder.is_ok() {
            self.note(&self.health.writing, self.probe().err().as_ref());
        }
    }

    /// [`examine`](Self::examine) did not return in time: until it does, nothing else waits for the disk.
    pub fn fell_silent(&self) {
        if !self.health.is_silent.swap(true, Ordering::Relaxed) {
            tracing::error!(root = ?self.root(), to_do = advice(None), "{SILENT}");
        }
    }

    /// Why no file can be stored right now, in words for everybody; asks no disk.
    pub fn trouble(&self) -> Option<String> {
        if self.health.is_silent.load(Ordering::Relaxed) {
            return Some(SILENT.to_owned());
        }
        read(&self.health.folder).or_else(|| self.write_trouble())
    }

    /// Why the disk takes no files although the folder is there and can be read; asks no disk.
    pub fn write_trouble(&self) -> Option<String> {
        read(&self.health.writing)
    }

    fn note(&self, known: &RwLock<Option<String>>, error: Option<&StorageError>) {
        let found = error.map(words);
        let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
        if *known == found {
            return;
        }
        match (error, &found) {
            (Some(error), Some(trouble)) => {
                let to_do = advice(Some(error));
                tracing::error!(root = ?self.root(), %error, %trouble, to_do, "the store cannot be written");
            }
            _ => tracing::info!(root = ?self.root(), "the store can be written again"),
        }
        *known = found;
    }

    fn look(&self) -> Result<()> {
        self.check_marker()?;
        let device = device(self.root())?;
        for folder in [key::BATCHES, key::STAGING, key::TRASH] {
            let path = self.root().join(folder);
            if !path.is_dir() {
                make_folder(&path, 0o700)?;
            }
            if self::device(&path)? != device {
                return Err(StorageError::ReadOnly(format!(
                    "{folder} is on another filesystem than the folder it stands in, so files cannot be \
                     published safely."
                )));
            }
        }
        Ok(())
    }

    pub(super) fn check_marker(&self) -> Result<()> {
        marker::check(self.root(), self.id())
    }

    /// A file without a name, so that nothing is left of it.
    fn probe(&self) -> Result<()> {
        let write = || -> io::Result<()> {
            let mut file = tempfile::tempfile_in(self.root().join(key::STAGING))?;
            file.write_all(&[0; PROBE])?;
            file.sync_all()
        };
        write().map_err(StorageError::io("write a file and flush it"))?;
        let (free, total) = self.space()?;
        // Some filesystems do not say.
        if total > 0 && free < ROOM { Err(StorageError::Full) } else { Ok(()) }
    }
}

const SILENT: &str = "The storage does not answer.";

/// What pages say.
fn words(error: &StorageError) -> String {
    match error {
        StorageError::Full => "The disk of the storage is full.".to_owned(),
        StorageError::Io { .. } => "The disk of the storage failed.".to_owned(),
        other => other.to_string(),
    }
}

/// What an operator does about it; `None`: the disk does not answer.
fn advice(error: Option<&StorageError>) -> &'static str {
    match error {
        None => "look at the disk or the file server (dmesg); it is used again as soon as it answers",
        Some(StorageError::Full) => {
            "free or add space or inodes (df -h, df -i); stillage doctor shows how much is left"
        }
        Some(StorageError::ReadOnly(_)) => {
            "mount the right disk, and writable; stillage doctor names the command"
        }
        Some(_) => "look at the disk (dmesg), then run stillage doctor",
    }
}

fn read(known: &RwLock<Option<String>>) -> Option<String> {
    known.read().unwrap_or_else(PoisonError::into_inner).clone()
}

fn device(path: &Path) -> Result<u64> {
    std::fs::metadata(path).map(|meta| meta.dev()).map_err(StorageError::io("look at its folders"))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::storage::MarkerPolicy;

    fn store() -> (tempfile::TempDir, LocalStore) {
        let dir = tempfile::tempdir().unwrap();
        let store = LocalStore::open(dir.path(), Uuid::new_v4(), MarkerPolicy::CreateIfMissing).unwrap();
        (dir, store)
    }

    #[test]
    fn silent_store_refuses_at_once_until_it_answers() {
        let (_dir, store) = store();
        store.examine();
        assert_eq!(store.trouble(), None);
        store.fell_silent();
        assert_eq!(store.trouble().as_deref(), Some(SILENT));
        assert!(store.check().is_err() && store.stage().is_err());
        store.examine();
        assert_eq!(store.trouble(), None);
        assert!(store.stage().is_ok());
    }

    #[test]
    fn folder_that_takes_no_files_is_trouble_although_it_can_be_read() {
        let (dir, store) = store();
        // Root may write whatever the modes say, but not make a file in a file.
        let staging = dir.path().join(key::STAGING);
        store.note(&store.health.writing, Some(&StorageError::Full));
        assert_eq!(store.trouble().as_deref(), Some("The disk of the storage is full."));
        assert!(store.check().is_ok(), "it can be read");
        store.examine();
        assert_eq!(store.write_trouble(), None);
        std::fs::remove_dir(&staging).unwrap();
        store.examine();
        assert_eq!(store.trouble(), None, "its folders are made again");
    }
}
