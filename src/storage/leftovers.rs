//! What lies in the store without anybody who knows it, and what is removed for good. Whoever calls says what is known:
//! the store itself cannot.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, SystemTime},
};

use uuid::Uuid;

use super::{
    Found, LocalStore, Published, Result, Staged, StorageError, key, open_regular, published::ignore_missing,
};

impl LocalStore {
    /// Moves an unknown or damaged file aside into `.trash/`, beside one that was moved there before; `false` when it is
    /// not there any more.
    pub fn set_aside(&self, stored_name: &str) -> Result<bool> {
        let from = key::published(self.root(), stored_name);
        let mut to = key::trashed(self.root(), stored_name);
        if to.exists() {
            to = key::trashed(self.root(), &key::stored_name(Uuid::new_v4(), stored_name));
        }
        let moved = rename(&from, &to)?;
        self.sync_published().map_err(StorageError::io("move a file aside"))?;
        Ok(moved)
    }

    /// Publishes over a file that is known to be bad, which is kept aside.
    pub fn replace(&self, staged: Staged, stored_name: &str) -> Result<()> {
        // Whatever stands there, a folder or a pipe too.
        self.set_aside(stored_name)?;
        self.publish(staged, stored_name).map(Published::confirm)
    }

    /// Removes a published file for good, durably. One that is not there is a success.
    pub fn remove_published(&self, stored_name: &str) -> Result<()> {
        let doing = "remove a file";
        self.check()?;
        fs::remove_file(key::published(self.root(), stored_name))
            .or_else(ignore_missing)
            .map_err(StorageError::io(doing))?;
        self.sync_published().map_err(StorageError::io(doing))
    }

    /// Removes published files for good, durably; those that are not there are gone already. Returns the names whose
    /// removal failed, with the first reason.
    ///
    /// # Errors
    /// The folder could not be made durable: then none of them counts as removed.
    pub fn unlink_published(&self, names: &[String]) -> Result<(Vec<String>, Option<StorageError>)> {
        let doing = "remove a file for good";
        let (mut stayed, mut reason) = (Vec::new(), None);
        for name in names {
            let removed = fs::remove_file(key::published(self.root(), name)).or_else(ignore_missing);
            if let Err(error) = removed {
                tracing::error!(?name, %error, "a file could not be removed for good");
                stayed.push(name.clone());
                reason.get_or_insert(StorageError::io(doing)(error));
            }
        }
        self.sync_published().map_err(StorageError::io(doing))?;
        Ok((stayed, reason))
    }

    /// Staged files of requests that are over, untouched since `before`. What a living upload holds is locked, and is
    /// left out.
    pub fn unheld_parts(&self, before: SystemTime) -> Result<Vec<Found>> {
        let mut found = self.files_in(key::STAGING, Some(before))?;
        found.retain(|file| file.name.ends_with(&format!(".{}", key::PART)));
        let mut unheld = Vec::new();
        for file in found {
            if lock(&self.root().join(key::STAGING).join(&file.name))?.is_some() {
                unheld.push(file);
            }
        }
        Ok(unheld)
    }

    /// Staged files of resumable uploads, untouched since `before`, with the upload that each belongs to.
    pub fn staged_uploads(&self, before: SystemTime) -> Result<Vec<(Uuid, Found)>> {
        let found = self.files_in(key::STAGING, Some(before))?;
        Ok(found.into_iter().filter_map(|file| Some((key::resumable_id(&file.name)?, file))).collect())
    }

    /// Moves a staged file aside into `.trash/`; `false` when it went away or somebody holds it now.
    pub fn set_staged_aside(&self, name: &str) -> Result<bool> {
        let path = self.root().join(key::STAGING).join(name);
        let Some(held) = lock(&path)? else { return Ok(false) };
        let moved = rename(&path, &key::trashed(self.root(), name))?;
        drop(held);
        Ok(moved)
    }

    /// Ids of files that have a folder of previews.
    pub fn previewed(&self) -> Result<Vec<Uuid>> {
        let doing = "list its previews";
        let mut ids = Vec::new();
        for shelf in entries(&self.root().join(key::PREVIEWS), doing)? {
            for folder in entries(&shelf.path(), doing)? {
                ids.extend(folder.file_name().to_str().and_then(|name| Uuid::try_parse(name).ok()));
            }
        }
        Ok(ids)
    }

