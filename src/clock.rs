//! The one source of time. Tests move it by hand, so that nothing waits for a real hour to pass.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use chrono::{DateTime, TimeDelta, Utc};

/// Wall-clock time, shifted by what a test asked for (nothing in production).
#[derive(Clone, Debug, Default)]
pub struct Clock {
    shift_micros: Arc<AtomicI64>,
}

impl Clock {
    /// The time now, cut to microseconds: that is what PostgreSQL keeps, so a value read back is equal.
    pub fn now(&self) -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "the only place that reads the wall clock")]
        let now = Utc::now();
        DateTime::from_timestamp_micros(now.timestamp_micros() + self.shift_micros.load(Ordering::Relaxed))
            .unwrap_or(now)
    }

    /// Moves this clock and all its clones forward.
    pub fn advance(&self, by: TimeDelta) {
        self.shift_micros.fetch_add(by.num_microseconds().unwrap_or(i64::MAX), Ordering::Relaxed);
    }
}
