//! What keeps the house in order by itself: run by jobs, each safe to run twice and on several instances.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::{
    access::Actor,
    audit::{self, Subject},
    copies, orphans, password_links,
};
use crate::{
    app::App,
    blocking,
    db::{self, attachments::Expected},
    error::{Error, Result},
    storage::LocalStore,
};

/// Rows compared in one step.
const STEP: usize = 1000;

/// Removes sessions, and links to choose a password, that can no longer be used, and what no longer slows anybody down;
/// returns how many sessions and links went.
pub async fn expire_sessions(app: &App) -> Result<usize> {
    let links = password_links::expire(app).await?;
    let now = app.clock.now();
    app.db.run(move |conn| db::throttles::delete_free(conn, now)).await?;
    let (idle_since, made_since) = session_limits(app);
    let sessions = app.db.run(move |conn| db::sessions::delete_expired(conn, idle_since, made_since)).await?;
    Ok(sessions + links)
}

/// Sessions not used since the first time, or made before the second, are over.
pub fn session_limits(app: &App) -> (DateTime<Utc>, DateTime<Utc>) {
    let now = app.clock.now();
    let before = |life: Duration| now - TimeDelta::from_std(life).unwrap_or(TimeDelta::MAX);
    (before(app.config.session_idle), before(app.config.session_max))
}

/// Removes staged files that no living upload holds and returns how many went.
pub async fn sweep_staging(app: &App) -> Result<usize> {
    let store = Arc::clone(&app.store);
    blocking::run(move || store.sweep_staging().map_err(Error::internal)).await
}

/// What reconciling found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Rows whose file is gone or has the wrong size, newly marked.
    pub missing: usize,
    /// Rows marked missing before whose file is back.
    pub found_again: usize,
    /// Published files without a row, moved to `.trash/`.
    pub set_aside: usize,
    /// Files in `batches/` that Stillage did not publish; left where they are.
    pub to_import: usize,
    /// Whether too much would have changed, so that nothing was.
    pub alarmed: bool,
}

/// Compares the store with the database: rows without their file are marked missing (and available again when
/// the file is back), files without a row are moved aside once they are an hour old.
///
/// # Errors
/// The store is not there or not ours: then nothing is compared at all.
pub async fn reconcile(app: &Arc<App>) -> Result<Reconciled> {
    check(app).await?;
    let (missing, found_again, total) = compare_rows(app).await?;
    let found = orphans::published(app, orphans::GRACE).await?;
    let to_import = found.to_import;
    let orphans: Vec<String> = found.files.into_iter().map(|file| file.name).collect();
    // The disk may have gone away in the middle: then all that was compared means nothing.
    check(app).await?;

    let affected = missing.len() + orphans.len();
    if orphans::is_too_much(affected, total) {
        tracing::error!(
            missing = missing.len(),
            orphans = orphans.len(),
            total,
            "reconciling would change too much and changed nothing: is this the right storage?"
        );
        return Ok(Reconciled { to_import, alarmed: true, ..Reconciled::default() });
    }

    let report = Reconciled {
        missing: missing.len(),
        found_again: found_again.len(),
        set_aside: orphans.len(),
        to_import,
        alarmed: false,
    };
    mark(app, missing, "missing", "attachment.missing").await?;
    mark(app, found_again, "available", "attachment.found").await?;
    orphans::set_aside(app, &Actor::system(), orphans).await?;
    Ok(report)
}

pub(super) async fn check(app: &App) -> Result<()> {
    let store = Arc::clone(&app.store);
    blocking::run(move || store.check().map_err(Error::internal)).await
}

