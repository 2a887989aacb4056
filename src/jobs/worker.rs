//! Takes jobs, a few at once: claims for a short lease, prolongs it while the job runs, retries with growing
//! pauses, gives up into the dead state, never holds a transaction meanwhile.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use diesel::PgConnection;
use tokio::{sync::watch, task::JoinHandle};
use uuid::Uuid;

use super::{Job, schedule};
use crate::{
    app::App,
    db::{
        self, job_list,
        jobs::{JobRow, Kinds},
    },
    domain::{audit, copies, tally},
    error::{Error, Result},
};

/// How long a claim holds without a heartbeat.
const LEASE: TimeDelta = TimeDelta::seconds(60);
const HEARTBEAT: Duration = Duration::from_secs(20);
/// How often the queue is looked at. One indexed look-up; a notification would save nothing at this rate and
/// cost a connection.
const POLL: Duration = Duration::from_millis(250);
/// What runs at once, each entry on its own: many files to draw or to copy keep nothing else waiting, and the other
/// way round.
const LANES: &[Lane] = &[
    Lane::Others,
    Lane::Others,
    Lane::Previews,
    Lane::Previews,
    Lane::Copies,
    Lane::Copies,
    Lane::Copies,
    Lane::Copies,
];
/// The pause of a loop whose database does not answer.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(5);
/// How often the schedule is looked at.
const SCHEDULE: Duration = Duration::from_secs(15);
/// How often the ledger learns what was handed out.
const TALLY: Duration = Duration::from_secs(2);
/// How often fresh events are sealed.
const SEAL: Duration = Duration::from_secs(1);
/// The pause before the second attempt; it doubles with each.
const RETRY_BASE: Duration = Duration::from_secs(10);
const RETRY_MAX: Duration = Duration::from_secs(3600);

/// What a loop takes from the queue.
#[derive(Clone, Copy)]
enum Lane {
    /// Jobs about copies, which wait for disks and networks.
    Copies,
    /// Pictures and texts of documents, made in a child process, for all uploaders in turn.
    Previews,
    Others,
}

/// The running worker of this process.
pub struct Worker {
    stop: watch::Sender<bool>,
    loops: Vec<JoinHandle<()>>,
}

impl Worker {
    pub fn start(app: &Arc<App>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let work = LANES.iter().map(|&lane| tokio::spawn(work(Arc::clone(app), lane, stopped.clone())));
        let schedule = tokio::spawn(keep_schedule(Arc::clone(app), stopped.clone()));
        let sealing = tokio::spawn(keep_sealing(Arc::clone(app), stopped.clone()));
        let tally = tokio::spawn(keep_tally(Arc::clone(app), stopped.clone()));
        let bucket = tokio::spawn(keep_bucket(Arc::clone(app), stopped.clone()));
        let loops = work.chain([schedule, sealing, tally, bucket]).collect();
        Self { stop, loops }
    }

    /// Lets the jobs in hand end, up to `limit`; what does not end in time is taken up by the next worker when
    /// its lease runs out.
    pub async fn stop(self, limit: Duration) {
        // An error only says that all loops ended before.
        let _ = self.stop.send(true);
        let until = tokio::time::Instant::now() + limit;
        for handle in self.loops {
            let abort = handle.abort_handle();
            if tokio::time::timeout_at(until, handle).await.is_err() {
                tracing::warn!("a job did not end in time and is left to its lease");
                abort.abort();
            }
        }
    }
}

/// A database that does not answer was logged by the pool, once for all who ask.
fn report(error: &Error, what: &'static str) {
    match error {
        Error::Unavailable { message, .. } => tracing::debug!(%message, "{what}"),
        error => tracing::error!(error = ?error, "{what}"),
    }
}

async fn keep_schedule(app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    while !*stopped.borrow() {
        if let Err(error) = schedule::enqueue_due(&app).await {
            report(&error, "the schedule could not be kept");
        }
        wait(SCHEDULE, &mut stopped).await;
    }
}

async fn keep_sealing(app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    while !*stopped.borrow() {
        if let Err(error) = audit::seal::seal_pending(&app).await {
            report(&error, "events could not be sealed");
        }
        wait(SEAL, &mut stopped).await;
    }
}

/// Finds out when a bucket that failed works again, so that nothing waits out its pause and nobody has to try.
async fn keep_bucket(app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    while !*stopped.borrow() {
        if let Err(error) = copies::recover(&app).await {
            report(&error, "what waits for the bucket could not be hurried");
        }
        wait(SCHEDULE, &mut stopped).await;
    }
}

/// Once more at the end: the server hands nothing out any more when the worker is stopped.
async fn keep_tally(app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    loop {
        let is_last = *stopped.borrow();
        if let Err(error) = tally::flush(&app).await {
            report(&error, "what was handed out could not be written down yet");
        }
        if is_last {
            return;
        }
        wait(TALLY, &mut stopped).await;
    }
}

