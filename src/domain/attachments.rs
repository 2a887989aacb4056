//! Files of batches, once they are in: looked at, handed out, deleted, brought back.

use std::{fs::File, os::unix::fs::FileExt, sync::Arc, time::Duration};

use diesel::PgConnection;
use serde_json::json;
use uuid::Uuid;

use super::{
    recheck,
    access::{Action, Actor, Resource, authorize},
    audit::{
        self, EventRow, Subject,
        reads::{self, Reader, Reading},
    },
    copies::{self, Fetched},
    purge,
    retention::not_held,
};
use crate::{
    app::App,
    blocking,
    config::DownloadMode,
    db::{
        self,
        attachments::{LIVING, Located},
        batches::Change,
        previews::PreviewRow,
    },
    error::{Error, Refusal, Result},
    storage::LocalStore,
};

pub use crate::db::attachments::{AttachmentRow, Found};

/// Lines of activity beside a file.
const ACTIVITY: i64 = 30;
/// The latest reads from which "who saw it" is made up.
const READS: i64 = 500;

/// A file with all that its page shows.
pub struct Whole {
    pub file: Found,
    /// `None` when none were ever ordered.
    pub preview: Option<PreviewRow>,
    pub newer: Option<(Uuid, String)>,
    pub older: Option<(Uuid, String)>,
    pub position: Option<(i64, i64)>,
    pub activity: Vec<EventRow>,
    /// Who saw it, the last one first.
    pub readers: Vec<Reader>,
    pub many_sites: bool,
    /// Its batch is on legal hold.
    pub is_held: bool,
}

/// One file, in the trash or not.
///
/// # Errors
/// [`Error::NotFound`] for what does not exist, is purged, or is not for the actor.
pub async fn show(app: &App, actor: &Actor, id: Uuid, reading: Reading) -> Result<Whole> {
    let (actor, now) = (actor.clone(), app.clock.now());
    app.db
        .run(move |conn| {
            let file = db::attachments::find(conn, id)?;
            let file = visible(&actor, Action::See, file)?;
            reads::note(conn, now, &actor, reading, &file.row);
            let (newer, older, position) = if is_living(&file) {
                let (newer, older) = db::attachments::neighbours(conn, &file.row)?;
                (newer, older, Some(db::attachments::position(conn, &file.row)?))
            } else {
                (None, None, None)
            };
            let preview = db::previews::find(conn, id)?;
            let activity = db::audit::of_attachment(conn, id, ACTIVITY)?;
            let readers = db::audit_reads::readers(conn, id, READS)?;
            let many_sites = db::sites::all(conn)?.len() > 1;
            let batch = db::batches::find(conn, file.row.batch_id)?;
            let is_held = batch.is_some_and(|batch| batch.held_at.is_some());
            Ok(Whole { file, preview, newer, older, position, activity, readers, many_sites, is_held })
        })
        .await
}

/// What is known of one file that is not in the trash.
///
/// # Errors
/// [`Error::NotFound`] for what does not exist, is in the trash, or is not for the actor.
pub async fn describe(app: &App, actor: &Actor, id: Uuid) -> Result<Found> {
    let actor = actor.clone();
    app.db
        .run(move |conn| {
            let file = db::attachments::find(conn, id)?;
            living(&actor, Action::See, file)
        })
        .await
}

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

