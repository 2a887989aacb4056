//! Verifies the whole trail every day, and keeps what came of it where the audit page and the metrics find it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::verify;
use crate::{app::App, db::settings, domain::access::Actor, error::Result};

/// Where the last result is kept.
pub(super) const KEY: &str = "audit_verified";
/// Problems that are kept in words; the rest is counted.
const KEPT: usize = 20;

/// How the trail was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    pub at: DateTime<Utc>,
    pub seals: i64,
    pub events: i64,
    /// The head that was found: the next look expects it in the chain.
    pub head: Option<String>,
    /// How many problems there are.
    pub problems: i64,
    /// The first of them, in words.
    pub words: Vec<String>,
}

/// Verifies the trail and expects the head of the last look in it, so that a chain that was written anew as a whole
/// is found too. What does not hold goes to the log as an error.
pub async fn verify(app: &App) -> Result<Verified> {
    let last = last(app).await?;
    let expected = last.and_then(|last| last.head);
    let report = verify::verify(app, &Actor::system(), expected.as_deref(), |_| ()).await?;
    let problems = report.problems.len();
    if problems > 0 {
        tracing::error!(problems, first = report.problems[0], "the audit trail was tampered with");
    }
    let found = Verified {
        at: app.clock.now(),
        seals: report.seals,
        events: report.events,
        // A head that is gone stays expected, until somebody has explained it.
        head: if problems > 0 { expected.or(report.head) } else { report.head },
        problems: problems as i64,
        words: report.problems.into_iter().take(KEPT).collect(),
    };
    let (clock, kept) = (app.clock.clone(), found.clone());
    app.db.run(move |conn| settings::put(conn, &clock, KEY, &kept)).await?;
    Ok(found)
}

/// How the trail was found the last time.
pub async fn last(app: &App) -> Result<Option<Verified>> {
    app.db.run(|conn| settings::get(conn, KEY)).await
}