async fn work(app: Arc<App>, lane: Lane, mut stopped: watch::Receiver<bool>) {
    let worker = Uuid::now_v7();
    while !*stopped.borrow() {
        match run_next(&app, lane, worker).await {
            Ok(true) => {}
            Ok(false) => wait(POLL, &mut stopped).await,
            Err(error) => {
                report(&error, "the job queue could not be read");
                wait(PAUSE_AFTER_ERROR, &mut stopped).await;
            }
        }
    }
}

async fn wait(pause: Duration, stopped: &mut watch::Receiver<bool>) {
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        _ = stopped.changed() => {}
    }
}

/// Runs the job that is due first; `false` when none is.
async fn run_next(app: &Arc<App>, lane: Lane, worker: Uuid) -> Result<bool> {
    let begun = app.clock.now();
    let claim = move |conn: &mut PgConnection| match lane {
        Lane::Others => db::jobs::claim(conn, worker, Kinds::AllBut(&[]), begun, begun + LEASE),
        Lane::Previews => db::preview_jobs::claim(conn, worker, begun, begun + LEASE),
        Lane::Copies => {
            let paused = copies::are_paused(conn)?;
            db::jobs::claim_copy(conn, worker, begun, begun + LEASE, paused)
        }
    };
    let Some(row) = app.db.run(claim).await? else { return Ok(false) };
    let id = row.id;
    let result = run_leased(app, worker, &row).await;
    let now = app.clock.now();
    match result {
        Ok(()) => {
            app.metrics.job_ended(&row.kind, "done");
            let run = schedule::run_of(&row.kind, begun, now, String::new());
            app.db
                .transaction(move |conn| {
                    run.iter().try_for_each(|run| job_list::put_run(conn, run))?;
                    db::jobs::finish(conn, id, worker)
                })
                .await?;
        }
        Err(error) => {
            let retry_at = (row.attempts < row.max_attempts).then(|| now + pause_after(row.attempts));
            tracing::error!(job = %id, kind = row.kind, attempt = row.attempts, dead = retry_at.is_none(), error = ?error, "a job failed");
            app.metrics.job_ended(&row.kind, if retry_at.is_some() { "retried" } else { "dead" });
            let message = in_words(&error);
            let run = schedule::run_of(&row.kind, begun, now, message.clone());
            app.db
                .transaction(move |conn| {
                    run.iter().try_for_each(|run| job_list::put_run(conn, run))?;
                    db::jobs::fail(conn, id, worker, &message, retry_at, now)
                })
                .await?;
            if retry_at.is_none()
                && let Ok(job) = serde_json::from_value::<Job>(row.payload)
            {
                job.give_up(app).await?;
            }
        }
    }
    Ok(true)
}

/// What an admin reads of an error: with its causes, which no page for others shows.
fn in_words(error: &Error) -> String {
    match error {
        Error::Internal(cause) => format!("{cause:#}"),
        other => other.to_string(),
    }
}

/// Runs a claimed job in a task of its own, so that a panic ends the job and not the worker, and prolongs its
/// lease meanwhile. A lease that cannot be prolonged ends the job before another worker may take it.
async fn run_leased(app: &Arc<App>, worker: Uuid, row: &JobRow) -> Result<()> {
    let job: Job = serde_json::from_value(row.payload.clone()).map_err(Error::internal)?;
    let id = row.id;
    let running_app = Arc::clone(app);
    let mut running = tokio::spawn(async move { job.run(&running_app).await });
    let mut prolonged = Instant::now();
    loop {
        tokio::select! {
            ended = &mut running => return ended.map_err(Error::internal)?,
            () = tokio::time::sleep(HEARTBEAT) => {
                let until = app.clock.now() + LEASE;
                match app.db.run(move |conn| db::jobs::heartbeat(conn, id, worker, until)).await {
                    Ok(true) => prolonged = Instant::now(),
                    Err(error) if prolonged.elapsed() < 2 * HEARTBEAT => {
                        report(&error, "a lease could not be prolonged yet");
                    }
                    Ok(false) | Err(_) => {
                        running.abort();
                        return Err(Error::Internal(anyhow::anyhow!("the lease was lost")));
                    }
                }
            }
        }
    }
}

fn pause_after(attempts: i32) -> TimeDelta {
    let doubled = RETRY_BASE.saturating_mul(1 << attempts.clamp(1, 16).wrapping_sub(1));
    // A little chance keeps jobs that failed together from coming back together.
    let jitter = rand::random_range(0.75..1.25);
    TimeDelta::from_std(doubled.min(RETRY_MAX).mul_f64(jitter)).unwrap_or(TimeDelta::hours(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        assert!((7..=13).contains(&pause_after(1).num_seconds()));
        assert!(pause_after(4) > pause_after(1) * 3);
        assert!(pause_after(1000) <= TimeDelta::minutes(75));
    }
}
