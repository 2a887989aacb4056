//! The read cache of cloud mode: verified files from the bucket, bounded in size, the ones that were not read
//! for the longest going first. It may vanish at any time without loss.

use std::{
    fs::{self, File},
    io,
    path::PathBuf,
    time::SystemTime,
};

use super::{LocalStore, Result, Staged, StorageError, key, local::make_folder, open_regular};

/// Over its limit, the cache shrinks to this share of it, so that it does not do so for every file.
const AFTER: f64 = 0.9;

impl LocalStore {
    /// A cached file of this size; reading it makes it young again.
    pub fn open_cached(&self, stored_name: &str, size: u64) -> Option<File> {
        let path = key::cached(self.root(), stored_name);
        let file = open_regular(&path).ok()?;
        if file.metadata().ok()?.len() != size {
            return None;
        }
        #[expect(clippy::disallowed_methods, reason = "compared with what the disk says of other files")]
        let now = SystemTime::now();
        // What cannot be made young goes a little earlier.
        let _ = file.set_modified(now);
        Some(file)
    }

    /// Removes a file from the cache, if it is there.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn forget_cached(&self, stored_name: &str) -> Result<()> {
        match fs::remove_file(key::cached(self.root(), stored_name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StorageError::io("remove a file from its cache")(error))
            }
            _ => Ok(()),
        }
    }

    /// Keeps a verified file, and lets old ones go when all together are over `max` bytes.
    pub fn cache(&self, staged: Staged, stored_name: &str, max: u64) -> Result<()> {
        let doing = "keep a file in its cache";
        if staged.size > max {
            return Ok(());
        }
        make_folder(&self.root().join(key::CACHE), 0o700)?;
        let mut part = staged.part;
        fs::rename(&part.path, key::cached(self.root(), stored_name)).map_err(StorageError::io(doing))?;
        part.keep = true;
        self.shrink_cache(max)
    }

    fn shrink_cache(&self, max: u64) -> Result<()> {
        let entries =
            fs::read_dir(self.root().join(key::CACHE)).map_err(StorageError::io("list its cache"))?;
        let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let meta = entry.metadata().ok()?;
                Some((meta.modified().ok()?, meta.len(), entry.path()))
            })
            .collect();
        let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
        if total <= max {
            return Ok(());
        }
        files.sort();
        for (_, size, path) in files {
            if total as f64 <= max as f64 * AFTER {
                break;
            }
            // Another instance may have been faster.
            let _ = fs::remove_file(path);
            total -= size;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::storage::MarkerPolicy;

    #[test]
    fn what_was_not_read_for_the_longest_goes_first() {
        let dir = tempfile::tempdir().unwrap();
        let store = LocalStore::open(dir.path(), Uuid::new_v4(), MarkerPolicy::CreateIfMissing).unwrap();
        let keep = |name: &str, size: usize, max: u64| {
            let mut staging = store.stage().unwrap();
            staging.write(&vec![1; size]).unwrap();
            store.cache(staging.finish().unwrap(), name, max).unwrap();
        };
        let age = |name: &str, seconds: u64| {
            let path = key::cached(dir.path(), name);
            let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
        };
        for (name, seconds) in [("a", 1), ("b", 2), ("c", 3)] {
            keep(name, 10, 100);
            age(name, seconds);
        }
        assert!(store.open_cached("a", 10).is_some(), "and is young again");
        assert!(store.open_cached("a", 11).is_none(), "another size is another file");
        keep("d", 10, 30);
        let left: Vec<bool> =
            ["a", "b", "c", "d"].iter().map(|name| store.open_cached(name, 10).is_some()).collect();
        assert_eq!(left, [true, false, false, true]);
        keep("huge", 50, 30);
        assert!(store.open_cached("huge", 50).is_none(), "what would fill it alone is not kept");
        assert!(fs::read_dir(dir.path().join(key::STAGING)).unwrap().next().is_none());
    }
}
