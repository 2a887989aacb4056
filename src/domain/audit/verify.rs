//! Proves the trail: recomputes every seal from its events. Never seals, so that it cannot cover up anything.

use chrono::TimeDelta;
use diesel::PgConnection;

use super::seal::{self, NOTHING_BEFORE};
use crate::{
    app::App,
    db::audit_seals::{self, SealRow},
    domain::access::{Action, Actor, Resource, authorize},
    error::Result,
};

/// Seals read in one step.
const STEP: i64 = 100;
/// Longer than any transaction may run.
const SETTLED: TimeDelta = TimeDelta::minutes(1);

/// What verifying found.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    pub seals: i64,
    pub events: i64,
    /// Events that wait for their seal; the running server seals them within two seconds.
    pub unsealed: i64,
    /// The hash of the last seal, in hexadecimal digits.
    pub head: Option<String>,
    /// What does not hold, in words that name the seal or the event.
    pub problems: Vec<String>,
}

/// Where the chain ends.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Head {
    pub seal: i64,
    pub sealed_at: chrono::DateTime<chrono::Utc>,
    pub hash: String,
}

impl Head {
    pub fn of(seal: &SealRow) -> Self {
        Self { seal: seal.id, sealed_at: seal.sealed_at, hash: hex::encode(&seal.hash) }
    }
}

/// The last seal. Written down elsewhere, it proves later that everything up to it is unchanged.
pub async fn head(app: &App, actor: &Actor) -> Result<Option<Head>> {
    authorize(actor, Action::Administer, Resource::System)?;
    let last = app.db.run(audit_seals::last).await?;
    Ok(last.as_ref().map(Head::of))
}

/// Recomputes the whole chain. `expected` is the hash of a head that was written down; it must be in the
/// chain. `progress` is called with the number of seals read so far.
pub async fn verify(
    app: &App,
    actor: &Actor,
    expected: Option<&str>,
    progress: impl Fn(i64),
) -> Result<Report> {
    authorize(actor, Action::Administer, Resource::System)?;
    let mut report = Report::default();
    let mut previous: Option<SealRow> = None;
    let mut expected_is_there = false;
    loop {
        let after = previous.as_ref().map_or(0, |seal| seal.id);
        let seals = app.db.run(move |conn| audit_seals::after(conn, after, STEP)).await?;
        if seals.is_empty() {
            break;
        }
        for seal in seals {
            let hash = hex::encode(&seal.hash);
            expected_is_there |= expected.is_some_and(|expected| expected.eq_ignore_ascii_case(&hash));
            let (checked, problems) = {
                let (seal, previous) = (seal.clone(), previous.take());
                app.db.run(move |conn| check(conn, &seal, previous.as_ref())).await?
            };
            report.seals += 1;
            report.events += checked;
            report.problems.extend(problems);
            report.head = Some(hash);
            previous = Some(seal);
        }
        progress(report.seals);
    }
    let settled = app.clock.now() - SETTLED;
    let (unsealed, inserted) = app
        .db
        .run(move |conn| {
            Ok((audit_seals::unsealed_count(conn)?, audit_seals::unsealed_in_the_past(conn, settled)?))
        })
        .await?;
    report.unsealed = unsealed;
    report.problems.extend(
        inserted.iter().map(|id| format!("event {id} was inserted after later events had been sealed")),
    );
    if let (Some(expected), false) = (expected, expected_is_there) {
        report
            .problems
            .push(format!("the head {expected} is not in the chain: seals were removed or rewritten"));
    }
    Ok(report)
}

/// Length of a seal's hash, in bytes.
const SHA256_BYTES: usize = 32;

/// The hash of a head that was written down: by itself, or in the line that `stillage audit head` printed. `None`
/// when it is neither.
pub fn head_of(written: &str) -> Option<String> {
    let hash = written.split_whitespace().next_back()?.to_lowercase();
    hex::decode(&hash).is_ok_and(|bytes| bytes.len() == SHA256_BYTES).then_some(hash)
}

/// Checks one seal against its events and the seal before it; returns how many events it has.
fn check(conn: &mut PgConnection, seal: &SealRow, previous: Option<&SealRow>) -> Result<(i64, Vec<String>)> {
    let id = seal.id;
    let mut problems = Vec::new();
    let expected_id = previous.map_or(1, |previous| previous.id + 1);
    if id != expected_id {
        problems.push(format!("seals {expected_id} to {} were removed", id - 1));
    }
    if seal.previous != previous.map_or(NOTHING_BEFORE.to_vec(), |previous| previous.hash.clone()) {
        problems.push(format!("seal {id} does not follow the seal before it"));
    }
    if seal.hash != seal::hash_of(seal) {
        problems.push(format!("seal {id} was changed"));
    }
    let events = audit_seals::events_of(conn, id)?;
    let found = events.len() as i64;
    let span = match (events.first(), events.last()) {
        (Some(first), Some(last)) => format!(" (events {} to {})", first.id, last.id),
        _ => String::new(),
    };
    if found != seal.events_count {
        let (missing, added) = (seal.events_count - found, found - seal.events_count);
        problems.push(if missing > 0 {
            format!("{missing} of the {} events of seal {id}{span} were removed", seal.events_count)
        } else {
            format!("{added} events were added to seal {id}{span}")
        });
    } else if seal.root != seal::root_of(&events) {
        problems.push(format!("an event of seal {id}{span} was changed"));
    }
    Ok((found, problems))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_a_hash_alone_or_in_its_line() {
        let hash = "0123456789abcdef".repeat(4);
        for written in [hash.clone(), hash.to_uppercase(), format!("12 2026-11-25T04:00:00+00:00 {hash}\n")] {
            assert_eq!(head_of(&written).as_ref(), Some(&hash), "{written}");
        }
        for written in ["", "abc", &hash[1..], &format!("{hash}0"), &format!("{hash} x"), &"g".repeat(64)] {
            assert_eq!(head_of(written), None, "{written}");
        }
    }
}
