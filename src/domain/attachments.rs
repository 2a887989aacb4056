//! Files of batches, once they are in: looked at, handed out, deleted, brought back.

use std::{fs::File, os::unix::fs::FileExt, sync::Arc};

use diesel::PgConnection;
use serde_json::json;
use uuid::Uuid;

use super::{
    access::{Action, Actor, Resource, authorize},
    audit::{self, EventRow, Subject},
    purge,
    retention::not_held,
};
use crate::{
    app::App,
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

/// A file with all that its page shows.
pub struct Whole {
    pub file: Found,
    /// `None` when none were ever ordered.
    pub preview: Option<PreviewRow>,
    pub newer: Option<(Uuid, String)>,
    pub older: Option<(Uuid, String)>,
    pub position: Option<(i64, i64)>,
    pub activity: Vec<EventRow>,
    pub many_sites: bool,
    /// Its batch is on legal hold.
    pub is_held: bool,
}

/// One file, in the trash or not.
///
/// # Errors
/// [`Error::NotFound`] for what does not exist, is purged, or is not for the actor.
pub async fn show(app: &App, actor: &Actor, id: Uuid) -> Result<Whole> {
    let actor = actor.clone();
    app.db
        .run(move |conn| {
            let file = db::attachments::find(conn, id)?;
            let file = visible(&actor, Action::See, file)?;
            let (newer, older, position) = if is_living(&file) {
                let (newer, older) = db::attachments::neighbours(conn, &file.row)?;
                (newer, older, Some(db::attachments::position(conn, &file.row)?))
            } else {
                (None, None, None)
            };
            let preview = db::previews::find(conn, id)?;
            let activity = db::audit::of_attachment(conn, id, ACTIVITY)?;
            let many_sites = db::sites::all(conn)?.len() > 1;
            let batch = db::batches::find(conn, file.row.batch_id)?;
            let is_held = batch.is_some_and(|batch| batch.held_at.is_some());
            Ok(Whole { file, preview, newer, older, position, activity, many_sites, is_held })
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
pub enum Name {
    Id(Uuid),
    /// `{uuid}_{name}`, the address that older clients hold.
    Stored(String),
}

/// The row of a file, its opened bytes, and the first of them.
pub struct Opened {
    pub row: AttachmentRow,
    pub file: File,
    /// Up to [`FIRST_BYTES`], read in the same breath: small files are answered without another look at the
    /// disk.
    pub first: Vec<u8>,
}

/// How much of a file is read when it is opened.
pub const FIRST_BYTES: u64 = 256 * 1024;

/// Opens a file's bytes for the actor. The database connection is given back before the disk is touched.
///
/// # Errors
/// [`Error::NotFound`] for what the actor may not see and for what is in the trash; [`Error::Conflict`] when
/// the bytes are known to be gone or damaged.
pub async fn open(app: &Arc<App>, actor: &Actor, name: Name) -> Result<Opened> {
    let actor = actor.clone();
    let store = Arc::clone(&app.store);
    let look_up = move |conn: &mut PgConnection| {
        let located = match name {
            Name::Id(id) => db::attachments::locate(conn, id)?,
            Name::Stored(name) => db::attachments::locate_by_stored_name(conn, &name)?,
        };
        to_hand_out(&actor, located.ok_or(Error::NotFound)?)
    };
    app.db.run_then(look_up, move |row| read_first(&store, row)).await
}

/// The row of a file whose bytes, or what was made of them, the actor may have.
pub(super) fn to_hand_out(actor: &Actor, located: Located) -> Result<AttachmentRow> {
    authorize(actor, Action::See, Resource::Site(located.site_id))?;
    readable_row(located)
}

/// Opens a file of a batch for somebody whom a share link lets in: [`super::shares`] has decided that.
pub(super) async fn open_in_batch(app: &Arc<App>, batch_id: Uuid, id: Uuid) -> Result<Opened> {
    let store = Arc::clone(&app.store);
    let look_up = move |conn: &mut PgConnection| {
        let located = db::attachments::locate(conn, id)?;
        readable_row(located.filter(|located| located.row.batch_id == batch_id).ok_or(Error::NotFound)?)
    };
    app.db.run_then(look_up, move |row| read_first(&store, row)).await
}

/// The row of a file that is not in the trash and whose bytes are thought to be whole.
fn readable_row(located: Located) -> Result<AttachmentRow> {
    if !LIVING.contains(&located.row.state.as_str()) || located.batch_trashed_at.is_some() {
        return Err(Error::NotFound);
    }
    readable(&located.row.state)?;
    Ok(located.row)
}

fn read_first(store: &LocalStore, row: AttachmentRow) -> Result<Opened> {
    let opened = store.open_published(&row.stored_name).map_err(|error| {
        tracing::error!(%error, attachment = %row.id, "a file cannot be read");
        Error::from(Refusal::StorageUnavailable { reason: "The storage cannot be read right now.".into() })
    })?;
    let size = row.size_bytes as u64;
    let mut first = vec![0; size.min(FIRST_BYTES) as usize];
    match opened {
        Some((file, found)) if found == size && file.read_exact_at(&mut first, 0).is_ok() => {
            Ok(Opened { row, file, first })
        }
        other => {
            let found = other.map(|(_, size)| size);
            tracing::error!(attachment = %row.id, ?found, expected = size, "a file's bytes are not there");
            // On an unmounted store every file is "missing": say so, and mark nothing.
            store.check().map_err(|_| Refusal::StorageUnavailable {
                reason: "The storage is not there right now.".into(),
            })?;
            Err(gone())
        }
    }
}

fn readable(state: &str) -> Result<()> {
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
    let (actor, now) = (actor.clone(), app.clock.now());
    app.db
        .transaction(move |conn| {
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
            db::attachments::set_trashed(conn, id, by)?;
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

/// The file, if the actor may do this with it. A purged one is gone for everybody.
pub(super) fn visible(actor: &Actor, action: Action, found: Option<Found>) -> Result<Found> {
    let found = found.filter(|found| found.row.state != "purged").ok_or(Error::NotFound)?;
    authorize(actor, action, Resource::Site(found.site_id))?;
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
