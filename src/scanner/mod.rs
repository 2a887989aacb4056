//! The malware scanner: a clamd that looks at every file before anybody else can.
//!
//! The rule that everything here serves: only an answer that says "clean" in exactly clamd's words is clean. No
//! answer, a late one, one that cannot be read, an error and a limit that was reached are all "not scanned", and
//! what is not scanned is not stored.

mod clamd;

use std::{fs::File, sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use crate::config::ScannerAddress;

/// What the scanner found in a file that it has seen whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Clean,
    /// With the name of what was found.
    Infected(String),
}

/// Why a file was not scanned.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    #[error("the scanner cannot be reached: {0}")]
    Unreachable(std::io::Error),
    #[error("the scanner did not answer in time while it was to {0}")]
    Late(&'static str),
    #[error("the scanner broke off: {0}")]
    BrokeOff(std::io::Error),
    /// Above one of clamd's limits (`StreamMaxLength`, `MaxFileSize`, `MaxScanSize`, …).
    #[error("the file is above a limit of the scanner: {0:?}")]
    AboveLimit(String),
    #[error("the scanner answered {0:?}")]
    Unclear(String),
    #[error("the file cannot be read: {0}")]
    File(std::io::Error),
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

/// A clamd somewhere.
#[derive(Clone)]
pub struct Scanner {
    address: ScannerAddress,
    patience: Patience,
    places: Arc<Semaphore>,
}

impl Scanner {
    pub fn new(address: ScannerAddress, patience: Patience) -> Self {
        Self { address, patience, places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Has the whole of `file` scanned, from its beginning.
    ///
    /// # Errors
    /// Whenever there is no clear verdict; the file must then be treated as if it were infected.
    pub async fn scan(&self, file: File) -> Result<Verdict, ScanError> {
        // Who waits here holds no connection to clamd. A queue that does not move is a scanner that hangs.
        let waiting = tokio::time::timeout(self.patience.verdict, self.places.acquire());
        let _place = match waiting.await {
            Ok(Ok(place)) => place,
            Ok(Err(_)) | Err(_) => return Err(ScanError::Late("take one more file")),
        };
        clamd::scan(&self.address, self.patience, file).await
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