/// Opens a file for an archive or a share link. No actor is asked here: `check` decides.
pub(super) async fn open_checked(
    app: &Arc<App>,
    id: Uuid,
    check: impl FnOnce(&mut PgConnection, &AttachmentRow) -> Result<()> + Send + 'static,
) -> Result<Opened> {
    let look_up = move |conn: &mut PgConnection| {
        let located = db::attachments::locate(conn, id)?.ok_or(Error::NotFound)?;
        check(conn, &located.row)?;
        readable(located)
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

/// Opens a file that was found before.
pub(super) async fn open_readable(app: &Arc<App>, found: Readable) -> Result<Opened> {
    let store = Arc::clone(&app.store);
    match blocking::run(move || Ok(read_first(&store, found))).await? {
        Ok(opened) => Ok(opened),
        Err(unserved) => fall_back(app, *unserved).await,
    }
}

/// The copy in the bucket serves where the local one does not.
async fn fall_back(app: &Arc<App>, unserved: Unserved) -> Result<Opened> {
    let Unserved { found, error } = unserved;
    match copies::fetch(app, &found.row, found.local.as_deref()).await {
        Ok(Some(Fetched { file })) => blocking::run(move || read_fetched(file, found)).await,
        Ok(None) => Err(error),
        Err(cause) => {
            tracing::error!(error = ?cause, attachment = %found.row.id, "a file cannot be read from the bucket");
            Err(Error::Unavailable {
                message: "The cloud storage that holds this file does not answer. Try again in a moment."
                    .into(),
                retry_after: Duration::from_secs(10),
            })
        }
    }
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
pub(super) fn to_hand_out(actor: &Actor, located: Located) -> Result<Readable> {
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
}

fn read_first(store: &LocalStore, found: Readable) -> Result<Opened, Box<Unserved>> {
    if !matches!(found.local.as_deref(), Some("present" | "missing")) {
        return Err(Box::new(Unserved { found, error: gone() }));
    }
    let (id, expected) = (found.row.id, found.row.size_bytes as u64);
    let mut first = vec![0; expected.min(FIRST_BYTES) as usize];
    let size = match store.open_published(&found.row.stored_name) {
        Ok(Some((file, size))) if size == expected && file.read_exact_at(&mut first, 0).is_ok() => {
            return Ok(Opened { row: found.row, site_id: found.site_id, file, first });
        }
        Ok(other) => other.map(|(_, size)| size),
        Err(error) => {
            tracing::error!(%error, attachment = %id, "a file cannot be read");
            let reason = "The storage cannot be read right now.".into();
            let error = Refusal::StorageUnavailable { reason }.into();
            return Err(Box::new(Unserved { found, error }));
        }
    };
    tracing::error!(attachment = %id, ?size, expected, "a file's bytes are not there");
    // On an unmounted store every file is "missing": say so, and mark nothing.
    let error = match store.check() {
        Ok(()) => gone(),
        Err(_) => Refusal::StorageUnavailable { reason: "The storage is not there right now.".into() }.into(),
    };
    Err(Box::new(Unserved { found, error }))
}

fn read_fetched(file: File, found: Readable) -> Result<Opened> {
    let Readable { row, site_id, .. } = found;
    let mut first = vec![0; (row.size_bytes as u64).min(FIRST_BYTES) as usize];
    file.read_exact_at(&mut first, 0).map_err(Error::internal)?;
    Ok(Opened { row, site_id, file, first })
}

fn is_readable(state: &str) -> Result<()> {
    match state {
        "available" => Ok(()),
        "missing" => Err(gone()),
        "corrupt" => Err(Error::conflict(
            "file_corrupt",
            "This file no longer matches its SHA-256 and is not handed out. Tell an admin.",
        )),
        _ => Err(Error::conflict("file_quarantined", "This file is locked away. Tell an admin.")),
    }
}

fn gone() -> Error {
    Error::conflict("file_missing", "The bytes of this file are not where they should be. Tell an admin.")
}

/// Moves a file to the trash. Doing it twice changes nothing.
///
/// # Errors
/// [`Error::Conflict`] when the batch itself is in the trash, or on hold.
pub async fn trash(app: &App, actor: &Actor, id: Uuid) -> Result<Found> {
    set_trashed(app, actor, id, true).await
}

/// Brings a file back into its batch.
///
/// # Errors
/// [`Error::Conflict`] when the batch itself is in the trash, or when the file is being removed for good.
pub async fn restore(app: &App, actor: &Actor, id: Uuid) -> Result<Found> {
    set_trashed(app, actor, id, false).await
}

async fn set_trashed(app: &App, actor: &Actor, id: Uuid, trashed: bool) -> Result<Found> {
    let now = app.clock.now();
    recheck::transaction(app, actor, move |conn, actor| {
            // The lock first, so that two who delete at once count the file once.
            db::attachments::find_for_update(conn, id)?.ok_or(Error::NotFound)?;
            let found = visible(&actor, Action::ManageFiles, db::attachments::find(conn, id)?)?;
            if found.batch_trashed {
                return Err(Error::conflict(
                    "batch_trashed",
                    format!("Batch {} is in the trash. Restore it first.", found.batch_number),
                ));
            }
            if trashed {
                // Locked, so that a hold that comes at this moment waits, or is seen.
                let batch = db::batches::find_for_update(conn, found.row.batch_id)?;
                not_held(&batch.ok_or(Error::NotFound)?)?;
            } else {
                purge::not_begun(conn, &[id])?;
            }
            if is_living(&found) != trashed {
                return Ok(found);
            }
            let by = if trashed { Some((now, actor.account()?)) } else { None };
            db::batch_files::set_trashed(conn, &[id], by)?;
            let change = if trashed { Change::removed(&found.row) } else { Change::added(&found.row) };
            db::batches::count(conn, found.row.batch_id, change, now)?;
            let subject = Subject::Attachment { id, batch: found.row.batch_id };
            let action = if trashed { "attachment.trash" } else { "attachment.restore" };
            audit::record(
                conn,
                now,
                &actor,
                action,
                subject,
                json!({ "filename": found.row.original_name }),
            )?;
            Ok(found)
        })
        .await
}

/// The file, if the actor may do this with it. A purged one is gone for everybody, one in the trash is not there for who
/// may not see that.
pub(super) fn visible(actor: &Actor, action: Action, found: Option<Found>) -> Result<Found> {
    let found = found.filter(|found| found.row.state != "purged").ok_or(Error::NotFound)?;
    let site = Resource::Site(found.site_id);
    if !is_living(&found) && !actor.may(Action::SeeTrash, site) {
        return Err(Error::NotFound);
    }
    authorize(actor, action, site)?;
    Ok(found)
}

/// The same, and neither the file nor its batch is in the trash.
pub(super) fn living(actor: &Actor, action: Action, found: Option<Found>) -> Result<Found> {
    let found = visible(actor, action, found)?;
    if is_living(&found) { Ok(found) } else { Err(Error::NotFound) }
}

/// Part of a batch that is itself not in the trash.
fn is_living(found: &Found) -> bool {
    LIVING.contains(&found.row.state.as_str()) && !found.batch_trashed
}
