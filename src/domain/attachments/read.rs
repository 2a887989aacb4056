//! The bytes of files: found, permitted, opened, and served from whichever copy is sound.

use std::{fs::File, os::unix::fs::FileExt, sync::Arc, time::Duration};

use diesel::PgConnection;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::AttachmentRow;
use crate::{
    app::App,
    blocking,
    config::DownloadMode,
    db::{
        self,
        attachments::{LIVING, Located},
    },
    domain::{
        access::{Action, Actor, Resource, authorize},
        audit::reads::{self, Reading},
        copies::{self, Fetched},
        recheck::Watch,
    },
    error::{Error, Refusal, Result},
    storage::LocalStore,
};

/// How a caller names a file.
#[derive(Clone, Debug)]
pub enum Name {
    Id(Uuid),
    /// `{uuid}_{name}`, the address that older clients hold.
    Stored(String),
}

/// The row of a file, its opened bytes, and the first of them.
pub struct Opened {
    pub row: AttachmentRow,
    pub site_id: Uuid,
    pub file: File,
    /// Up to [`FIRST_BYTES`], read in the same breath: small files are answered without another look at the
    /// disk.
    pub first: Vec<u8>,
}

/// How much of a file is read when it is opened.
pub const FIRST_BYTES: u64 = 256 * 1024;

/// Opens a file's bytes for the actor. The database connection is given back before the disk is touched. Where
/// the local copy does not serve, the one in the bucket does, and mends it. `reading` says what the request comes to;
/// that is on record before the first byte goes out.
///
/// # Errors
/// [`Error::NotFound`] for what the actor may not see and for what is in the trash; [`Error::Conflict`] when
/// the bytes are known to be gone or damaged everywhere.
pub async fn open(
    app: &Arc<App>,
    actor: &Actor,
    name: Name,
    reading: impl FnOnce(&AttachmentRow) -> Reading + Send + 'static,
) -> Result<Opened> {
    open_found(app, look_up(app, actor, name, reading)).await
}

/// A file that was taken.
pub enum Taken {
    Bytes(Box<Opened>),
    /// The address where the bucket hands it out itself, for this request only.
    Address {
        url: String,
        found: Box<Readable>,
    },
}

/// The same where the bucket may hand the file out itself: in `redirect` mode, and only what is not at home on local
/// storage. `disposition` is what the bucket says of it.
///
/// # Errors
/// As [`open`].
pub async fn take(
    app: &Arc<App>,
    actor: &Actor,
    name: Name,
    reading: impl FnOnce(&AttachmentRow) -> Reading + Send + 'static,
    disposition: impl FnOnce(&AttachmentRow) -> String,
) -> Result<Taken> {
    if app.config.cloud.as_ref().is_none_or(|cloud| cloud.download_mode != DownloadMode::Redirect) {
        return open(app, actor, name, reading).await.map(|opened| Taken::Bytes(Box::new(opened)));
    }
    let found = app.db.run(look_up(app, actor, name, reading)).await?;
    if found.local.as_deref() != Some("present")
        && let Some(url) = copies::signed_url(app, &found.row, &disposition(&found.row)).await?
    {
        return Ok(Taken::Address { url, found: Box::new(found) });
    }
    open_readable(app, found).await.map(|opened| Taken::Bytes(Box::new(opened)))
}

/// Opens a file of a batch for somebody whom a share link lets in: [`crate::domain::visits`] has decided that.
pub(in crate::domain) async fn open_in_batch(app: &Arc<App>, batch_id: Uuid, id: Uuid) -> Result<Opened> {
    let look_up = move |conn: &mut PgConnection| {
        let located = db::attachments::locate(conn, id)?;
        readable(located.filter(|located| located.row.batch_id == batch_id).ok_or(Error::NotFound)?)
    };
    open_found(app, look_up).await
}

async fn open_found<F>(app: &Arc<App>, look_up: F) -> Result<Opened>
where
    F: FnOnce(&mut PgConnection) -> Result<Readable> + Send + 'static,
{
    let store = Arc::clone(&app.store);
    let read = move |found| Ok(read_first(&store, found));
    match app.db.run_then(look_up, read).await? {
        Ok(opened) => Ok(opened),
        Err(unserved) => fall_back(app, *unserved).await,
    }
}

