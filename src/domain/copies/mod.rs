//! The two homes of a file: which copy is where, whether it is sound, and how the good one mends the other.
//!
//! A copy's row begins as `pending` (in the transaction that makes it necessary), becomes `present` only when
//! its bytes were read back and have the file's SHA-256, and `missing` or `corrupt` when a look at it says so.
//! A good copy is never overwritten, and of two bad ones neither is.

mod cdn;
mod fetch;
pub mod moving;
mod relocate;
mod replicate;
mod scrub;
mod tend;

use std::sync::Arc;

use diesel::PgConnection;
use uuid::Uuid;

pub use self::{
    fetch::{Fetched, fetch, keep_in_cache, signed_url},
    relocate::{Move, Moved, relocate},
    replicate::{are_paused, enqueue, enqueue_backlog, give_up, record_new, recover, replicate, set_paused},
    scrub::{Checked, Finding, Pace, check, scrub},
    tend::{Tended, heal, report_damage, tend},
};
use crate::{
    app::App,
    clock::Clock,
    db::{self, copies::FileRow},
    error::{Error, Result},
    jobs::Job,
    storage::{ByteStream, Home, Identity, ObjectStorage, Placing, StorageError},
};

pub use crate::db::copies::Scope;

/// A home of copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    Local,
    Cloud,
}

impl Place {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Cloud => "cloud",
        }
    }

    /// The place of a row; the schema knows no other values.
    fn of(text: &str) -> Self {
        if text == "cloud" { Self::Cloud } else { Self::Local }
    }

    fn other(self) -> Self {
        match self {
            Self::Local => Self::Cloud,
            Self::Cloud => Self::Local,
        }
    }
}

/// What a file is, whatever its copies are.
fn identity(file: &FileRow) -> Identity {
    let mut sha256 = [0; 32];
    // A constraint keeps the length.
    sha256.copy_from_slice(&file.sha256);
    Identity { size: file.size_bytes as u64, sha256 }
}

/// The bucket.
///
/// # Errors
/// [`Error::Conflict`] while cloud storage is off.
pub fn cloud(app: &App) -> Result<&Arc<ObjectStorage>> {
    app.cloud.as_ref().ok_or_else(|| {
        Error::conflict("cloud_off", "Cloud storage is off; ENABLE_ATTACHMENT_CLOUD_STORAGE turns it on.")
    })
}

async fn read_from(app: &App, place: Place, name: &str) -> Result<Option<ByteStream>> {
    match place {
        Place::Local => app.store.read(name, None).await,
        Place::Cloud => cloud(app)?.read(name, None).await,
    }
    .map_err(failed)
}

async fn put_into(
    app: &App,
    place: Place,
    file: &FileRow,
    bytes: ByteStream,
    placing: Placing,
) -> Result<()> {
    match place {
        Place::Local => app.store.put(&file.stored_name, identity(file), bytes, placing).await,
        Place::Cloud => cloud(app)?.put(&file.stored_name, identity(file), bytes, placing).await,
    }
    .map_err(failed)
}

/// Copies a file from the other home into `into`, verified.
async fn copy(app: &App, file: &FileRow, into: Place, placing: Placing) -> Result<()> {
    let bytes = read_from(app, into.other(), &file.stored_name).await?.ok_or(Error::NotFound)?;
    put_into(app, into, file, bytes, placing).await?;
    let id = file.id;
    if app.db.run(move |conn| db::copies::file(conn, id)).await?.is_some() {
        return Ok(());
    }
    // A purge began meanwhile and may have looked before this copy was there.
    match into {
        Place::Local => app.store.remove(&file.stored_name).await,
        Place::Cloud => cloud(app)?.remove(&file.stored_name).await,
    }
    .map_err(failed)?;
    Err(Error::NotFound)
}

/// The two homes and the jobs log the whole of a failure; an admin reads its last line.
fn failed(error: StorageError) -> Error {
    Error::internal(error)
}

/// The one line of a failure that an admin reads.
fn reason(error: &Error) -> String {
    match error {
        Error::Internal(cause) => match cause.downcast_ref::<StorageError>() {
            Some(known) => known.to_string(),
            None => "Something failed on the server; the log has the details.".to_owned(),
        },
        Error::NotFound => "The bytes to copy are not there.".to_owned(),
        other => other.to_string(),
    }
}

/// Removes the bucket's copy of a file that is being purged. One that is not there is a success.
///
/// # Errors
/// The bucket cannot be reached, or is no longer configured.
pub async fn remove_from_bucket(app: &App, stored_name: &str) -> Result<()> {
    cloud(app)?.remove(stored_name).await.map_err(failed)
}

/// Enqueues the mending of a file, once.
pub fn enqueue_heal(conn: &mut PgConnection, clock: &Clock, attachment: Uuid) -> Result<()> {
    let key = format!("copy_heal.{attachment}");
    Job::CopyHeal { attachment }.enqueue(conn, clock, Some(&key)).map(drop)
}
