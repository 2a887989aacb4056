//! Files of a batch, many at once: moved to the trash and back, given a kind; and what is said about one of them.
//!
//! Kind and note describe a file and do not change what is on record, so they can be put right while a batch is
//! closed. In the trash nothing is changed.

use chrono::{DateTime, Utc};
use diesel::PgConnection;
use serde_json::json;
use uuid::Uuid;

use super::{
    access::{Action, Actor},
    attachments, audit,
    audit::Subject,
    batches::{not_in_trash, visible},
    kind::Kind,
    purge, recheck,
    retention::not_held,
};
use crate::{
    app::App,
    db::{
        self,
        attachments::{AttachmentRow, LIVING},
        batches::Change,
    },
    error::{Error, Result},
};

pub use crate::db::batch_files::{By, Chosen, Filter, Order, Place};

const NOTE_MAX_CHARS: usize = 2000;

/// What was done to how many files of which batch.
pub struct Done {
    pub batch: Uuid,
    /// Files that are different now.
    pub changed: usize,
    /// When: what brings exactly these files back.
    pub at: DateTime<Utc>,
}

/// Moves the chosen files to the trash, all or none. Those that are there already stay as they are.
///
/// # Errors
/// [`Error::NotFound`] when none of them is a file of this batch, [`Error::Invalid`] when none is named,
/// [`Error::Conflict`] when the batch is in the trash or on hold.
pub async fn trash(app: &App, actor: &Actor, batch: Uuid, ids: Vec<Uuid>) -> Result<Done> {
    let now = app.clock.now();
    recheck::transaction(app, actor, move |conn, actor| {
        let files = locked(conn, &actor, batch, &Chosen::Ids(ids))?;
        // Locked, so that a hold that comes at this moment waits, or is seen.
        not_held(&db::batches::find_for_update(conn, batch)?.ok_or(Error::NotFound)?)?;
        let going: Vec<_> = files.into_iter().filter(is_living).collect();
        let ids: Vec<Uuid> = going.iter().map(|file| file.id).collect();
        db::batch_files::set_trashed(conn, &ids, Some((now, actor.account()?)))?;
        finish(conn, now, &actor, batch, "attachment.trash", &going, Change::removed_all(&going))
    })
    .await
}

/// Brings the chosen files back into their batch, all or none.
///
/// # Errors
/// As [`trash`], and [`Error::Conflict`] when one of them is being removed for good.
pub async fn restore(app: &App, actor: &Actor, batch: Uuid, chosen: Chosen) -> Result<Done> {
    let now = app.clock.now();
    recheck::transaction(app, actor, move |conn, actor| {
        let files = locked(conn, &actor, batch, &chosen)?;
        let coming: Vec<_> = files.into_iter().filter(|file| !is_living(file)).collect();
        let ids: Vec<Uuid> = coming.iter().map(|file| file.id).collect();
        purge::not_begun(conn, &ids)?;
        db::batch_files::set_trashed(conn, &ids, None)?;
        finish(conn, now, &actor, batch, "attachment.restore", &coming, Change::added_all(&coming))
    })
    .await
}

/// Counts the files in or out and writes down what happened to each.
fn finish(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    actor: &Actor,
    batch: Uuid,
    action: &str,
    files: &[AttachmentRow],
    change: Change,
) -> Result<Done> {
    if !files.is_empty() {
        db::batches::count(conn, batch, change, now)?;
    }
    let events = files
        .iter()
        .map(|file| (Subject::Attachment { id: file.id, batch }, json!({ "filename": file.original_name })));
    audit::record_many(conn, now, actor, action, events)?;
    Ok(Done { batch, changed: files.len(), at: now })
}

