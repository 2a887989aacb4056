//! A file on its way from staging into `batches/`: renamed, never over another one.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, RenameFlags, renameat2},
};

use super::{Result, StorageError};

/// A published file. Until it is [confirmed](Published::confirm) a later failure may take it back.
#[must_use]
#[derive(Debug)]
pub struct Published {
    pub(super) path: PathBuf,
    /// Where it came from, when its upload can be resumed: there it goes back to.
    pub(super) from: Option<PathBuf>,
    /// Whether it lay there before anybody published it: then it is not ours to remove.
    pub(super) was_there: bool,
}

impl Published {
    /// The row is committed: the file stays.
    pub fn confirm(self) {}

    /// No row names this file: it goes, or back to where its upload can be resumed. Only for failures that
    /// leave no doubt.
    pub fn take_back(self) {
        if self.was_there {
            return;
        }
        let result = match &self.from {
            Some(from) => fs::rename(&self.path, from),
            None => fs::remove_file(&self.path),
        };
        if let Err(error) = result {
            // The reconciler moves it aside later.
            tracing::warn!(path = ?self.path, %error, "a file without a row could not be taken back");
        }
    }
}

/// Renames without ever replacing. Filesystems without `RENAME_NOREPLACE` (NFS) get a link and an unlink.
pub(super) fn rename_new(from: &Path, to: &Path, inode: u64, size: u64) -> Result<()> {
    let doing = "publish an upload";
    let renamed = renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE);
    match renamed {
        Ok(()) => Ok(()),
        Err(Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP) => match fs::hard_link(from, to) {
            Ok(()) => fs::remove_file(from).map_err(StorageError::io(doing)),
            Err(error) => settle(to, inode, size, error)
                .and_then(|()| fs::remove_file(from).or_else(ignore_missing))
                .map_err(StorageError::io(doing)),
        },
        Err(errno) => settle(to, inode, size, errno.into()).map_err(StorageError::io(doing)),
    }
}

/// On NFS a reply can get lost and the repeated call then fails although the first one worked: the target's
/// inode and size tell.
fn settle(to: &Path, inode: u64, size: u64, error: io::Error) -> io::Result<()> {
    let doubtful = [Errno::EEXIST as i32, Errno::ESTALE as i32, Errno::ENOENT as i32];
    let is_ours = |meta: fs::Metadata| meta.ino() == inode && meta.len() == size;
    match error.raw_os_error() {
        Some(code) if doubtful.contains(&code) && fs::symlink_metadata(to).is_ok_and(is_ours) => Ok(()),
        _ => Err(error),
    }
}

pub(super) fn ignore_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
