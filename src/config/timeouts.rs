//! How long clients are waited for. No variable sets these; tests shorten them.

use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// From the connection, or the first byte of a later request, to the end of the request's head.
    pub head: Duration,
    /// A connection without a request.
    pub keep_alive: Duration,
    /// A client that neither sends what it announced nor takes what it asked for.
    pub patience: Duration,
    /// Bytes per second below which the patience is used up, in both directions.
    pub min_rate: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(15),
            keep_alive: Duration::from_secs(75),
            patience: Duration::from_secs(60),
            min_rate: 2048,
        }
    }
}