/// Says of the chosen files what they are.
///
/// # Errors
/// As [`trash`], and [`Error::Invalid`] for a kind that there is not.
pub async fn set_kind(app: &App, actor: &Actor, batch: Uuid, ids: Vec<Uuid>, kind: &str) -> Result<Done> {
    let (now, kind) = (app.clock.now(), Kind::parse(kind));
    recheck::transaction(app, actor, move |conn, actor| {
        let files = locked(conn, &actor, batch, &Chosen::Ids(ids))?;
        let kind = kind.ok_or_else(unknown_kind)?.key();
        let changed: Vec<_> = files.into_iter().filter(|file| is_living(file) && file.kind != kind).collect();
        let ids: Vec<Uuid> = changed.iter().map(|file| file.id).collect();
        db::batch_files::set_kind(conn, &ids, kind)?;
        let events = changed.iter().map(|file| {
            let details = json!({ "filename": file.original_name, "kind": [file.kind, kind] });
            (Subject::Attachment { id: file.id, batch }, details)
        });
        audit::record_many(conn, now, &actor, "attachment.edit", events)?;
        Ok(Done { batch, changed: changed.len(), at: now })
    })
    .await
}

/// Kind and note of one file. Saying the same again changes nothing.
///
/// # Errors
/// [`Error::Invalid`] for a kind that there is not and for a note that is too long, [`Error::Conflict`] in the
/// trash.
pub async fn edit(app: &App, actor: &Actor, id: Uuid, kind: &str, note: &str) -> Result<()> {
    let (now, kind) = (app.clock.now(), Kind::parse(kind));
    let note = note.trim().replace("\r\n", "\n");
    recheck::transaction(app, actor, move |conn, actor| {
        db::attachments::find_for_update(conn, id)?.ok_or(Error::NotFound)?;
        let found = db::attachments::find(conn, id)?;
        let found = attachments::visible(&actor, Action::ManageFiles, found)?;
        if found.batch_trashed || !is_living(&found.row) {
            return Err(Error::conflict("file_trashed", "The file is in the trash. Restore it first."));
        }
        let kind = kind.ok_or_else(unknown_kind)?.key();
        check_note(&note)?;
        let before = found.row;
        let mut details = serde_json::Map::new();
        for (field, old, new) in [("kind", before.kind.as_str(), kind), ("note", &before.note, &note)] {
            if old != new {
                details.insert(field.to_owned(), json!([old, new]));
            }
        }
        if details.is_empty() {
            return Ok(());
        }
        details.insert("filename".to_owned(), json!(before.original_name));
        db::batch_files::set_about(conn, id, kind, &note)?;
        let subject = Subject::Attachment { id, batch: before.batch_id };
        audit::record(conn, now, &actor, "attachment.edit", subject, details.into())
    })
    .await
}

fn check_note(note: &str) -> Result<()> {
    if note.chars().count() > NOTE_MAX_CHARS {
        return Err(Error::invalid("note", format!("At most {NOTE_MAX_CHARS} characters.")));
    }
    if note.chars().any(|c| c.is_control() && c != '\n') {
        return Err(Error::invalid("note", "Control characters cannot stand here."));
    }
    Ok(())
}

/// The chosen files of a batch, locked, if the actor may change them.
fn locked(
    conn: &mut PgConnection,
    actor: &Actor,
    batch: Uuid,
    chosen: &Chosen,
) -> Result<Vec<AttachmentRow>> {
    not_in_trash(&visible(conn, actor, Action::ManageFiles, batch)?)?;
    some_named(chosen)?;
    let files = db::batch_files::lock(conn, batch, chosen)?;
    if files.is_empty() { Err(Error::NotFound) } else { Ok(files) }
}

fn some_named(chosen: &Chosen) -> Result<()> {
    match chosen {
        Chosen::Ids(ids) if ids.is_empty() => Err(none_named()),
        _ => Ok(()),
    }
}

pub(super) fn none_named() -> Error {
    Error::invalid("ids", "No file is ticked. Go back, tick the files and try again.")
}

fn unknown_kind() -> Error {
    Error::invalid("kind", "Choose one of the kinds.")
}

fn is_living(file: &AttachmentRow) -> bool {
    LIVING.contains(&file.state.as_str())
}
