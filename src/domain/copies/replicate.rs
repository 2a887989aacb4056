//! Making the copy in the bucket: decided in the transaction of the upload, done later by a job.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::PgConnection;
use uuid::Uuid;

use super::{Place, cloud, copy, reason};
use crate::{
    app::App,
    clock::Clock,
    config::StorageMode,
    db::{self, copies::FileRow},
    error::Result,
    jobs::Job,
    storage::Placing,
};

/// Files whose jobs are enqueued in one transaction.
const STEP: i64 = 500;

/// Records where a new file is, and enqueues the copy that it is to have.
pub fn record_new(
    conn: &mut PgConnection,
    clock: &Clock,
    mode: StorageMode,
    id: Uuid,
    at: DateTime<Utc>,
) -> Result<()> {
    let first = if mode == StorageMode::Cloud { Place::Cloud } else { Place::Local };
    db::copies::set(conn, id, first.as_str(), "present", Some(at), None, at)?;
    if mode == StorageMode::Hybrid {
        db::copies::set(conn, id, Place::Cloud.as_str(), "pending", None, None, at)?;
        enqueue(conn, clock, id)?;
    }
    Ok(())
}

/// The setting that keeps new copies from being made.
const PAUSED: &str = "copies_paused";

/// Whether an admin has put off the making of copies.
pub fn are_paused(conn: &mut PgConnection) -> Result<bool> {
    Ok(db::settings::get(conn, PAUSED)?.unwrap_or(false))
}

/// Puts off the making of copies, or goes on with it. Jobs keep their place meanwhile.
pub fn set_paused(conn: &mut PgConnection, clock: &Clock, paused: bool) -> Result<()> {
    db::settings::put(conn, clock, PAUSED, &paused)
}

/// Enqueues the copy of one file, unless it is in the queue already.
pub fn enqueue(conn: &mut PgConnection, clock: &Clock, attachment: Uuid) -> Result<bool> {
    let key = format!("copy_replicate.{attachment}");
    Job::CopyReplicate { attachment }.enqueue(conn, clock, Some(&key))
}

/// Enqueues every file that has no sound copy in the bucket and no job for it yet, and returns how many there
/// were. Nothing to do while cloud storage is off.
pub async fn enqueue_backlog(app: &Arc<App>) -> Result<usize> {
    if app.cloud.is_none() {
        return Ok(0);
    }
    let (mut after, mut enqueued) = (None, 0);
    loop {
        let clock = app.clock.clone();
        let (last, count) = app
            .db
            .transaction(move |conn| {
                let files = db::copies::lacking(conn, Place::Cloud.as_str(), after, STEP)?;
                let (last, now) = (files.last().map(|file| file.id), clock.now());
                let mut count = 0;
                for FileRow { id, .. } in files {
                    // A damaged copy is mended with a look at both; here something is missing.
                    if db::copies::state(conn, id, Place::Cloud.as_str())?.as_deref() == Some("corrupt") {
                        super::enqueue_heal(conn, &clock, id)?;
                    } else if enqueue(conn, &clock, id)? {
                        db::copies::set(conn, id, Place::Cloud.as_str(), "pending", None, None, now)?;
                        count += 1;
                    }
                }
                Ok((last, count))
            })
            .await?;
        enqueued += count;
        match last {
            Some(last) => after = Some(last),
            None => return Ok(enqueued),
        }
    }
}

/// Copies one file to the bucket and verifies it there. Doing it twice changes nothing.
///
/// # Errors
/// Whatever the two homes suffer from; the reason is kept with the copy and the job is tried again.
pub async fn replicate(app: &Arc<App>, id: Uuid) -> Result<()> {
    let look = move |conn: &mut PgConnection| {
        let state = db::copies::state(conn, id, Place::Cloud.as_str())?;
        Ok(db::copies::file(conn, id)?.filter(|_| state.is_none_or(|state| state != "present")))
    };
    let Some(file) = app.db.run(look).await? else { return Ok(()) };
    let copied = copy(app, &file, Place::Cloud, Placing::New).await;
    let now = app.clock.now();
    match copied {
        Ok(()) => {
            let has_recovered = cloud(app)?.take_recovered();
            app.db
                .run(move |conn| {
                    db::copies::set(conn, id, Place::Cloud.as_str(), "present", Some(now), None, now)?;
                    // The cloud is back: what waits for it need not wait out its pause.
                    if has_recovered {
                        db::jobs::hurry(conn, "copy_replicate", now).map(drop)
                    } else {
                        Ok(())
                    }
                })
                .await
        }
        Err(error) => {
            note(app, id, "pending", reason(&error)).await?;
            Err(error)
        }
    }
}

/// The last attempt has failed: an admin is to see it.
pub async fn give_up(app: &App, id: Uuid) -> Result<()> {
    let why = app.cloud.as_ref().and_then(|cloud| cloud.trouble());
    note(app, id, "failed", why.unwrap_or_else(|| "It failed too often.".to_owned())).await
}

/// Looks whether a bucket that failed works again, by writing to it. Then what waits for it is due at once, and what was
/// given up meanwhile is enqueued again.
pub async fn recover(app: &Arc<App>) -> Result<()> {
    let Some(bucket) = app.cloud.as_ref().filter(|bucket| bucket.trouble().is_some()) else { return Ok(()) };
    if bucket.probe().await.is_err() {
        return Ok(());
    }
    let (now, clock) = (app.clock.now(), app.clock.clone());
    let is_local = app.config.storage_mode == StorageMode::Local;
    app.db
        .run(move |conn| {
            for kind in ["copy_replicate", "copy_heal"] {
                db::jobs::hurry(conn, kind, now)?;
            }
            if !is_local {
                Job::CopyBacklog.enqueue(conn, &clock, Some(Job::CopyBacklog.kind()))?;
            }
            Ok(())
        })
        .await
}

async fn note(app: &App, id: Uuid, state: &'static str, why: String) -> Result<()> {
    let now = app.clock.now();
    app.db.run(move |conn| db::copies::set_error(conn, id, Place::Cloud.as_str(), state, &why, now)).await
}
