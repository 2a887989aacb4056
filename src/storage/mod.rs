//! Where bytes live: a folder ([`LocalStore`]) and, if there is one, a bucket ([`ObjectStorage`]), both of them
//! a [`Home`]. They know names and bytes, nothing of batches or people.
//!
//! ```text
//! UPLOAD_STORAGE_PATH/
//!   .stillage-store      the marker: which database this folder belongs to
//!   .staging/            uploads on their way in; each is locked by the process that writes it. `.part` goes
//!                        with its request, `.upload` stays until its resumable upload is over
//!   batches/             published files, `{uuid}_{name}`, never overwritten
//!   previews/            pictures made from files, by the file's id; they can always be made again
//!   .trash/              files that nobody knew or that were damaged, moved aside, and removed after the days of the
//!                        trash
//!   .cache/              files that are at home in the bucket, kept for the next reader
//! ```
//!
//! In the bucket a file's key is `batches/{uuid}_{name}`, too.
//!
//! All of the folder but `previews/` must be on one filesystem, so that publishing is a rename.

mod cache;
mod dir_sync;
mod explain;
mod health;
mod home;
pub mod key;
mod leftovers;
mod local;
mod local_home;
mod marker;
mod object;
mod object_aside;
mod object_put;
mod previews;
mod published;
mod regular;
mod staging;

pub use home::{ByteStream, Held, Home, Identity, Placing, bytes_of, identity_of};
pub use local::{Found, LocalStore};
pub use local_home::{spool, stream_file};
pub use marker::{MARKER_FILE, MarkerPolicy};
pub use object::ObjectStorage;
pub use published::Published;
pub use regular::open_regular;
pub use staging::{Resumed, Staged, Staging};

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The folder is not (or no longer) the one that belongs to this database, or cannot be written.
    #[error("{0}")]
    ReadOnly(String),
    #[error("the disk is full")]
    Full,
    /// Bytes are not what they should be.
    #[error("the bytes do not have the SHA-256 and size that they should have")]
    Mismatch,
    /// Other bytes stand under the name.
    #[error("another file has this name already")]
    Taken,
    /// The bucket failed; one line for whoever can mend it.
    #[error("{0}")]
    Cloud(String),
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
