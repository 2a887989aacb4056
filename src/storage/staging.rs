//! Uploads on their way in: written, counted and hashed in one pass, gone without a trace unless published.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use nix::fcntl::OFlag;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Identity, Result, StorageError, key, open_regular};

/// How much is read at once when a file is hashed again.
const READ_CHUNK: usize = 1024 * 1024;

/// A file being written. Dropping it removes the file, unless it belongs to a resumable upload.
pub struct Staging {
    part: Part,
    file: File,
    /// `None` when bytes came in before this request: then the file is read once at the end.
    hash: Option<Sha256>,
    size: u64,
}

/// What became of opening the staged file of a resumable upload.
pub enum Resumed {
    Ready(Staging),
    /// Somebody else still writes to it.
    Busy,
    /// The bytes that should be there are not.
    Lost,
}

/// A whole file, on disk and hashed, not yet published. Dropping it removes the file, unless it belongs to a
/// resumable upload.
pub struct Staged {
    pub(super) part: Part,
    pub size: u64,
    pub sha256: [u8; 32],
}

/// The staged file's place; removes the file when dropped, unless it was kept.
pub(super) struct Part {
    pub(super) path: PathBuf,
    /// Whether it stays when this is dropped: it was published, or its upload can be resumed.
    pub(super) keep: bool,
    /// Holds the lock that tells sweepers of a living upload, until the file is published or gone.
    _lock: File,
}

impl Drop for Part {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        if let Err(error) = std::fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            // The sweep at the next start removes it.
            tracing::warn!(path = ?self.path, %error, "a staged file could not be removed");
        }
    }
}

impl Staging {
    /// Opens a new staged file, mode 0600, locked for as long as it is being written: a lock is how sweepers,
    /// other instances' too, know a living upload.
    pub(super) fn create(root: &Path) -> Result<Self> {
        let doing = "begin an upload";
        loop {
            let path = key::staged(root, Uuid::new_v4());
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(0o600)
                .custom_flags(OFlag::O_NOFOLLOW.bits())
                .open(&path)
                .map_err(StorageError::io(doing))?;
            file.lock().map_err(StorageError::io(doing))?;
            // A second descriptor shares the lock, which so outlives the checked close of the first.
            let lock = file.try_clone().map_err(StorageError::io(doing))?;
            let part = Part { path, keep: false, _lock: lock };
            // A sweeper may have taken the file in the moment before the lock.
            if file.metadata().map_err(StorageError::io(doing))?.nlink() > 0 {
                return Ok(Self { part, file, hash: Some(Sha256::new()), size: 0 });
            }
        }
    }

    /// Stages a file from elsewhere, which stays where it is: by a second name where the filesystem allows one, else
    /// by a copy.
    pub(super) fn of_file(root: &Path, source: &Path) -> Result<Self> {
        let doing = "take a file over";
        if let Some(linked) = Self::link(root, source).map_err(StorageError::io(doing))? {
            return Ok(linked);
        }
        let mut from = open_regular(source).map_err(StorageError::io(doing))?;
        let (mut staging, mut buffer) = (Self::create(root)?, vec![0; READ_CHUNK]);
        loop {
            let read = from.read(&mut buffer).map_err(StorageError::io(doing))?;
            if read == 0 {
                return Ok(staging);
            }
            staging.write(&buffer[..read])?;
        }
    }

    /// `None` where a second name is not to be had: another filesystem, or somebody else's file.
    fn link(root: &Path, source: &Path) -> io::Result<Option<Self>> {
        let path = key::staged(root, Uuid::new_v4());
        if std::fs::hard_link(source, &path).is_err() {
            return Ok(None);
        }
        let opened =
            OpenOptions::new().read(true).write(true).custom_flags(OFlag::O_NOFOLLOW.bits()).open(&path);
        // Locking is for who may write; who may not takes a copy.
        let (Ok(file), true) = (opened, path.exists()) else {
            remove(&path).map_err(io::Error::other)?;
            return Ok(None);
        };
        file.lock()?;
        let (meta, lock) = (file.metadata()?, file.try_clone()?);
        let part = Part { path, keep: false, _lock: lock };
        // A sweeper may have taken the name in the moment before the lock.
        let is_whole = meta.is_file() && part.path.exists();
        Ok(is_whole.then(|| Self { part, file, hash: None, size: meta.len() }))
    }