/// Rows whose file is not there, rows whose file is back, and how many rows there are.
pub(super) async fn compare_rows(app: &App) -> Result<(Vec<Expected>, Vec<Expected>, usize)> {
    let (mut missing, mut found_again, mut total) = (Vec::new(), Vec::new(), 0);
    let mut after = None;
    loop {
        let step =
            app.db.run(move |conn| db::attachments::expected_locally(conn, after, STEP as i64)).await?;
        let Some(last) = step.last() else { return Ok((missing, found_again, total)) };
        after = Some(last.id);
        total += step.len();
        let store = Arc::clone(&app.store);
        let compared = blocking::run(move || {
            step.into_iter()
                .map(|expected| Ok((is_there(&store, &expected)?, expected)))
                .collect::<Result<Vec<_>>>()
        })
        .await?;
        for (there, expected) in compared {
            match (there, expected.state.as_str()) {
                (false, "available") => missing.push(expected),
                (true, "missing") => found_again.push(expected),
                _ => {}
            }
        }
    }
}

fn is_there(store: &LocalStore, expected: &Expected) -> Result<bool> {
    let size = store.size_of(&expected.stored_name).map_err(Error::internal)?;
    Ok(size == Some(expected.size_bytes as u64))
}

async fn mark(app: &App, files: Vec<Expected>, state: &'static str, action: &'static str) -> Result<()> {
    for file in files {
        let (now, clock) = (app.clock.now(), app.clock.clone());
        tracing::warn!(attachment = %file.id, state, "reconciled");
        app.db
            .transaction(move |conn| {
                let Some(row) = db::attachments::find_for_update(conn, file.id)? else { return Ok(()) };
                if row.state == state || !["available", "missing"].contains(&row.state.as_str()) {
                    return Ok(());
                }
                let copy = if state == "missing" { "missing" } else { "present" };
                if db::copies::state(conn, row.id, "cloud")?.as_deref() == Some("present") {
                    // The bucket still has it: it stays available, and a job brings the local copy back.
                    if db::copies::state(conn, row.id, "local")?.as_deref() == Some(copy) {
                        return Ok(());
                    }
                    copies::enqueue_heal(conn, &clock, row.id)?;
                } else {
                    db::attachments::set_presence(conn, row.id, state)?;
                }
                db::attachments::set_copy(conn, row.id, "local", copy, None, now)?;
                let subject = Subject::Attachment { id: row.id, batch: row.batch_id };
                audit::record(
                    conn,
                    now,
                    &Actor::system(),
                    action,
                    subject,
                    json!({ "filename": row.original_name }),
                )
            })
            .await?;
    }
    Ok(())
}

/// Brings the gauges up to date: jobs by state, sessions, connections, uploads under way, the disk.
pub async fn measure(app: &App) -> Result<()> {
    let (jobs, sessions) =
        app.db.run(|conn| Ok((db::jobs::by_state(conn)?, db::sessions::count(conn)?))).await?;
    let verified = audit::watch::last(app).await?;
    let metrics = &app.metrics;
    for state in ["waiting", "running", "dead"] {
        let count = jobs.iter().find(|(name, _)| name == state).map_or(0, |(_, count)| *count);
        metrics.set("jobs", state, count);
    }
    metrics.set("sessions", "live", sessions);
    metrics.set("audit", "problems", verified.map_or(0, |verified| verified.problems));
    let (used, open) = app.db.pool_state();
    metrics.set("connections", "used", used.into());
    metrics.set("connections", "open", open.into());
    metrics.set("uploads", "under_way", app.limits.uploads.in_use() as i64);
    metrics.set("store", "writable", i64::from(app.store.trouble().is_none()));
    let backlog = app.db.run(db::copy_figures::backlog).await?;
    metrics.set("copies", "backlog", backlog.pending + backlog.failed);
    metrics.set("copies", "lag_seconds", backlog.lag_seconds(app.clock.now()));
    if let Some(cloud) = &app.cloud {
        metrics.set("cloud", "reachable", i64::from(cloud.trouble().is_none()));
    }
    let store = Arc::clone(&app.store);
    let (free, total) = blocking::run(move || store.space().map_err(Error::internal)).await?;
    metrics.set("disk_bytes", "free", i64::try_from(free).unwrap_or(i64::MAX));
    metrics.set("disk_bytes", "total", i64::try_from(total).unwrap_or(i64::MAX));
    Ok(())
}
