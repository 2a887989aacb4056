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
    domain::{audit, copies, maintenance, orders, orphans, previews, purge, tally, uploads},
    error::{Error, Result},
};

pub use worker::Worker;

/// Attempts before a job is dead and waits for an admin.
const MAX_ATTEMPTS: i32 = 8;
/// The same for copies: pauses grow to an hour, so this is about a week without a cloud.
const MAX_ATTEMPTS_OF_COPIES: i32 = 175;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Job {
    /// Removes sessions that are over.
    ExpireSessions,
    /// Ends resumable uploads whose time is over, and removes staged files that no living upload holds.
    SweepStaging,
    /// Compares the store with the database.
    Reconcile,
    /// Proves that nobody changed the audit trail.
    VerifyTrail,
    /// Sums up the ledger.
    FoldUsage,
    /// Draws a file and reads its text.
    MakePreviews { attachment: Uuid },
    /// Copies one file to the bucket.
    CopyReplicate { attachment: Uuid },
    /// Sees to it that every file without a sound copy in the bucket gets one.
    CopyBacklog,
    /// Mends the copies of one file.
    CopyHeal { attachment: Uuid },
    /// Reads again what was not read for long.
    CopyScrub,
    /// Goes on with the move that an admin began.
    CopyMove,
    /// Puts the head of the audit trail into the bucket.
    CopyHead,
    /// Removes for good what was in the trash for its days, and what lies in `.trash/` as long.
    PurgeTrash,
    /// The same of everything that an admin found in the trash.
    EmptyTrash {
        trashed_before: DateTime<Utc>,
        /// Who ordered it; none in orders of earlier versions. The same below.
        #[serde(default)]
        by: Option<Uuid>,
    },
    /// Removes a file, or a batch, for good that an admin chose; only with the tombstone that they saw.
    PurgeFile {
        attachment: Uuid,
        trashed_at: DateTime<Utc>,
        #[serde(default)]
        by: Option<Uuid>,
    },
    PurgeBatch {
        batch: Uuid,
        trashed_at: DateTime<Utc>,
        #[serde(default)]
        by: Option<Uuid>,
    },
    /// Looks for files without a living row, for the admin's page; moves them aside when exactly as many are there as
    /// an admin saw.
    CleanUp {
        expect: Option<usize>,
        #[serde(default)]
        by: Option<Uuid>,
    },
}

