//! What faults are written with: a server process ([`site`]), people who use it ([`person`]), a load that keeps a
//! ledger ([`load`]), the questions afterwards ([`check`]) and the table ([`report`]).

pub mod check;
pub mod disk;
pub mod load;
pub mod outage;
pub mod person;
pub mod postgres;
pub mod proxy;
pub mod report;
pub mod s3;
pub mod site;
pub mod strace;

use std::{pin::Pin, sync::OnceLock, time::Duration};

pub use check::Tally;
pub use load::{Ledger, Load};
pub use person::{Answer, Person};
pub use report::{Outcome, Row};
pub use site::{Options, Site};

static MOUNTS: OnceLock<Option<String>> = OnceLock::new();

/// To be called before any thread begins.
pub fn prepare_mounts() {
    MOUNTS.get_or_init(disk::prepare);
}

/// Why disks cannot be mounted here, if so.
pub fn mounts_missing() -> Option<String> {
    MOUNTS.get().cloned().flatten()
}

/// How often faults are injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Some of each: what every run of the tests does.
    Short,
    /// `FAULTS=full`: as often as the documentation says.
    Full,
}

impl Scale {
    #[expect(clippy::disallowed_methods, reason = "the variable is for these tests alone")]
    pub fn chosen() -> Self {
        match std::env::var("FAULTS").as_deref() {
            Ok("full") => Self::Full,
            Ok("short") | Err(_) => Self::Short,
            Ok(other) => panic!("FAULTS={other} is neither short nor full"),
        }
    }

    pub fn pick<T>(self, short: T, full: T) -> T {
        match self {
            Self::Short => short,
            Self::Full => full,
        }
    }
}

/// What a fault does until its row is known.
pub type Running = Pin<Box<dyn Future<Output = Row>>>;

/// A row of the table: its name there, and what injects it and asks the questions.
pub struct Fault {
    pub name: &'static str,
    pub run: Box<dyn Fn(Scale) -> Running + Send + Sync>,
}

impl Fault {
    pub fn new<F>(name: &'static str, run: impl Fn(Scale) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Row> + 'static,
    {
        Self { name, run: Box::new(move |scale| Box::pin(run(scale))) }
    }
}

/// Waits until `holds`, looking every 50 ms; `false` when it did not within `limit`.
pub async fn within(limit: Duration, mut holds: impl AsyncFnMut() -> bool) -> bool {
    let until = std::time::Instant::now() + limit;
    loop {
        if holds().await {
            return true;
        }
        if std::time::Instant::now() > until {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