/// Opens a file that an archive lists, while who asked for the archive still may have it.
pub(in crate::domain) async fn open_listed(app: &Arc<App>, id: Uuid, watch: &Watch) -> Result<Opened> {
    let (watch, now) = (watch.clone(), app.clock.now());
    let look_up = move |conn: &mut PgConnection| {
        watch.ask_in(conn, now)?;
        readable(db::attachments::locate(conn, id)?.ok_or(Error::NotFound)?)
    };
    open_found(app, look_up).await
}

/// Opens a file that was found before.
pub(in crate::domain) async fn open_readable(app: &Arc<App>, found: Readable) -> Result<Opened> {
    let store = Arc::clone(&app.store);
    match blocking::run(move || Ok(read_first(&store, found))).await? {
        Ok(opened) => Ok(opened),
        Err(unserved) => fall_back(app, *unserved).await,
    }
}

/// What serves where the local copy does not: that copy once it is healed, or the one in the bucket.
async fn fall_back(app: &Arc<App>, unserved: Unserved) -> Result<Opened> {
    let Unserved { found, error, why } = unserved;
    match why {
        Why::Absent => from_bucket(app, found, error).await,
        Why::Changed => {
            let id = found.row.id;
            copies::report_damage(app, id).await;
            let located = app.db.run(move |conn| db::attachments::locate(conn, id)).await?;
            let found = readable(located.ok_or(Error::NotFound)?)?;
            let store = Arc::clone(&app.store);
            match blocking::run(move || Ok(read_first(&store, found))).await? {
                Ok(opened) => Ok(opened),
                Err(unserved) => match unserved.why {
                    Why::Absent => from_bucket(app, unserved.found, unserved.error).await,
                    // It could not be healed now; the file is not served.
                    Why::Changed => Err(unserved.error),
                },
            }
        }
    }
}

/// The copy in the bucket; `error` if there is none.
async fn from_bucket(app: &Arc<App>, mut found: Readable, mut error: Error) -> Result<Opened> {
    // What comes from the bucket is verified, what is in the cache was: a damaged one is fetched again, once.
    for _ in 0..2 {
        match copies::fetch(app, &found.row, found.local.as_deref()).await {
            Ok(Some(Fetched { file })) => match blocking::run(move || Ok(read_fetched(file, found))).await? {
                Ok(opened) => return Ok(opened),
                Err(unserved) => {
                    (found, error) = (unserved.found, unserved.error);
                    copies::report_damage(app, found.row.id).await;
                }
            },
            Ok(None) => return Err(error),
            Err(cause) => {
                tracing::error!(error = ?cause, attachment = %found.row.id, "a file cannot be read from the bucket");
                return Err(Error::Unavailable {
                    message: "The cloud storage that holds this file does not answer. Try again in a moment."
                        .into(),
                    retry_after: Duration::from_secs(10),
                });
            }
        }
    }
    Err(error)
}

/// A readable file; what it is read for goes on record.
fn look_up(
    app: &App,
    actor: &Actor,
    name: Name,
    reading: impl FnOnce(&AttachmentRow) -> Reading + Send + 'static,
) -> impl FnOnce(&mut PgConnection) -> Result<Readable> + Send + 'static {
    let (actor, now) = (actor.clone(), app.clock.now());
    move |conn| {
        let located = match name {
            Name::Id(id) => db::attachments::locate(conn, id)?,
            Name::Stored(name) => db::attachments::locate_by_stored_name(conn, &name)?,
        };
        let found = to_hand_out(&actor, located.ok_or(Error::NotFound)?)?;
        reads::note(conn, now, &actor, reading(&found.row), &found.row);
        Ok(found)
    }
}

/// A file that is not in the trash and whose bytes are thought to be whole somewhere.
pub struct Readable {
    pub row: AttachmentRow,
    pub site_id: Uuid,
    /// The state of its local copy, if there should be one.
    local: Option<String>,
}

