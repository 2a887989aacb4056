//! How large a file clamd really looks at. With its default settings it calls a file above `MaxFileSize` or `MaxScanSize`
//! clean without a look, and nothing in its protocol says where these limits are. So it is tried out, with the EICAR test
//! file at the end of samples of growing size, and tried again whenever clamd may have been started with other limits: a
//! connection is kept open that ends with it.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{
    Patience, ScanError, Verdict,
    clamd::{self, Ended, Line, MadeSource},
    sample,
};
use crate::config::ScannerAddress;

/// Samples before the one of the largest size, in bytes: small files need not wait for that one.
const STEPS: [u64; 3] = [sample::SMALLEST, 64 * 1024, 16 * 1024 * 1024];
/// No clamd looks at more (its code ends at `INT_MAX` - 2), whatever its limits are.
const LARGEST: u64 = i32::MAX as u64 - 2;
/// What a sample is made smaller by when one of exactly the size asked for is not found: in an archive the test file
/// counts twice towards `MaxScanSize`, which may be that very size.
const MARGIN: u64 = 1024;
/// A kept connection is replaced after this long, before clamd ends it (`CommandReadTimeout`, 30 s by default).
const TURN: Duration = Duration::from_secs(3);
/// After a scanner that does not answer.
const PAUSE: Duration = Duration::from_secs(2);
/// All is tried out again after this long: behind one address there may be several clamds.
const REPEAT: Duration = Duration::from_secs(3600);

/// What a clamd looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// The largest file that was proven to be looked at to its end, in bytes; 0 when not even the smallest sample was
    /// found, because the scanner does not know the EICAR test virus.
    pub looks_up_to: u64,
    /// The smallest size that is known not to be looked at, in bytes.
    pub skips_from: Option<u64>,
    /// Whether it says so when it leaves out a part of an archive or document (`AlertExceedsMax yes`).
    pub tells_limits: bool,
}

impl Coverage {
    /// Whether it is known of files of this size that they are, or are not, looked at.
    fn decides(&self, size: u64) -> bool {
        self.looks_up_to >= size || self.skips(size)
    }

    /// Whether files of this size are known not to be looked at.
    pub fn skips(&self, size: u64) -> bool {
        size > LARGEST || self.skips_from.is_some_and(|skipped| skipped <= size)
    }

    fn learn(&mut self, size: u64, is_found: bool) {
        if is_found {
            self.looks_up_to = self.looks_up_to.max(size);
        } else {
            self.skips_from = Some(self.skips_from.map_or(size, |skipped| skipped.min(size)));
        }
    }
}

#[derive(Clone, Default)]
struct Known {
    coverage: Coverage,
    /// Whether all samples up to the largest file were tried.
    is_complete: bool,
    failure: Option<ScanError>,
    /// How often the scanner did not answer, or no longer.
    failures: u64,
}

/// Tries a clamd out and watches it, in a task that begins when it is first needed and ends with this value.
#[derive(Clone)]
pub(super) struct Prover {
    shared: Arc<Shared>,
    task: Arc<Task>,
}

struct Shared {
    address: ScannerAddress,
    patience: Patience,
    /// Bytes of the largest file that is expected.
    largest: u64,
    /// Sizes that somebody waits to know about.
    wanted: Mutex<BTreeSet<u64>>,
    /// Something was added to them, or somebody waits for a scanner that did not answer before.
    asked: Notify,
    known: watch::Sender<Known>,
}

#[derive(Default)]
struct Task(Mutex<Option<JoinHandle<()>>>);

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(task) = lock(&self.0).take() {
            task.abort();
        }
    }
}

/// What is kept under these locks is whole even when a thread that held one panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Prover {
    /// One that tries files of up to `largest` bytes at once and larger ones when they are asked for.
    pub fn new(address: ScannerAddress, patience: Patience, largest: u64) -> Self {
        let shared = Shared {
            address,
            patience,
            largest: largest.min(LARGEST),
            wanted: Mutex::default(),
            asked: Notify::new(),
            known: watch::Sender::new(Known::default()),
        };
        Self { shared: Arc::new(shared), task: Arc::default() }
    }

    /// # Errors
    /// [`ScanError::NotCovered`] when files of this size are not looked at, others when the scanner does not answer.
    pub async fn covers(&self, size: u64) -> Result<(), ScanError> {
        let tried = size.min(LARGEST);
        let Coverage { looks_up_to, .. } = self.ask(tried, |known| known.coverage.decides(tried)).await?;
        if looks_up_to >= size { Ok(()) } else { Err(ScanError::NotCovered { looks_up_to }) }
    }

    /// Waits until all samples up to `size` bytes were tried, or to what any clamd looks at.
    ///
    /// # Errors
    /// The scanner does not answer.
    pub async fn coverage(&self, size: u64) -> Result<Coverage, ScanError> {
        let size = size.min(LARGEST);
        self.ask(size, |known| known.is_complete && known.coverage.decides(size)).await
    }

    pub fn known(&self) -> Option<Coverage> {
        let known = self.shared.known.borrow();
        known.is_complete.then_some(known.coverage)
    }

    /// Begins to watch, on the runtime of whoever calls; again, if that runtime has ended.
    pub fn start(&self) {
        let mut task = lock(&self.task.0);
        if task.as_ref().is_none_or(JoinHandle::is_finished) {
            *task = Some(tokio::spawn(Arc::clone(&self.shared).watch()));
        }
    }

    /// Has this size tried out, and waits for an answer.
    async fn ask(&self, size: u64, is_answer: impl Fn(&Known) -> bool) -> Result<Coverage, ScanError> {
        self.start();
        let mut known = self.shared.known.subscribe();
        let failures = {
            let known = known.borrow();
            if is_answer(&known) {
                return Ok(known.coverage);
            }
            known.failures
        };
        lock(&self.shared.wanted).insert(size);
        self.shared.asked.notify_one();
        // A failure of earlier is no answer: the scanner may be back.
        let settled = known.wait_for(|known| is_answer(known) || known.failures > failures);
        match timeout(self.shared.patience.verdict, settled).await {
            Ok(Ok(known)) if is_answer(&known) => Ok(known.coverage),
            Ok(Ok(known)) => Err(known.failure.clone().unwrap_or(ScanError::Late("be tried out"))),
            Ok(Err(_)) | Err(_) => Err(ScanError::Late("be tried out")),
        }
    }
}

