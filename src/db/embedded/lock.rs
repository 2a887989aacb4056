//! Who may use, start and stop the cluster: three lock files in the data folder.
//!
//! | file | held | by | means |
//! |---|---|---|---|
//! | `postgres.server` | exclusively | the server, all its life | there is at most one server |
//! | `postgres.users`  | shared | everyone who uses the cluster | it must not be stopped |
//! | `postgres.lock`   | exclusively | one of the users | it starts, revives and stops the cluster |
//!
//! Locks are taken in this order and `postgres.lock` is only ever held along with `postgres.users`.
//! Hence who gets `postgres.users` *exclusively* is alone, and `postgres.lock` is free: that is how
//! the last one out knows.
//!
//! They are `flock` locks: the kernel lets go of them when their holder dies, however it dies, so
//! no lock is ever stale. The files themselves stay for ever; removing one while it is locked would
//! let two holders in.

use std::{
    fs::{File, TryLockError},
    io::{Read, Seek, Write},
    path::Path,
};

use super::{
    error::{Doing, Error},
    place::file_options,
};

/// A lock, until dropped.
pub struct Lock(File);

impl Lock {
    /// `None` when someone else holds it in any way.
    pub fn try_exclusive(path: &Path) -> Result<Option<Self>, Error> {
        Self::taken(path, File::try_lock)
    }

    /// `None` when someone else holds it exclusively.
    pub fn try_shared(path: &Path) -> Result<Option<Self>, Error> {
        Self::taken(path, File::try_lock_shared)
    }

    fn taken(path: &Path, lock: fn(&File) -> Result<(), TryLockError>) -> Result<Option<Self>, Error> {
        let file = open(path)?;
        match lock(&file) {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error).doing("lock", path),
        }
    }

    /// Leaves our process id in the file for those who find it locked. Only a courtesy: failure is
    /// no harm.
    pub fn sign(&mut self) {
        let signed = self
            .0
            .set_len(0)
            .and_then(|()| self.0.rewind())
            .and_then(|()| writeln!(self.0, "{}", std::process::id()));
        if let Err(error) = signed {
            tracing::debug!(%error, "could not write the process id into a lock file");
        }
    }

    /// The process id that the holder of a lock left.
    pub fn signature(path: &Path) -> String {
        let mut text = String::new();
        let read = open(path).map(|mut file| file.read_to_string(&mut text));
        match (read, text.trim()) {
            (Err(_) | Ok(Err(_)), _) | (_, "") => "of unknown id".into(),
            (_, pid) => pid.into(),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing would not do: a child between fork and exec shares the open file, and with it the
        // lock.
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "could not let go of a lock of the private PostgreSQL");
        }
    }
}

fn open(path: &Path) -> Result<File, Error> {
    file_options().read(true).write(true).create(true).truncate(false).open(path).doing("open", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_share_and_the_last_one_is_alone() -> Result<(), Error> {
        let folder = tempfile::tempdir().doing("make", Path::new("a folder"))?;
        let path = folder.path().join("users");
        let first = Lock::try_shared(&path)?;
        let second = Lock::try_shared(&path)?;
        assert!(first.is_some() && second.is_some());
        drop(first);
        assert!(Lock::try_exclusive(&path)?.is_none());
        drop(second);
        let alone = Lock::try_exclusive(&path)?;
        assert!(alone.is_some());
        assert!(Lock::try_shared(&path)?.is_none());
        Ok(())
    }

    #[test]
    fn the_holder_is_named() -> Result<(), Error> {
        let folder = tempfile::tempdir().doing("make", Path::new("a folder"))?;
        let path = folder.path().join("server");
        assert_eq!(Lock::signature(&path), "of unknown id");
        if let Some(mut lock) = Lock::try_exclusive(&path)? {
            lock.sign();
        }
        assert_eq!(Lock::signature(&path), std::process::id().to_string());
        Ok(())
    }
}
