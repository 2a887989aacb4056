//! Legal hold of a batch.

use chrono::{DateTime, Utc};

/// Who put a batch on hold, when and why.
pub struct Hold {
    pub by: String,
    pub since: DateTime<Utc>,
    pub reason: String,
}