impl Shared {
    async fn watch(self: Arc<Self>) {
        loop {
            let ended = self.stay().await;
            // Whoever waits for these is told of the failure, or finds them decided anew.
            if ended.is_err() {
                lock(&self.wanted).clear();
            }
            self.known.send_modify(|known| {
                let failures = known.failures + u64::from(ended.is_err());
                *known = Known { failure: ended.clone().err(), failures, ..Known::default() };
            });
            if let Err(failure) = ended {
                tracing::warn!(%failure, "the malware scanner does not answer, or no longer");
                tokio::select! {
                    () = sleep(PAUSE) => {}
                    () = self.asked.notified() => {}
                }
            }
        }
    }

    /// Stays connected with one clamd for as long as it runs, or until all is to be tried out again.
    async fn stay(&self) -> Result<(), ScanError> {
        let line = Line::open(&self.address, self.patience).await?;
        tokio::select! {
            lost = self.hold(line) => Err(lost),
            failure = self.try_out() => Err(failure),
            () = sleep(REPEAT) => Ok(()),
        }
    }

    /// Keeps a connection open, each replaced by the next before clamd tires of it, and says how that ended.
    async fn hold(&self, mut line: Line) -> ScanError {
        loop {
            if let Ok(Ended::Lost) = timeout(TURN, line.ended()).await {
                return ScanError::BrokeOff(Arc::new(std::io::ErrorKind::ConnectionReset.into()));
            }
            line = match Line::open(&self.address, self.patience).await {
                Ok(next) => next,
                Err(error) => return error,
            };
        }
    }

    /// Tries out all sizes up to the largest, then what else is wanted; ends only with a failure.
    async fn try_out(&self) -> ScanError {
        if let Err(error) = self.try_all().await {
            return error;
        }
        loop {
            let next = lock(&self.wanted).pop_last();
            match next {
                None => self.asked.notified().await,
                Some(size) if self.known.borrow().coverage.decides(size) => {}
                Some(size) => {
                    if let Err(error) = self.finds(size).await {
                        // Whoever waits for it is told of the failure.
                        return error;
                    }
                }
            }
        }
    }

    async fn try_all(&self) -> Result<(), ScanError> {
        let tells_limits = match self.scan(std::iter::once(sample::nested())).await {
            Err(ScanError::AboveLimit(_)) => true,
            Ok(_) | Err(ScanError::Unscannable(_)) => false,
            Err(error) => return Err(error),
        };
        let largest = self.largest;
        for size in STEPS.into_iter().filter(|step| *step < largest / 2).chain([largest]) {
            if !self.finds(size).await? {
                break;
            }
        }
        // How far it looks then, roughly; what lies between is tried when a file of that size comes.
        let mut size = largest.saturating_sub(MARGIN);
        while self.known.borrow().coverage.looks_up_to > 0 && !self.known.borrow().coverage.decides(size) {
            self.finds(size).await?;
            size /= 2;
        }
        self.known.send_modify(|known| {
            known.coverage.tells_limits = tells_limits;
            known.is_complete = true;
        });
        report(self.known.borrow().coverage, largest);
        Ok(())
    }

    /// Whether it finds what is at the end of a file of this size; also made known.
    async fn finds(&self, size: u64) -> Result<bool, ScanError> {
        let is_found = match self.scan(sample::infected_at_the_end(size)).await {
            Ok(Verdict::Infected(_)) => true,
            Ok(Verdict::Clean) | Err(ScanError::AboveLimit(_) | ScanError::Unscannable(_)) => false,
            Err(error) => return Err(error),
        };
        self.known.send_modify(|known| known.coverage.learn(size, is_found));
        Ok(is_found)
    }

    async fn scan(&self, pieces: impl Iterator<Item = Bytes> + Send) -> Result<Verdict, ScanError> {
        clamd::scan(&self.address, self.patience, MadeSource(pieces)).await
    }
}

fn report(coverage: Coverage, largest: u64) {
    let Coverage { looks_up_to, skips_from, tells_limits } = coverage;
    if looks_up_to >= largest {
        tracing::info!(looks_up_to, "the malware scanner looks at all it is given");
    } else {
        let settings = required_settings(largest);
        tracing::error!(
            looks_up_to,
            skips_from,
            "the malware scanner does not look at large files, so they are refused; in clamd.conf: {settings}"
        );
    }
    if !tells_limits {
        tracing::warn!(
            "the malware scanner does not say when it leaves out a part of an archive or document; in clamd.conf: \
             AlertExceedsMax yes"
        );
    }
}

/// The lines of `clamd.conf` with which files of up to `largest` bytes are looked at, separated by semicolons.
/// `MaxScanSize` also counts what is unpacked.
pub fn required_settings(largest: u64) -> String {
    let megabytes = largest.div_ceil(1024 * 1024) + 1;
    format!(
        "AlertExceedsMax yes; StreamMaxLength {megabytes}M; MaxFileSize {megabytes}M; MaxScanSize {}M",
        (4 * megabytes).max(400)
    )
}
