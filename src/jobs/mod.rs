//! Background work: rows in PostgreSQL, enqueued in the transaction that makes them necessary, run by a worker
//! in every instance. Each job may run twice and must not mind.
//!
//! To add one: a variant of [`Job`], its arm in `Job::run`, and, when it recurs, a line in
//! [`schedule::TABLE`].

pub mod schedule;
mod worker;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::PgConnection;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    app::App,
    clock::Clock,
    db::jobs::{self, NewJob},
    domain::{maintenance, orphans, previews, purge, uploads},
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
    /// Draws a file and reads its text.
    MakePreviews {
        attachment: Uuid,
    },
    /// Removes for good what was in the trash for its days, and what lies in `.trash/` as long.
    PurgeTrash,
    /// The same of everything that an admin found in the trash.
    EmptyTrash {
        trashed_before: DateTime<Utc>,
    },
    /// Removes a file, or a batch, for good that an admin chose; only with the tombstone that they saw.
    PurgeFile {
        attachment: Uuid,
        trashed_at: DateTime<Utc>,
    },
    PurgeBatch {
        batch: Uuid,
        trashed_at: DateTime<Utc>,
    },
    /// Looks for files without a living row, for the admin's page; moves them aside when exactly as many are there as
    /// an admin saw.
    CleanUp {
        expect: Option<usize>,
    },
}

impl Job {
    /// The name in the queue, in logs and metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ExpireSessions => "expire_sessions",
            Self::SweepStaging => "sweep_staging",
            Self::Reconcile => "reconcile",
            Self::MakePreviews { .. } => "make_previews",
            Self::PurgeTrash => "purge_trash",
            Self::EmptyTrash { .. } => "empty_trash",
            Self::PurgeFile { .. } => "purge_file",
            Self::PurgeBatch { .. } => "purge_batch",
            Self::CleanUp { .. } => "clean_up",
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
            Self::MakePreviews { attachment } => previews::make(app, attachment).await?,
            Self::PurgeTrash => {
                let purged = purge::due(app).await?;
                let aside = orphans::expire(app).await?;
                tracing::info!(?purged, aside, "trash purged");
            }
            Self::EmptyTrash { trashed_before } => {
                let purged = purge::up_to(app, trashed_before).await?;
                tracing::info!(?purged, "trash emptied");
            }
            Self::PurgeFile { attachment, trashed_at } => {
                let which = purge::Tombstone::At(trashed_at);
                purge::files(app, vec![attachment], which, &mut purge::Purged::default()).await?;
            }
            Self::PurgeBatch { batch, trashed_at } => {
                let which = purge::Tombstone::At(trashed_at);
                purge::batch(app, batch, which, &mut purge::Purged::default()).await?;
            }
            Self::CleanUp { expect } => orphans::run_for_page(app, expect).await?,
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
