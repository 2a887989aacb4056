//! What an admin sees and does about the homes of files.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use serde_json::json;
use uuid::Uuid;

use super::{
    access::{Action, Actor, Resource, authorize},
    audit::{self, Subject},
    copies::{
        self, Place,
        moving::{self, Moving},
    },
    recheck,
};
use crate::{
    app::App,
    blocking,
    config::StorageMode,
    db::{
        self,
        copy_figures::{Backlog, Failure, Figure},
    },
    error::{Error, Result},
};

/// Failures that are shown.
const FAILURES: i64 = 20;

/// The time over which throughput is measured.
const RECENT: TimeDelta = TimeDelta::hours(1);

/// How the homes are.
pub struct Overview {
    pub mode: StorageMode,
    /// Files and bytes in each state in each place.
    pub figures: Vec<Figure>,
    /// Copies that the bucket does not have yet.
    pub backlog: Backlog,
    /// The latest failures that still hold.
    pub failures: Vec<Failure>,
    /// Jobs about copies that were given up.
    pub dead_jobs: i64,
    /// Whether the making of copies is put off.
    pub paused: bool,
    /// Copies made or read again within the last hour, and their bytes.
    pub throughput: (i64, i64),
    /// The move that was begun last, and how many files have no sound copy at either goal.
    pub moving: Option<Moving>,
    pub lacking_in_cloud: i64,
    pub lacking_locally: i64,
    pub scrub_every: Duration,
    /// What is wrong with local storage.
    pub local_trouble: Option<String>,
    /// Its folder, and free and all bytes of its disk, if it can be measured.
    pub root: String,
    pub space: Option<(u64, u64)>,
    pub bucket: Option<BucketState>,
}

/// The bucket as the last request found it.
pub struct BucketState {
    /// Its name and host.
    pub place: String,
    pub trouble: Option<String>,
}

/// Reads the rows, and measures the disk; the bucket is not asked.
pub async fn overview(app: &App, actor: &Actor) -> Result<Overview> {
    authorize(actor, Action::Administer, Resource::System)?;
    let (now, scrub_every) = (app.clock.now(), app.config.scrub_every);
    let store = Arc::clone(&app.store);
    let space = blocking::run(move || Ok(store.check().and_then(|()| store.space()).ok())).await?;
    let bucket =
        app.cloud.as_ref().map(|bucket| BucketState { place: bucket.place(), trouble: bucket.trouble() });
    let (mode, local_trouble) = (app.config.storage_mode, app.store.trouble());
    let root = app.config.upload_storage_path.display().to_string();
    app.db
        .run(move |conn| {
            let read_since = now - TimeDelta::from_std(scrub_every).unwrap_or(TimeDelta::MAX);
            Ok(Overview {
                mode,
                figures: db::copy_figures::figures(conn, read_since)?,
                backlog: db::copy_figures::backlog(conn)?,
                failures: db::copy_figures::failures(conn, FAILURES)?,
                dead_jobs: db::jobs::dead_copies(conn)?,
                paused: copies::are_paused(conn)?,
                throughput: db::copy_figures::throughput(conn, now - RECENT)?,
                moving: moving::last(conn)?,
                lacking_in_cloud: db::copies::count_lacking(conn, Place::Cloud.as_str())?,
                lacking_locally: db::copies::count_lacking(conn, Place::Local.as_str())?,
                scrub_every,
                local_trouble,
                root,
                space,
                bucket,
            })
        })
        .await
}

/// The backlog alone: cheap enough to be asked all the time.
pub async fn backlog(app: &App, actor: &Actor) -> Result<Backlog> {
    authorize(actor, Action::Administer, Resource::System)?;
    app.db.run(db::copy_figures::backlog).await
}

/// Puts an object into the bucket, reads it back and deletes it. The answer is the reason of a failure, in one
/// line.
///
/// # Errors
/// Cloud storage is off.
pub async fn test_connection(app: &App, actor: &Actor) -> Result<Option<String>> {
    authorize(actor, Action::Administer, Resource::System)?;
    Ok(copies::cloud(app)?.probe().await.err().map(|error| error.to_string()))
}

/// Takes up again what was given up, and everything else that has no sound copy in the bucket. Returns how many
/// copies are to be made.
///
/// # Errors
/// Cloud storage is off.
pub async fn sync(app: &Arc<App>, actor: &Actor) -> Result<usize> {
    authorize(actor, Action::Administer, Resource::System)?;
    copies::cloud(app)?;
    let now = app.clock.now();
    recheck::admin(app, actor, move |conn, _| {
        db::jobs::forget_dead_copies(conn, None)?;
        db::jobs::hurry(conn, "copy_replicate", now)?;
        Ok(())
    })
    .await?;
    let enqueued = copies::enqueue_backlog(app).await?;
    let actor = actor.clone();
    app.db
        .run(move |conn| {
            let details = json!({ "enqueued": enqueued });
            audit::record(conn, now, &actor, "storage.sync", Subject::System, details)
        })
        .await?;
    Ok(enqueued)
}

/// Tries one file's copy again now.
///
/// # Errors
/// Cloud storage is off, or there is no such file.
pub async fn retry(app: &App, actor: &Actor, id: Uuid) -> Result<()> {
    authorize(actor, Action::Administer, Resource::System)?;
    copies::cloud(app)?;
    let (clock, now) = (app.clock.clone(), app.clock.now());
    recheck::admin(app, actor, move |conn, actor| {
        let file = db::copies::file(conn, id)?.ok_or(Error::NotFound)?;
        if db::copies::state(conn, id, "cloud")?.as_deref() == Some("present") {
            return Ok(());
        }
        db::jobs::forget_dead_copies(conn, Some(id))?;
        db::copies::set(conn, id, "cloud", "pending", None, None, now)?;
        copies::enqueue(conn, &clock, id)?;
        let subject = Subject::Attachment { id, batch: file.batch_id };
        audit::record(conn, now, &actor, "copy.retry", subject, json!({ "filename": file.original_name }))
    })
    .await
}

/// Puts off the making of copies, or goes on with it.
///
/// # Errors
/// Cloud storage is off.
pub async fn set_paused(app: &App, actor: &Actor, paused: bool) -> Result<()> {
    authorize(actor, Action::Administer, Resource::System)?;
    copies::cloud(app)?;
    let (clock, now) = (app.clock.clone(), app.clock.now());
    recheck::admin(app, actor, move |conn, actor| {
        copies::set_paused(conn, &clock, paused)?;
        let action = if paused { "storage.pause" } else { "storage.resume" };
        audit::record(conn, now, &actor, action, Subject::System, json!({}))
    })
    .await
}
