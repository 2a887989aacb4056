//! The malware scanner: a clamd that looks at every file before anybody else can.
//!
//! The rule that everything here serves: only an answer that says "clean" in exactly clamd's words is clean. No
//! answer, a late one, one that cannot be read, an error and a limit that was reached are all "not scanned", and
//! what is not scanned is not stored.

mod clamd;
mod coverage;
mod sample;

use std::{fs::File, sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use self::coverage::Prover;
pub use self::coverage::{Coverage, required_settings};
use crate::config::ScannerAddress;

/// What the scanner found in a file that it has seen whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Clean,
    /// With the name of what was found.
    Infected(String),
}

/// Why the scanner could not look into a file that it read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// A password or another restriction.
    Encrypted,
    Damaged,
}

/// Why a file was not scanned.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ScanError {
    #[error("the scanner cannot be reached: {0}")]
    Unreachable(Arc<std::io::Error>),
    #[error("the scanner did not answer in time while it was to {0}")]
    Late(&'static str),
    #[error("the scanner broke off: {0}")]
    BrokeOff(Arc<std::io::Error>),
    /// Above one of clamd's limits (`StreamMaxLength`, `MaxFileSize`, `MaxScanSize`, …).
    #[error("the file is above a limit of the scanner: {0:?}")]
    AboveLimit(String),
    /// Larger than what the scanner was proven to look at, in bytes: it may call the file clean without a look.
    #[error("the file is larger than the scanner takes: it looks at {looks_up_to} bytes at most")]
    NotCovered { looks_up_to: u64 },
    #[error("the scanner cannot look into the file: it is {}", match .0 {
        Obstacle::Encrypted => "encrypted",
        Obstacle::Damaged => "damaged",
    })]
    Unscannable(Obstacle),
    #[error("the scanner answered {0:?}")]
    Unclear(String),
    #[error("the file cannot be read: {0}")]
    File(Arc<std::io::Error>),
}

/// How long the scanner may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until it takes a connection, or a free place among the scans under way.
    pub connect: Duration,
    /// For each piece of a file that it is sent.
    pub send: Duration,
    /// From the last piece to the verdict: above clamd's own `MaxScanTime` of 120 s.
    pub verdict: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            send: Duration::from_secs(20),
            verdict: Duration::from_secs(130),
        }
    }
}

/// Scans under way at once: clamd has ten threads unless it is told otherwise, and queues the rest.
const AT_ONCE: usize = 10;

/// A clamd somewhere, and what it was seen to look at.
#[derive(Clone)]
pub struct Scanner {
    address: ScannerAddress,
    patience: Patience,
    places: Arc<Semaphore>,
    prover: Prover,
}

impl Scanner {
    /// One to which files of up to `largest` bytes are expected to be sent; larger ones may be.
    pub fn new(address: ScannerAddress, patience: Patience, largest: u64) -> Self {
        let prover = Prover::new(address.clone(), patience, largest);
        Self { address, patience, places: Arc::new(Semaphore::new(AT_ONCE)), prover }
    }

    /// Has the whole of `file` scanned, `size` bytes from its beginning. "Clean" counts only for a size that clamd was
    /// seen to look at, both before the scan and after it: it may have been started again with other limits.
    ///
    /// # Errors
    /// Whenever there is no clear verdict; the file must then be treated as if it were infected.
    pub async fn scan(&self, file: File, size: u64) -> Result<Verdict, ScanError> {
        self.prover.covers(size).await?;
        // Who waits here holds no connection to clamd. A queue that does not move is a scanner that hangs.
        let waiting = tokio::time::timeout(self.patience.verdict, self.places.acquire());
        let _place = match waiting.await {
            Ok(Ok(place)) => place,
            Ok(Err(_)) | Err(_) => return Err(ScanError::Late("take one more file")),
        };
        let verdict = clamd::scan(&self.address, self.patience, clamd::FileSource::new(file)).await?;
        if verdict == Verdict::Clean {
            self.prover.covers(size).await?;
        }
        Ok(verdict)
    }

    /// Begins to try the scanner out, and to watch it, before the first file is sent.
    pub fn start(&self) {
        self.prover.start();
    }

    /// What the scanner looks at of files of up to `largest` bytes, tried out with the EICAR test virus. The answer is kept until clamd is started again,
    /// and for an hour at most.
    ///
    /// # Errors
    /// The scanner does not answer.
    pub async fn coverage(&self, largest: u64) -> Result<Coverage, ScanError> {
        self.prover.coverage(largest).await
    }

    /// The same as far as it is known, without waiting.
    pub fn known_coverage(&self) -> Option<Coverage> {
        self.prover.known()
    }

    /// Whether the scanner answers.
    pub async fn ping(&self) -> Result<(), ScanError> {
        clamd::ping(&self.address, self.patience).await
    }

    /// What it says it is: its version, and the version and date of its signatures.
    pub async fn version(&self) -> Result<String, ScanError> {
        clamd::version(&self.address, self.patience).await
    }
}
