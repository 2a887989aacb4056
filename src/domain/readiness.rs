//! Whether this instance can serve. Anybody may ask, as often as they like: one answer counts for a moment, and whoever
//! asks while it is being found out waits for that one.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex;

use super::maintenance;
use crate::{app::App, db, scanner::Scanner};

/// Shown when large files are refused because the scanner would not look at them. `stillage doctor` has the exact lines.
const SCANNER_LIMITS: &str = "scanner (does not look at files of MAX_UPLOAD_SIZE_MB; set AlertExceedsMax, StreamMaxLength, \
    MaxFileSize and MaxScanSize in clamd.conf)";
/// How long an answer counts.
const LIFE: TimeDelta = TimeDelta::seconds(1);
/// How long the store may take to answer.
const STORE_PATIENCE: Duration = Duration::from_secs(2);

/// A database that takes longer than this to answer is not ready; those who ask give up soon themselves.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is degraded while it serves, or what keeps it from serving.
pub type Answer = Result<Vec<&'static str>, &'static str>;

/// The last answer, and when it was found out.
#[derive(Default)]
pub struct Readiness(Mutex<Option<(DateTime<Utc>, Answer)>>);

impl Readiness {
    async fn ask(&self, clock: impl Fn() -> DateTime<Utc>, probe: impl Future<Output = Answer>) -> Answer {
        let mut last = self.0.lock().await;
        let now = clock();
        if let Some((at, answer)) = &*last
            && (*at..*at + LIFE).contains(&now)
        {
            return answer.clone();
        }
        let answer = probe.await;
        *last = Some((clock(), answer.clone()));
        answer
    }
}

/// The answer of this moment, or of at most a second ago.
pub async fn ready(app: &App) -> Answer {
    app.readiness.ask(|| app.clock.now(), probe(app)).await
}

async fn probe(app: &App) -> Answer {
    // Nothing is left half done when the wait ends: it only reads.
    let asked = tokio::time::timeout(PATIENCE, app.db.run(db::users::any_admin)).await;
    asked.is_ok_and(|answer| answer.is_ok()).then_some(()).ok_or("database")?;
    let looked = tokio::time::timeout(STORE_PATIENCE, maintenance::check(app)).await;
    looked.map_err(|_| "storage")?.map_err(|error| {
        tracing::error!(error = ?error, "the store is not ready");
        "storage"
    })?;
    // Without its scanner an instance takes no files, but everything else works.
    let mut degraded = Vec::new();
    // Full or read-only: what is there can be downloaded.
    if app.store.write_trouble().is_some() {
        degraded.push("storage");
    }
    if let Some(scanner) = &app.scanner
        && let Err(error) = scanner.ping().await
    {
        tracing::warn!(%error, "the scanner is not ready");
        degraded.push("scanner");
    } else if let Some(coverage) = app.scanner.as_ref().and_then(Scanner::known_coverage)
        && coverage.skips(app.settings.now().max_upload_size)
    {
        degraded.push(SCANNER_LIMITS);
    }
    if app.cloud.as_ref().is_some_and(|cloud| cloud.trouble().is_some()) {
        degraded.push("cloud");
    }
    Ok(degraded)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn many_who_ask_at_once_get_one_answer_and_later_ones_a_new_one() {
        let (readiness, probes) = (Readiness::default(), AtomicUsize::new(0));
        // A clock that only this test moves.
        let begin = DateTime::UNIX_EPOCH;
        let ask = |at: TimeDelta, answer: Answer| {
            let probe = async {
                tokio::task::yield_now().await;
                probes.fetch_add(1, Relaxed);
                answer
            };
            readiness.ask(move || begin + at, probe)
        };
        let answers = join_all((0..50).map(|_| ask(TimeDelta::zero(), Ok(vec!["scanner"])))).await;
        assert!(answers.iter().all(|answer| *answer == Ok(vec!["scanner"])));
        assert_eq!(probes.load(Relaxed), 1);
        assert_eq!(ask(LIFE, Err("storage")).await, Err("storage"));
        assert_eq!(ask(LIFE, Ok(Vec::new())).await, Err("storage"), "it counts for a moment");
        assert_eq!(probes.load(Relaxed), 2);
        assert_eq!(ask(LIFE * 2, Ok(Vec::new())).await, Ok(Vec::new()));
        // A clock that was set back.
        assert_eq!(ask(LIFE, Err("database")).await, Err("database"));
    }
}