    /// What was moved aside into `.trash/`; `modified` is when that was.
    pub fn list_aside(&self) -> Result<Vec<Found>> {
        self.files_in(key::TRASH, None)
    }

    /// Removes a file for good that was moved aside.
    pub fn remove_aside(&self, name: &str) -> Result<()> {
        fs::remove_file(key::trashed(self.root(), name))
            .or_else(ignore_missing)
            .map_err(StorageError::io("empty its trash"))
    }

    /// Regular files of a folder, all of them or those whose entry changed before `before`. A move is such a change, and unlike the time of
    /// the content it cannot be brought along from elsewhere.
    fn files_in(&self, folder: &str, before: Option<SystemTime>) -> Result<Vec<Found>> {
        let doing = "list its folders";
        let mut found = Vec::new();
        for entry in entries(&self.root().join(folder), doing)? {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let meta = match entry.metadata() {
                Ok(meta) => meta,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(StorageError::io(doing)(error)),
            };
            let changed = SystemTime::UNIX_EPOCH
                + Duration::from_secs(meta.ctime().try_into().unwrap_or_default())
                + Duration::from_nanos(meta.ctime_nsec().try_into().unwrap_or_default());
            if meta.is_file() && before.is_none_or(|before| changed < before) {
                found.push(Found { name, size: meta.len(), modified: changed, changed });
            }
        }
        Ok(found)
    }
}

/// The entries of a folder; one that is not there has none.
fn entries(folder: &Path, doing: &'static str) -> Result<Vec<fs::DirEntry>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.collect::<io::Result<_>>().map_err(StorageError::io(doing)),
        Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) => {
            Ok(Vec::new())
        }
        Err(error) => Err(StorageError::io(doing)(error)),
    }
}

/// The file, locked; `None` when it is not there or somebody else holds it.
fn lock(path: &Path) -> Result<Option<File>> {
    let doing = "look at a staged file";
    let file = match open_regular(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StorageError::io(doing)(error)),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(StorageError::io(doing)(error)),
    }
}

/// `false` when it is not there any more.
pub(super) fn rename(from: &Path, to: &Path) -> Result<bool> {
    match fs::rename(from, to) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StorageError::io("move a file aside")(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::MarkerPolicy;

    #[test]
    fn what_is_held_is_no_leftover() {
        let dir = tempfile::tempdir().unwrap();
        let store = LocalStore::open(dir.path(), Uuid::new_v4(), MarkerPolicy::CreateIfMissing).unwrap();
        let living = store.stage().unwrap();
        let left = format!("{}.part", Uuid::new_v4());
        fs::write(dir.path().join(".staging").join(&left), b"half").unwrap();
        fs::write(dir.path().join(".staging/notes.txt"), b"somebody's").unwrap();
        let later = SystemTime::from(crate::clock::Clock::default().now()) + Duration::from_secs(60);
        let names = |found: Vec<Found>| found.into_iter().map(|file| file.name).collect::<Vec<_>>();
        assert_eq!(names(store.unheld_parts(later).unwrap()), [left.as_str()]);
        assert!(store.unheld_parts(SystemTime::UNIX_EPOCH).unwrap().is_empty());
        assert!(store.set_staged_aside(&left).unwrap());
        assert!(!store.set_staged_aside(&left).unwrap());
        assert_eq!(names(store.list_aside().unwrap()), [left.as_str()]);
        store.remove_aside(&left).unwrap();
        store.remove_aside(&left).unwrap();
        assert!(store.list_aside().unwrap().is_empty());
        drop(living);
    }

    #[test]
    fn what_is_gone_already_counts_as_removed() {
        let dir = tempfile::tempdir().unwrap();
        let store = LocalStore::open(dir.path(), Uuid::new_v4(), MarkerPolicy::CreateIfMissing).unwrap();
        fs::write(dir.path().join("batches/a"), b"a").unwrap();
        fs::create_dir(dir.path().join("batches/folder")).unwrap();
        let names = ["a", "gone", "folder"].map(str::to_owned);
        let (stayed, reason) = store.unlink_published(&names).unwrap();
        assert_eq!(stayed, ["folder"]);
        assert!(reason.is_some());
        assert!(!dir.path().join("batches/a").exists());
    }
}
