//! Background work: rows in PostgreSQL, enqueued in the transaction that makes them necessary, run by a worker
//! in every instance. Each job may run twice and must not mind.
//!
//! To add one: a variant of [`Job`], its arm in `Job::run`, and, when it recurs, a line in
//! [`schedule::TABLE`].

pub mod schedule;
mod worker;

use std::sync::Arc;

use diesel::PgConnection;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    app::App,
    clock::Clock,
    db::jobs::{self, NewJob},
    domain::{maintenance, previews, tally, uploads},
    error::{Error, Result},
};

pub use worker::Worker;

/// Attempts before a job is dead and waits for an admin.
const MAX_ATTEMPTS: i32 = 8;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Job {
    /// Removes sessions that are over.
    ExpireSessions,
    /// Ends resumable uploads whose time is over, and removes staged files that no living upload holds.
    SweepStaging,
    /// Compares the store with the database.
    Reconcile,
    /// Sums up the ledger.
    FoldUsage,
    /// Draws a file and reads its text.
    MakePreviews { attachment: Uuid },
}

impl Job {
    /// The name in the queue, in logs and metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ExpireSessions => "expire_sessions",
            Self::SweepStaging => "sweep_staging",
            Self::Reconcile => "reconcile",
            Self::FoldUsage => "fold_usage",
            Self::MakePreviews { .. } => "make_previews",
        }
    }

    /// Does the work.
    async fn run(self, app: &Arc<App>) -> Result<()> {
        match self {
            Self::ExpireSessions => {
                let expired = maintenance::expire_sessions(app).await?;
                tracing::info!(expired, "sessions expired");
            }
            Self::SweepStaging => {
                let removed = maintenance::sweep_staging(app).await?;
                let resumable = uploads::sweep(app).await?;
                tracing::info!(removed, ?resumable, "staging swept");
            }
            Self::Reconcile => {
                let report = maintenance::reconcile(app).await?;
                tracing::info!(?report, "store and database compared");
            }
            Self::FoldUsage => tally::fold(app).await?,
            Self::MakePreviews { attachment } => previews::make(app, attachment).await?,
        }
        Ok(())
    }

    /// Adds the job to the queue, to run as soon as a worker is free. With a `dedupe_key` that a living job
    /// has, nothing is added.
    pub fn enqueue(&self, conn: &mut PgConnection, clock: &Clock, dedupe_key: Option<&str>) -> Result<bool> {
        let now = clock.now();
        jobs::enqueue(
            conn,
            &NewJob {
                id: Uuid::now_v7(),
                kind: self.kind(),
                payload: serde_json::to_value(self).map_err(Error::internal)?,
                dedupe_key,
                run_at: now,
                max_attempts: MAX_ATTEMPTS,
                created_at: now,
                updated_at: now,
            },
        )
    }
}
