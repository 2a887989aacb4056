//! Every recurring job in one table.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};

use super::Job;
use crate::{
    app::App,
    db::{job_list::Run, jobs, settings},
    error::Result,
};

/// A job and how often it is due.
pub struct Recurring {
    pub job: Job,
    pub every: Duration,
}

pub const TABLE: &[Recurring] = &[
    Recurring { job: Job::ExpireSessions, every: Duration::from_secs(600) },
    Recurring { job: Job::SweepStaging, every: Duration::from_secs(900) },
    Recurring { job: Job::FoldUsage, every: Duration::from_secs(600) },
    Recurring { job: Job::Reconcile, every: Duration::from_secs(6 * 3600) },
    Recurring { job: Job::CopyScrub, every: Duration::from_secs(600) },
    Recurring { job: Job::CopyHead, every: Duration::from_secs(3600) },
    Recurring { job: Job::VerifyTrail, every: Duration::from_secs(24 * 3600) },
    Recurring { job: Job::PurgeTrash, every: Duration::from_secs(3600) },
];

/// Where it is kept when a job was last due.
pub fn key_of(job: &Job) -> String {
    format!("last_due.{}", job.kind())
}

/// Enqueues what is due. Instances that look at the same time enqueue it once: when each was last due is kept
/// in the database, and a job that still waits is not added again.
pub async fn enqueue_due(app: &Arc<App>) -> Result<()> {
    let clock = app.clock.clone();
    app.db
        .transaction(move |conn| {
            let now = clock.now();
            jobs::forget_the_future(conn, now)?;
            for Recurring { job, every } in TABLE {
                let key = key_of(job);
                let last: Option<DateTime<Utc>> = settings::get(conn, &key)?;
                // A time to come was written by a clock that has been set back since.
                let is_due = last.is_none_or(|last| (now - last).to_std().map_or(true, |ago| ago >= *every));
                if is_due {
                    settings::put(conn, &clock, &key, &now)?;
                    job.enqueue(conn, &clock, Some(job.kind()))?;
                }
            }
            Ok(())
        })
        .await
}

/// How a recurring job ended, to be kept; `None` for all others.
pub fn run_of(kind: &str, began_at: DateTime<Utc>, ended_at: DateTime<Utc>, problem: String) -> Option<Run> {
    let is_recurring = TABLE.iter().any(|line| line.job.kind() == kind);
    // The clock of a machine may be set back meanwhile.
    let began_at = began_at.min(ended_at);
    is_recurring.then(|| Run { kind: kind.to_owned(), began_at, ended_at, problem })
}

/// Enqueues everything in the table, whenever it ran last: what a start does, for a crash may have come before.
pub async fn enqueue_all(app: &Arc<App>) -> Result<()> {
    let clock = app.clock.clone();
    app.db
        .transaction(move |conn| {
            for Recurring { job, .. } in TABLE {
                job.enqueue(conn, &clock, Some(job.kind()))?;
            }
            Ok(())
        })
        .await
}

/// Enqueues a job that need not wait twice.
pub async fn enqueue_once(app: &Arc<App>, job: &Job) -> Result<()> {
    let (clock, job) = (app.clock.clone(), job.clone());
    app.db.run(move |conn| job.enqueue(conn, &clock, Some(job.kind())).map(drop)).await
}
