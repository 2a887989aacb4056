//! An admin does not wait for the days to be over: the decision is written down with the job that carries it out. Holds
//! and the years of a site bind admins too.

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use crate::{
    app::App,
    db::{self, batches::BatchRow},
    domain::{
        access::{Action, Actor, Resource, authorize},
        audit::{self, Subject},
        recheck, retention,
    },
    error::{Error, Result},
    jobs::Job,
};

/// Orders the purge of a file and returns its name.
///
/// # Errors
/// [`Error::Conflict`] when it is not in the trash, held, or kept by its site.
pub async fn file(app: &App, actor: &Actor, id: Uuid, is_confirmed: bool) -> Result<String> {
    let (now, clock) = (app.clock.now(), app.clock.clone());
    recheck::admin(app, actor, move |conn, actor| {
        let (mut files, batches) = db::purge::lock(conn, &[id])?;
        let file = files.pop().filter(|file| file.state != "purged").ok_or(Error::NotFound)?;
        let batch = batches.first().ok_or(Error::NotFound)?;
        let trashed_at = file.trashed_at.filter(|_| file.state == "trashed").ok_or_else(not_in_trash)?;
        let years = db::retention::keep_years(conn)?.get(&batch.site_id).copied().unwrap_or(0);
        if let Some(stays) = retention::of_file(&file, batch, years).and_then(|standing| standing.barred(now))
        {
            return Err(stays.into());
        }
        confirmed(is_confirmed)?;
        let job = Job::PurgeFile { attachment: id, trashed_at, by: actor.id() };
        // Ordered before, it is no second act.
        if job.enqueue(conn, &clock, Some(&key(id, trashed_at)))? {
            let subject = Subject::Attachment { id, batch: file.batch_id };
            let details = json!({ "filename": file.original_name });
            audit::record(conn, now, &actor, "attachment.purge_now", subject, details)?;
        }
        Ok(file.original_name)
    })
    .await
}

/// Orders the purge of a batch with its files and returns its number.
///
/// # Errors
/// As [`file()`].
pub async fn batch(app: &App, actor: &Actor, id: Uuid, is_confirmed: bool) -> Result<String> {
    let (now, clock) = (app.clock.now(), app.clock.clone());
    recheck::admin(app, actor, move |conn, actor| {
        let batch =
            db::batches::find_for_update(conn, id)?.filter(BatchRow::is_there).ok_or(Error::NotFound)?;
        let trashed_at = batch.trashed_at.ok_or_else(not_in_trash)?;
        let standings = retention::of_batches(conn, &[&batch])?;
        if let Some(stays) = standings.iter().find_map(|standing| standing.barred(now)) {
            return Err(stays.into());
        }
        confirmed(is_confirmed)?;
        let job = Job::PurgeBatch { batch: id, trashed_at, by: actor.id() };
        if job.enqueue(conn, &clock, Some(&key(id, trashed_at)))? {
            let details = json!({ "number": batch.number, "files": batch.files_count });
            audit::record(conn, now, &actor, "batch.purge_now", Subject::Batch(id), details)?;
        }
        Ok(batch.number)
    })
    .await
}

/// Orders the purge of everything that is in the trash at this moment and that nothing keeps.
pub async fn everything(app: &App, actor: &Actor, is_confirmed: bool) -> Result<()> {
    authorize(actor, Action::Administer, Resource::System)?;
    confirmed(is_confirmed)?;
    let (now, clock) = (app.clock.now(), app.clock.clone());
    recheck::admin(app, actor, move |conn, actor| {
        audit::record(conn, now, &actor, "trash.empty", Subject::System, json!({}))?;
        let job = Job::EmptyTrash { trashed_before: now, by: actor.id() };
        job.enqueue(conn, &clock, Some("empty_trash")).map(drop)
    })
    .await
}

/// Of the job: one for each tombstone.
fn key(id: Uuid, trashed_at: DateTime<Utc>) -> String {
    format!("purge:{id}:{}", trashed_at.timestamp_micros())
}

fn not_in_trash() -> Error {
    Error::conflict("not_in_trash", "Only what is in the trash can be removed for good.")
}

fn confirmed(is_confirmed: bool) -> Result<()> {
    if is_confirmed {
        Ok(())
    } else {
        Err(Error::invalid(
            "confirm",
            "Tick the box to say that it is to go for good. Go back and try again.",
        ))
    }
}
