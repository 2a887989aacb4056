//! Where bytes live. The store knows names and bytes, nothing of batches or people.
//!
//! ```text
//! UPLOAD_STORAGE_PATH/
//!   .stillage-store      the marker: which database this folder belongs to
//!   .staging/            uploads on their way in; each is locked by the process that writes it. `.part` goes
//!                        with its request, `.upload` stays until its resumable upload is over
//!   batches/             published files, `{uuid}_{name}`, never overwritten
//!   previews/            pictures made from files, by the file's id; they can always be made again
//!   .trash/              files that nobody knew, moved aside, and removed after the days of the trash
//! ```
//!
//! All of it but `previews/` must be on one filesystem, so that publishing is a rename.

mod dir_sync;
pub mod key;
mod leftovers;
mod local;
mod marker;
mod previews;
mod published;
mod staging;

pub use local::{Found, LocalStore};
pub use marker::{MARKER_FILE, MarkerPolicy};
pub use published::Published;
pub use staging::{Resumed, Staged, Staging};

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The folder is not (or no longer) the one that belongs to this database, or cannot be written.
    #[error("{0}")]
    ReadOnly(String),
    #[error("the disk is full")]
    Full,
    #[error("storage failed to {doing}: {source}")]
    Io { doing: &'static str, source: std::io::Error },
}

impl StorageError {
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full,
            std::io::ErrorKind::ReadOnlyFilesystem => {
                Self::ReadOnly("The storage is mounted read-only.".to_owned())
            }
            _ => Self::Io { doing, source },
        }
    }
}

pub type Result<T, E = StorageError> = std::result::Result<T, E>;