impl From<Located> for Readable {
    fn from(located: Located) -> Self {
        Self { row: located.row, site_id: located.site_id, local: located.local }
    }
}

/// A file whose bytes, or what was made of them, the actor may have.
pub(in crate::domain) fn to_hand_out(actor: &Actor, located: Located) -> Result<Readable> {
    authorize(actor, Action::See, Resource::Site(located.site_id))?;
    readable(located)
}

fn readable(located: Located) -> Result<Readable> {
    if !LIVING.contains(&located.row.state.as_str()) || located.batch_trashed_at.is_some() {
        return Err(Error::NotFound);
    }
    is_readable(&located.row.state)?;
    Ok(located.into())
}

/// A file whose local copy does not serve, and why.
struct Unserved {
    found: Readable,
    error: Error,
    why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// It is not there, not whole, or cannot be read.
    Absent,
    /// Its bytes are not those of its SHA-256.
    Changed,
}

impl Unserved {
    fn absent(found: Readable, error: Error) -> Box<Self> {
        Box::new(Self { found, error, why: Why::Absent })
    }
}

fn read_first(store: &LocalStore, found: Readable) -> Result<Opened, Box<Unserved>> {
    if !matches!(found.local.as_deref(), Some("present" | "missing")) {
        return Err(Unserved::absent(found, gone()));
    }
    let (id, expected) = (found.row.id, found.row.size_bytes as u64);
    let mut first = vec![0; expected.min(FIRST_BYTES) as usize];
    let size = match store.open_published(&found.row.stored_name) {
        Ok(Some((file, size))) if size == expected && file.read_exact_at(&mut first, 0).is_ok() => {
            if !is_sound_so_far(&found.row, &first) {
                return Err(Box::new(Unserved { found, error: corrupt(), why: Why::Changed }));
            }
            return Ok(Opened { row: found.row, site_id: found.site_id, file, first });
        }
        Ok(other) => other.map(|(_, size)| size),
        Err(error) => {
            tracing::error!(%error, attachment = %id, "a file cannot be read");
            let reason = "The storage cannot be read right now.".into();
            let error = Refusal::StorageUnavailable { reason }.into();
            return Err(Unserved::absent(found, error));
        }
    };
    tracing::error!(attachment = %id, ?size, expected, "a file's bytes are not there");
    // On an unmounted store every file is "missing": say so, and mark nothing.
    let error = match store.check() {
        Ok(()) => gone(),
        Err(_) => Refusal::StorageUnavailable { reason: "The storage is not there right now.".into() }.into(),
    };
    Err(Unserved::absent(found, error))
}

/// Whether the first bytes of a file are right, as far as they show it: a small file is checked before its first byte
/// goes out, a large one while it goes out.
fn is_sound_so_far(row: &AttachmentRow, first: &[u8]) -> bool {
    row.size_bytes as u64 > FIRST_BYTES || Sha256::digest(first).as_slice() == row.sha256
}

fn read_fetched(file: File, found: Readable) -> Result<Opened, Box<Unserved>> {
    let mut first = vec![0; (found.row.size_bytes as u64).min(FIRST_BYTES) as usize];
    if let Err(error) = file.read_exact_at(&mut first, 0) {
        return Err(Unserved::absent(found, Error::internal(error)));
    }
    if !is_sound_so_far(&found.row, &first) {
        return Err(Box::new(Unserved { found, error: corrupt(), why: Why::Changed }));
    }
    Ok(Opened { row: found.row, site_id: found.site_id, file, first })
}

fn is_readable(state: &str) -> Result<()> {
    match state {
        "available" => Ok(()),
        "missing" => Err(gone()),
        "corrupt" => Err(corrupt()),
        _ => Err(Error::conflict("file_quarantined", "This file is locked away. Tell an admin.")),
    }
}

fn corrupt() -> Error {
    Error::conflict(
        "file_corrupt",
        "This file no longer matches its SHA-256 and is not handed out. Tell an admin.",
    )
}

fn gone() -> Error {
    Error::conflict("file_missing", "The bytes of this file are not where they should be. Tell an admin.")
}
