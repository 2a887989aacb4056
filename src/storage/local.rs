//! The store on a local disk or an NFS/SAN mount.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use uuid::Uuid;

use super::{
    MarkerPolicy, Published, Result, Resumed, Staged, Staging, StorageError,
    dir_sync::DirSync,
    health::Health,
    key, marker, open_regular,
    published::{self, ignore_missing},
    staging,
};

/// A store's folder. All functions block; callers hop to a blocking thread.
pub struct LocalStore {
    root: PathBuf,
    id: Uuid,
    batches: DirSync,
    pub(super) health: Health,
}

/// A file in `batches/` as the disk has it.
#[derive(Debug, Clone)]
pub struct Found {
    pub name: String,
    pub size: u64,
    pub modified: SystemTime,
    /// When it was last written, linked or renamed, whatever time it carries.
    pub changed: SystemTime,
}

impl LocalStore {
    /// Opens the store `id` in `root`, making its folders (and, if the policy allows it, its marker) where they
    /// are missing. A folder that is not this store's is left alone: such a store opens, but
    /// [`check`](Self::check) fails until the right folder is there.
    ///
    /// # Errors
    /// The folders cannot be made or are not on one filesystem.
    pub fn open(root: &Path, id: Uuid, policy: MarkerPolicy) -> Result<Self> {
        let root = std::path::absolute(root).map_err(StorageError::io("find its folder"))?;
        let batches = DirSync::new(root.join(key::BATCHES));
        let store = Self { root, id, batches, health: Health::default() };
        if policy == MarkerPolicy::CreateIfMissing && !marker::exists(&store.root) {
            make_folder(&store.root, 0o755)?;
            marker::create(&store.root, id)?;
        }
        match store.check() {
            Ok(()) | Err(StorageError::ReadOnly(_)) => Ok(store),
            Err(error) => Err(error),
        }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn id(&self) -> Uuid {
        self.id
    }

    /// Begins an upload.
    pub fn stage(&self) -> Result<Staging> {
        self.check()?;
        Staging::create(&self.root)
    }

    /// Opens the staged file of a resumable upload, cut to `offset` bytes. When a crash came between its
    /// publication and its row, it is fetched back first: the caller knows that no row names it.
    pub fn resume(&self, upload: Uuid, stored_name: &str, offset: u64) -> Result<Resumed> {
        self.check()?;
        let path = key::resumable(&self.root, upload);
        if !path.exists() {
            let published = key::published(&self.root, stored_name);
            fs::rename(published, &path)
                .or_else(ignore_missing)
                .map_err(StorageError::io("resume an upload"))?;
        }
        Staging::resume(path, offset)
    }

    /// Stages a file from elsewhere, which stays where it is: by a second name for its bytes, or by a copy.
    pub fn stage_file(&self, source: &Path) -> Result<Staged> {
        self.check()?;
        Staging::of_file(&self.root, source)?.finish()
    }

    /// Stages a file that lies in `batches/` without a row, so that publishing it leaves it there.
    pub fn stage_published(&self, stored_name: &str) -> Result<Staged> {
        self.stage_file(&key::published(&self.root, stored_name))
    }

    /// Removes the staged file of a resumable upload that is over.
    pub fn discard(&self, upload: Uuid) -> Result<()> {
        staging::remove(&key::resumable(&self.root, upload)).map(drop)
    }

    /// The resumable uploads that have a staged file.
    pub fn resumable(&self) -> Result<Vec<Uuid>> {
        self.check()?;
        staging::resumable(&self.root)
    }

    /// Gives a staged file its final name, durably. Never overwrites.
    pub fn publish(&self, staged: Staged, stored_name: &str) -> Result<Published> {
        self.check_marker()?;
        let target = key::published(&self.root, stored_name);
        let mut part = staged.part;
        let own = fs::metadata(&part.path).map_err(StorageError::io("read an upload"))?;
        let inode = own.ino();
        if fs::symlink_metadata(&target).is_ok_and(|there| (there.dev(), there.ino()) == (own.dev(), inode)) {
            // A file that lay in its place already; what is staged is only a second name of it.
            return Ok(Published { path: target, from: None, was_there: true });
        }
        published::rename_new(&part.path, &target, inode, staged.size)?;
        let published =
            Published { path: target, from: part.keep.then(|| part.path.clone()), was_there: false };
        part.keep = true;
        match self.batches.sync() {
            Ok(()) => Ok(published),
            Err(error) => {
                published.take_back();
                Err(StorageError::io("make a new file durable")(error))
            }
        }
    }

    /// Puts a file into `batches/` at once and without making it durable: only for synthetic data.
    pub fn write_undurably(&self, stored_name: &str, bytes: &[u8]) -> Result<()> {
        fs::write(key::published(&self.root, stored_name), bytes).map_err(StorageError::io("write a file"))
    }

    /// Opens a published file for reading, together with its size; `None` when there is no such file, or something
    /// that is not a regular file.
    pub fn open_published(&self, stored_name: &str) -> Result<Option<(File, u64)>> {
        match open_regular(&key::published(&self.root, stored_name)) {
            Ok(file) => {
                let size = file.metadata().map_err(StorageError::io("read a file"))?.len();
                Ok(Some((file, size)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StorageError::io("open a file")(error)),
        }
    }

    /// The size of a published file, or `None` when it is not there.
    pub fn size_of(&self, stored_name: &str) -> Result<Option<u64>> {
        match fs::symlink_metadata(key::published(&self.root, stored_name)) {
            Ok(meta) => Ok(meta.is_file().then_some(meta.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StorageError::io("look at a file")(error)),
        }
    }

    /// Every regular file in `batches/`, in no order.
    pub fn list_published(&self) -> Result<impl Iterator<Item = Result<Found>> + use<>> {
        let doing = "list its files";
        let entries = fs::read_dir(self.root.join(key::BATCHES)).map_err(StorageError::io(doing))?;
        Ok(entries.filter_map(move |entry| {
            let found = || -> io::Result<Option<Found>> {
                let entry = entry?;
                let meta = entry.metadata()?;
                let Ok(name) = entry.file_name().into_string() else { return Ok(None) };
                if !meta.is_file() {
                    return Ok(None);
                }
                let changed = u64::try_from(meta.ctime()).unwrap_or_default();
                let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(changed);
                Ok(Some(Found { name, size: meta.len(), modified: meta.modified()?, changed }))
            };
            match found() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                other => other.map_err(StorageError::io(doing)).transpose(),
            }
        }))
    }

    /// When this folder became the store: what is older was not published by it.
    pub fn made_at(&self) -> Result<SystemTime> {
        fs::metadata(self.root.join(marker::MARKER_FILE))
            .and_then(|meta| meta.modified())
            .map_err(StorageError::io("read its marker"))
    }

    /// Makes durable what came into `batches/` or went.
    pub(super) fn sync_published(&self) -> io::Result<()> {
        self.batches.sync()
    }

    /// Removes staged files that no living upload holds, of this instance or another, and returns how many.
    pub fn sweep_staging(&self) -> Result<usize> {
        self.check()?;
        staging::sweep(&self.root)
    }

    /// Bytes free for unprivileged writers, and bytes in all, on the store's filesystem.
    pub fn space(&self) -> Result<(u64, u64)> {
        let stat = nix::sys::statvfs::statvfs(&self.root)
            .map_err(|errno| StorageError::io("measure its disk")(errno.into()))?;
        Ok((stat.blocks_available() * stat.fragment_size(), stat.blocks() * stat.fragment_size()))
    }

    /// Inodes free for unprivileged writers, and inodes in all; both are 0 where the filesystem has no such bound.
    pub fn inodes(&self) -> Result<(u64, u64)> {
        let stat = nix::sys::statvfs::statvfs(&self.root)
            .map_err(|errno| StorageError::io("measure its disk")(errno.into()))?;
        Ok((stat.files_available(), stat.files()))
    }
}

pub(super) fn make_folder(path: &Path, mode: u32) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(StorageError::io("make its folders"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, LocalStore) {
        let dir = tempfile::tempdir().unwrap();
        let store = LocalStore::open(dir.path(), Uuid::new_v4(), MarkerPolicy::CreateIfMissing).unwrap();
        (dir, store)
    }

    fn staged(store: &LocalStore, bytes: &[u8]) -> Staged {
        let mut staging = store.stage().unwrap();
        staging.write(bytes).unwrap();
        staging.finish().unwrap()
    }

    fn names_in(store: &LocalStore, folder: &str) -> Vec<String> {
        fs::read_dir(store.root().join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn what_is_published_can_be_read_and_nothing_else_is_left() {
        let (_dir, store) = store();
        let staged = staged(&store, b"hello");
        assert_eq!(staged.size, 5);
        assert_eq!(
            hex::encode(staged.sha256),
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        );
        store.publish(staged, "a_b").unwrap().confirm();
        let (_, size) = store.open_published("a_b").unwrap().unwrap();
        assert_eq!(size, 5);
        assert_eq!(names_in(&store, key::STAGING), Vec::<String>::new());
    }

    #[test]
    fn publishing_never_overwrites() {
        let (_dir, store) = store();
        store.publish(staged(&store, b"first"), "same").unwrap().confirm();
        assert!(store.publish(staged(&store, b"second"), "same").is_err());
        assert_eq!(fs::read(key::published(store.root(), "same")).unwrap(), b"first");
        assert_eq!(names_in(&store, key::STAGING), Vec::<String>::new());
    }

    #[test]
    fn a_dropped_upload_leaves_nothing() {
        let (_dir, store) = store();
        let mut staging = store.stage().unwrap();
        staging.write(b"half").unwrap();
        drop(staging);
        drop(staged(&store, b"whole but refused"));
        assert_eq!(names_in(&store, key::STAGING), Vec::<String>::new());
    }

    #[test]
    fn the_sweep_spares_living_uploads() {
        let (_dir, store) = store();
        let living = store.stage().unwrap();
        fs::write(key::staged(store.root(), Uuid::new_v4()), b"left by a crash").unwrap();
        assert_eq!(store.sweep_staging().unwrap(), 1);
        assert_eq!(names_in(&store, key::STAGING).len(), 1);
        living.finish().unwrap();
    }

    #[test]
    fn an_unmounted_store_takes_nothing_and_recovers() {
        let (dir, store) = store();
        let (here, away) = (dir.path().to_owned(), dir.path().with_extension("away"));
        fs::rename(&here, &away).unwrap();
        fs::create_dir(&here).unwrap();
        assert!(matches!(store.stage().err(), Some(StorageError::ReadOnly(_))));
        assert_eq!(fs::read_dir(&here).unwrap().count(), 0, "nothing may be made in the wrong place");
        fs::remove_dir(&here).unwrap();
        fs::rename(&away, &here).unwrap();
        assert!(store.stage().is_ok());
    }

    #[test]
    fn a_marker_that_goes_during_an_upload_stops_its_publication() {
        let (dir, store) = store();
        let staged = staged(&store, b"x");
        fs::remove_file(dir.path().join(marker::MARKER_FILE)).unwrap();
        assert!(matches!(store.publish(staged, "n").err(), Some(StorageError::ReadOnly(_))));
        assert_eq!(names_in(&store, key::STAGING), Vec::<String>::new());
    }

    #[test]
    fn another_databases_folder_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let open = |policy| LocalStore::open(dir.path(), Uuid::new_v4(), policy).unwrap();
        open(MarkerPolicy::CreateIfMissing);
        let other = open(MarkerPolicy::CreateIfMissing);
        assert!(matches!(other.check(), Err(StorageError::ReadOnly(_))));
    }

    #[test]
    fn symlinks_in_the_store_are_not_followed() {
        let (dir, store) = store();
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("batches/link")).unwrap();
        assert!(store.open_published("link").unwrap().is_none());
        assert_eq!(store.size_of("link").unwrap(), None);
    }
}