impl Job {
    /// The name in the queue, in logs and metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ExpireSessions => "expire_sessions",
            Self::SweepStaging => "sweep_staging",
            Self::Reconcile => "reconcile",
            Self::VerifyTrail => "verify_trail",
            Self::FoldUsage => "fold_usage",
            Self::MakePreviews { .. } => "make_previews",
            Self::CopyReplicate { .. } => "copy_replicate",
            Self::CopyBacklog => "copy_backlog",
            Self::CopyHeal { .. } => "copy_heal",
            Self::CopyScrub => "copy_scrub",
            Self::CopyMove => "copy_move",
            Self::CopyHead => "copy_head",
            Self::PurgeTrash => "purge_trash",
            Self::EmptyTrash { .. } => "empty_trash",
            Self::PurgeFile { .. } => "purge_file",
            Self::PurgeBatch { .. } => "purge_batch",
            Self::CleanUp { .. } => "clean_up",
        }
    }

    fn max_attempts(&self) -> i32 {
        match self {
            Self::CopyReplicate { .. } | Self::CopyMove => MAX_ATTEMPTS_OF_COPIES,
            _ => MAX_ATTEMPTS,
        }
    }

    /// What it does, in words.
    pub fn words(&self) -> &'static str {
        match self {
            Self::ExpireSessions => "Remove sessions that are over",
            Self::SweepStaging => "Clear away uploads that were left",
            Self::Reconcile => "Compare store and database",
            Self::VerifyTrail => "Verify the audit trail",
            Self::FoldUsage => "Sum up the ledger",
            Self::MakePreviews { .. } => "Draw previews",
            Self::CopyReplicate { .. } => "Copy to the bucket",
            Self::CopyBacklog => "Find files without a copy",
            Self::CopyHeal { .. } => "Mend copies",
            Self::CopyScrub => "Read copies again",
            Self::CopyMove => "Move all files",
            Self::CopyHead => "Put the head of the trail into the bucket",
            Self::PurgeTrash => "Purge what was long in the trash",
            Self::EmptyTrash { .. } => "Empty the trash",
            Self::PurgeFile { .. } => "Purge a file",
            Self::PurgeBatch { .. } => "Purge a batch",
            Self::CleanUp { .. } => "Look for files without a row",
        }
    }

    /// The admin without whom it is not done.
    fn ordered_by(&self) -> Option<Uuid> {
        match self {
            Self::EmptyTrash { by, .. }
            | Self::PurgeFile { by, .. }
            | Self::PurgeBatch { by, .. }
            | Self::CleanUp { by, .. } => *by,
            _ => None,
        }
    }

    /// Does the work.
    async fn run(self, app: &Arc<App>) -> Result<()> {
        if !orders::stands(app, self.ordered_by(), self.words()).await? {
            return Ok(());
        }
        match self {
            Self::ExpireSessions => {
                let expired = maintenance::expire_sessions(app).await?;
                tracing::info!(expired, "sessions expired");
            }
            Self::SweepStaging => {
                let removed = maintenance::sweep_staging(app).await?;
                let resumable = uploads::sweep(app).await?;
                tracing::info!(
                    removed,
                    resumable.expired,
                    resumable.files,
                    resumable.forgotten,
                    "staging swept"
                );
            }
            Self::Reconcile => {
                let found = maintenance::reconcile(app).await?;
                tracing::info!(
                    found.missing,
                    found.found_again,
                    found.set_aside,
                    found.to_import,
                    "store and database compared"
                );
            }
            Self::VerifyTrail => {
                let found = audit::watch::verify(app).await?;
                tracing::info!(found.seals, found.events, found.problems, "audit trail verified");
            }
            Self::FoldUsage => tally::fold(app).await?,
            Self::MakePreviews { attachment } => previews::make(app, attachment).await?,
            Self::CopyReplicate { attachment } => copies::replicate(app, attachment).await?,
            Self::CopyBacklog => {
                let enqueued = copies::enqueue_backlog(app).await?;
                tracing::info!(enqueued, "files without a copy in the bucket");
            }
            Self::CopyHeal { attachment } => copies::heal(app, attachment).await?,
            Self::CopyMove => copies::moving::go_on(app).await?,
            Self::CopyHead => audit::anchor::drop_anchor(app).await?,
            Self::CopyScrub => {
                let read = copies::scrub(app).await?;
                tracing::info!(
                    read.files,
                    read.healed,
                    read.missing,
                    read.corrupt,
                    read.unreachable,
                    "copies read again"
                );
            }
            Self::PurgeTrash => {
                let purged = purge::due(app).await?;
                let aside = orphans::expire(app).await?;
                tracing::info!(purged.files, purged.bytes, purged.batches, aside, "trash purged");
            }
            Self::EmptyTrash { trashed_before, by } => {
                let purged = purge::up_to(app, trashed_before, by).await?;
                tracing::info!(purged.files, purged.bytes, purged.batches, "trash emptied");
            }
            Self::PurgeFile { attachment, trashed_at, .. } => {
                let which = purge::Tombstone::At(trashed_at);
                purge::files(app, vec![attachment], which, &mut purge::Purged::default()).await?;
            }
            Self::PurgeBatch { batch, trashed_at, .. } => {
                let which = purge::Tombstone::At(trashed_at);
                purge::batch(app, batch, which, &mut purge::Purged::default()).await?;
            }
            Self::CleanUp { expect, .. } => orphans::run_for_page(app, expect).await?,
        }
        Ok(())
    }

    /// What remains to be done when the last attempt has failed.
    async fn give_up(self, app: &Arc<App>) -> Result<()> {
        match self {
            Self::CopyReplicate { attachment } => copies::give_up(app, attachment).await,
            _ => Ok(()),
        }
    }

    /// Adds the job to the queue, to run as soon as a worker is free. With a `dedupe_key` that a living job
    /// has, nothing is added.
    pub fn enqueue(&self, conn: &mut PgConnection, clock: &Clock, dedupe_key: Option<&str>) -> Result<bool> {
        self.enqueue_for(Uuid::nil(), conn, clock, dedupe_key)
    }

    /// The same for a document of this person.
    pub fn enqueue_for(
        &self,
        fair_key: Uuid,
        conn: &mut PgConnection,
        clock: &Clock,
        dedupe_key: Option<&str>,
    ) -> Result<bool> {
        let now = clock.now();
        jobs::enqueue(
            conn,
            &NewJob {
                id: Uuid::now_v7(),
                kind: self.kind(),
                payload: serde_json::to_value(self).map_err(Error::internal)?,
                dedupe_key,
                run_at: now,
                max_attempts: self.max_attempts(),
                created_at: now,
                updated_at: now,
                fair_key,
            },
        )
    }
}
