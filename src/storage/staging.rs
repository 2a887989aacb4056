//! Uploads on their way in: written, counted and hashed in one pass, gone without a trace unless published.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use nix::fcntl::OFlag;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Identity, Result, StorageError, key};

/// A file being written. Dropping it removes the file.
pub struct Staging {
    part: Part,
    file: File,
    hash: Sha256,
    size: u64,
}

/// A whole file, on disk and hashed, not yet published. Dropping it removes the file.
pub struct Staged {
    pub(super) part: Part,
    pub size: u64,
    pub sha256: [u8; 32],
}

/// The staged file's place; removes the file when dropped, unless it was kept.
pub(super) struct Part {
    pub(super) path: PathBuf,
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
                return Ok(Self { part, file, hash: Sha256::new(), size: 0 });
            }
        }
    }

    /// Appends bytes. After an error the upload is over: what reached the disk is not known.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(StorageError::io("write an upload"))?;
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Makes the bytes durable. An `fsync` that failed is never tried again.
    pub fn finish(self) -> Result<Staged> {
        self.file.sync_all().map_err(StorageError::io("make an upload durable"))?;
        // `close` reports late write errors on NFS; std's drop would swallow them.
        nix::unistd::close(self.file)
            .map_err(|errno| StorageError::io("close an upload")(io::Error::from(errno)))?;
        Ok(Staged { part: self.part, size: self.size, sha256: self.hash.finalize().into() })
    }
}

impl Staged {
    /// What the file is.
    pub fn identity(&self) -> Identity {
        Identity { size: self.size, sha256: self.sha256 }
    }

    /// The bytes, for the checks that need the whole file.
    pub fn open(&self) -> Result<File> {
        File::open(&self.part.path).map_err(StorageError::io("read an upload"))
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
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(StorageError::io(doing)(error)),
        };
        match file.try_lock() {
            Ok(()) => match std::fs::remove_file(&path) {
                Ok(()) => removed += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(StorageError::io(doing)(error)),
            },
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(StorageError::io(doing)(error)),
        }
    }
    Ok(removed)
}
