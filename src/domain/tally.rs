//! What was handed out, on its way into the ledger. Downloads come many times as often as everything else and change
//! nothing, so that none of them waits for the database: this process counts in memory, and every two seconds, at
//! its end and before somebody looks, the sums go into the ledger. A process that is killed loses the last two seconds.
//! (Archives have a transaction of their own and are written down there.)

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    app::App,
    db::ledger::{self, Op, Part},
    error::Result,
};

/// What for bytes leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To be kept: a download.
    Taken,
    /// To be looked at in the browser.
    Shown,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    op: Op,
    site: Uuid,
    content_type: String,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    /// Of the first of them: the day that all are counted for, which is two seconds at most beside the truth.
    at: DateTime<Utc>,
    answers: i64,
    bytes: i64,
}

/// Counted and not yet written down.
#[derive(Debug, Default)]
pub struct Tally(Mutex<HashMap<Key, Count>>);

impl Tally {
    /// Counts an answer that carries `length` bytes of a file from byte `start` on. Only one with the first byte is a
    /// download: whoever resumes, or a viewer that asks page by page, makes no second one. The bytes count always.
    pub fn hand_out(
        &self,
        at: DateTime<Utc>,
        way: Way,
        site: Uuid,
        content_type: &str,
        start: u64,
        length: u64,
    ) {
        let op = match way {
            Way::Taken if start == 0 => Op::Download,
            Way::Taken => Op::Part,
            Way::Shown => Op::View,
        };
        let key = Key { op, site, content_type: content_type.to_owned() };
        // Sizes fit: they stay below 2^50 by configuration.
        self.add(key, Count { at, answers: 1, bytes: length as i64 });
    }

    fn add(&self, key: Key, more: Count) {
        let mut counts = self.counts();
        let count = counts.entry(key).or_insert(Count { answers: 0, bytes: 0, ..more });
        count.answers += more.answers;
        count.bytes += more.bytes;
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<Key, Count>> {
        // The map is whole after every statement, whoever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes down what was counted so far. What the database does not take is counted again.
pub async fn flush(app: &App) -> Result<()> {
    let counts = std::mem::take(&mut *app.tally.counts());
    if counts.is_empty() {
        return Ok(());
    }
    let rows = counts.clone();
    let written = app
        .db
        .transaction(move |conn| {
            for (Key { op, site, content_type }, count) in rows {
                let part = Part { content_type, uploader: None, files: count.answers, bytes: count.bytes };
                ledger::record(conn, count.at, op, site, &[part])?;
            }
            Ok(())
        })
        .await;
    if written.is_err() {
        counts.into_iter().for_each(|(key, count)| app.tally.add(key, count));
    }
    written
}

/// Sums up the ledger; see [`ledger::fold`].
pub async fn fold(app: &App) -> Result<()> {
    let today = app.clock.now().date_naive();
    let rows = app.db.transaction(move |conn| ledger::fold(conn, today)).await?;
    tracing::info!(rows, "the ledger was summed up");
    Ok(())
}
