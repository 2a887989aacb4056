//! Waiting for PostgreSQL at a start: after a power cut all machines come up together, and the database is often the last.

use std::{
    thread,
    time::{Duration, Instant},
};

use diesel::{Connection, PgConnection};

use super::address;

/// How often it is tried.
const PAUSE: Duration = Duration::from_secs(1);

/// What PostgreSQL says when waiting does not help: user, password, database or settings are wrong.
const FINAL: [&str; 6] = [
    "authentication failed",
    "does not exist",
    "no pg_hba.conf entry",
    "no password supplied",
    "invalid connection option",
    "sslmode",
];

/// Returns when the database takes a connection. Blocks, for at most `patience` and one attempt of 5 s.
///
/// # Errors
/// It did not in time, or says that it never will; the message says what to do.
pub fn wait(url: &str, patience: Duration) -> anyhow::Result<()> {
    let (url, until) = (address::bounded(url), Instant::now() + patience);
    let mut is_first = true;
    loop {
        let Err(error) = PgConnection::establish(&url) else { return Ok(()) };
        let cause = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        let place = address::place(&url);
        if FINAL.iter().any(|words| cause.contains(words)) {
            anyhow::bail!("the database at {place} refuses: {cause}; correct DATABASE_URL");
        }
        if Instant::now() >= until {
            anyhow::bail!(
                "the database at {place} does not answer: {cause}; start PostgreSQL or correct DATABASE_URL"
            );
        }
        if is_first {
            let seconds = patience.as_secs();
            tracing::warn!(
                database = place,
                error = cause,
                "the database does not answer; trying for {seconds} s"
            );
            is_first = false;
        }
        thread::sleep(PAUSE);
    }
}
