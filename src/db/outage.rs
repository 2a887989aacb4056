//! Whether PostgreSQL can be reached, as far as the pool has noticed: callers are refused at once while it cannot,
//! and the log says so once when it begins, once a minute while it lasts, and once when it is over.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use diesel::r2d2::HandleError;

/// How often an outage that lasts is logged.
const REMINDER: Duration = Duration::from_secs(60);

/// An outage that lasts.
struct Known {
    since: Instant,
    logged_at: Instant,
}

/// What is known of the server at one place.
#[derive(Clone)]
pub(super) struct Outage {
    place: Arc<str>,
    known: Arc<Mutex<Option<Known>>>,
}

impl Outage {
    /// `place` is shown in the log: host and database, no password.
    pub fn of(place: String) -> Self {
        Self { place: place.into(), known: Arc::default() }
    }

    pub fn is_known(&self) -> bool {
        self.lock().is_some()
    }

    /// No connection could be had.
    pub fn goes_on(&self, error: &dyn fmt::Display) {
        let mut known = self.lock();
        let now = Instant::now();
        let known = known.get_or_insert_with(|| Known { since: now, logged_at: now - REMINDER });
        if now - known.logged_at >= REMINDER {
            known.logged_at = now;
            tracing::error!(
                database = %self.place,
                %error,
                seconds = known.since.elapsed().as_secs(),
                "the database cannot be reached; start PostgreSQL or correct DATABASE_URL: `stillage doctor` finds out more"
            );
        }
    }

    /// A connection was had.
    pub fn is_over(&self) {
        if let Some(known) = self.lock().take() {
            let seconds = known.since.elapsed().as_secs();
            tracing::info!(database = %self.place, seconds, "the database can be reached again");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For r2d2, whose every failed attempt would be a line: [`Outage::goes_on`] gets the last one.
#[derive(Debug)]
pub(super) struct Quiet;

impl<E: fmt::Display> HandleError<E> for Quiet {
    fn handle_error(&self, error: E) {
        tracing::debug!(%error, "a database connection could not be made");
    }
}
