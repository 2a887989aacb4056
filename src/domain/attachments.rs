//! Files of batches, once they are in: looked at, handed out, deleted, brought back.

mod read;

use serde_json::json;
use uuid::Uuid;

use super::{
    access::{Action, Actor, Resource, authorize},
    audit::{
        self, EventRow, Subject,
        reads::{self, Reader, Reading},
    },
    purge, recheck,
    retention::not_held,
};
use crate::{
    app::App,
    db::{self, attachments::LIVING, batches::Change, previews::PreviewRow},
    error::{Error, Result},
};

pub use self::read::{FIRST_BYTES, Name, Opened, Readable, Taken, open, take};
pub(super) use self::read::{open_in_batch, open_listed, open_readable, to_hand_out};
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
        audit::record(conn, now, &actor, action, subject, json!({ "filename": found.row.original_name }))?;
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