    /// Opens the staged file of a resumable upload, cut to the `offset` bytes that are known to be durable. The
    /// same lock as above keeps out whoever lost the right to write and does not know it yet.
    pub(super) fn resume(path: PathBuf, offset: u64) -> Result<Resumed> {
        let doing = "resume an upload";
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(offset == 0)
            .truncate(false)
            .mode(0o600)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(&path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Resumed::Lost),
            Err(error) => return Err(StorageError::io(doing)(error)),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Resumed::Busy),
            Err(TryLockError::Error(error)) => return Err(StorageError::io(doing)(error)),
        }
        let found = file.metadata().map_err(StorageError::io(doing))?;
        if found.nlink() == 0 || found.len() < offset {
            return Ok(Resumed::Lost);
        }
        let lock = file.try_clone().map_err(StorageError::io(doing))?;
        let part = Part { path, keep: true, _lock: lock };
        let mut staging = Self { part, file, hash: None, size: offset };
        staging.cut(offset)?;
        Ok(Resumed::Ready(staging))
    }

    /// Forgets all but the first `size` bytes.
    fn cut(&mut self, size: u64) -> Result<()> {
        let doing = "resume an upload";
        self.file.set_len(size).map_err(StorageError::io(doing))?;
        self.file.seek(SeekFrom::Start(size)).map_err(StorageError::io(doing))?;
        self.hash = (size == 0).then(Sha256::new);
        self.size = size;
        Ok(())
    }

    /// The first bytes of the file, at most `limit`.
    pub fn first(&self, limit: usize) -> Result<Vec<u8>> {
        // What is asked for is a few bytes, so that the cast loses nothing.
        let mut bytes = vec![0; limit.min(self.size as usize)];
        self.file.read_exact_at(&mut bytes, 0).map_err(StorageError::io("read an upload"))?;
        Ok(bytes)
    }

    /// Makes what was written so far durable, and goes on.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(StorageError::io("make an upload durable"))
    }

    /// Appends bytes. After an error the upload is over: what reached the disk is not known.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(StorageError::io("write an upload"))?;
        if let Some(hash) = &mut self.hash {
            hash.update(bytes);
        }
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Makes the bytes durable. An `fsync` that failed is never tried again.
    pub fn finish(mut self) -> Result<Staged> {
        let sha256 = match self.hash.take() {
            Some(hash) => hash.finalize().into(),
            None => self.read_hash()?,
        };
        self.file.sync_all().map_err(StorageError::io("make an upload durable"))?;
        // `close` reports late write errors on NFS; std's drop would swallow them.
        nix::unistd::close(self.file)
            .map_err(|errno| StorageError::io("close an upload")(io::Error::from(errno)))?;
        Ok(Staged { part: self.part, size: self.size, sha256 })
    }

    fn read_hash(&self) -> Result<[u8; 32]> {
        let (mut hash, mut buffer, mut at) = (Sha256::new(), vec![0; READ_CHUNK], 0);
        while at < self.size {
            let read = self.file.read_at(&mut buffer, at).map_err(StorageError::io("read an upload"))?;
            if read == 0 {
                let short = io::Error::from(io::ErrorKind::UnexpectedEof);
                return Err(StorageError::io("read an upload")(short));
            }
            hash.update(&buffer[..read]);
            at += read as u64;
        }
        Ok(hash.finalize().into())
    }
}

impl Staged {
    /// What the file is.
    pub fn identity(&self) -> Identity {
        Identity { size: self.size, sha256: self.sha256 }
    }

    /// The bytes, for the checks that need the whole file.
    pub fn open(&self) -> Result<File> {
        open_regular(&self.part.path).map_err(StorageError::io("read an upload"))
    }
}

/// Removes what no living upload holds and returns how many files went.
pub(super) fn sweep(root: &Path) -> Result<usize> {
    let doing = "sweep its staging folder";
    let mut removed = 0;
    for entry in std::fs::read_dir(root.join(key::STAGING)).map_err(StorageError::io(doing))? {
        let path = entry.map_err(StorageError::io(doing))?.path();
        if path.extension().is_none_or(|extension| extension != key::PART) {
            continue;
        }
        let file = match open_regular(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(StorageError::io(doing)(error)),
        };
        match file.try_lock() {
            Ok(()) => removed += usize::from(remove(&path)?),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(StorageError::io(doing)(error)),
        }
    }
    Ok(removed)
}

/// Removes a staged file; `false` when it was not there.
pub(super) fn remove(path: &Path) -> Result<bool> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StorageError::io("remove a staged file")(error)),
    }
}

/// The resumable uploads that have a staged file.
pub(super) fn resumable(root: &Path) -> Result<Vec<Uuid>> {
    let doing = "list its staging folder";
    let entries = std::fs::read_dir(root.join(key::STAGING)).map_err(StorageError::io(doing))?;
    let ids = entries.filter_map(|entry| {
        let name = entry.map(|entry| entry.file_name());
        name.map(|name| key::resumable_id(&name.to_string_lossy())).transpose()
    });
    ids.collect::<io::Result<_>>().map_err(StorageError::io(doing))
}
