//! The queue: rows claimed for a short lease with `FOR UPDATE SKIP LOCKED`. No transaction stays open while a
//! job runs.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{prelude::*, sql_query, sql_types};
use serde_json::Value;
use uuid::Uuid;

use super::schema::jobs;
use crate::error::Result;

#[derive(Debug, Insertable)]
#[diesel(table_name = jobs, treat_none_as_default_value = false)]
pub struct NewJob<'a> {
    pub id: Uuid,
    pub kind: &'a str,
    pub payload: Value,
    pub dedupe_key: Option<&'a str>,
    pub run_at: DateTime<Utc>,
    pub max_attempts: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// Jobs of one key wait for each other's turn: whose document it is for; nil for jobs that are nobody's.
    pub fair_key: Uuid,
}

#[derive(Debug, Clone, Queryable, QueryableByName, Selectable)]
#[diesel(table_name = jobs, check_for_backend(diesel::pg::Pg))]
pub struct JobRow {
    pub id: Uuid,
    pub kind: String,
    pub payload: Value,
    pub attempts: i32,
    pub max_attempts: i32,
}

/// Adds a job. With a key that a living job has already, nothing is added and the answer is `false`.
pub fn enqueue(conn: &mut PgConnection, job: &NewJob<'_>) -> Result<bool> {
    Ok(diesel::insert_into(jobs::table).values(job).on_conflict_do_nothing().execute(conn)? > 0)
}

/// Which kinds of jobs a worker takes.
#[derive(Clone, Copy, Debug)]
pub enum Kinds {
    Only(&'static [&'static str]),
    AllBut(&'static [&'static str]),
}

/// Takes the job of these kinds that is due first, until `lease_until`. Jobs whose worker let its lease run out are
/// due again. Previews have a queue of their own (`preview_jobs`).
pub fn claim(
    conn: &mut PgConnection,
    worker: Uuid,
    kinds: Kinds,
    now: DateTime<Utc>,
    lease_until: DateTime<Utc>,
) -> Result<Option<JobRow>> {
    let (only, named) = match kinds {
        Kinds::Only(named) => (true, named),
        Kinds::AllBut(named) => (false, named),
    };
    claim_in(
        conn,
        r"kind <> 'make_previews' AND kind NOT LIKE 'copy\_%' AND (kind = ANY ($4)) = $5",
        named,
        only,
        worker,
        now,
        lease_until,
    )
}

/// The same for jobs about copies, which have a lane of their own: they wait for disks and networks, and there
/// may be very many of them. While new copies are `paused`, only the others are taken.
pub fn claim_copy(
    conn: &mut PgConnection,
    worker: Uuid,
    now: DateTime<Utc>,
    lease_until: DateTime<Utc>,
    paused: bool,
) -> Result<Option<JobRow>> {
    let left_out: &[&str] = if paused { &["copy_replicate"] } else { &[] };
    let lane = r"kind LIKE 'copy\_%' AND (kind = ANY ($4)) = $5";
    claim_in(conn, lane, left_out, false, worker, now, lease_until)
}

/// `lane` begins with the predicate of a partial index. Two look-ups, each in the order of its index: one over both
/// states would sort the whole backlog for every claim.
fn claim_in(
    conn: &mut PgConnection,
    lane: &str,
    named: &[&str],
    only: bool,
    worker: Uuid,
    now: DateTime<Utc>,
    lease_until: DateTime<Utc>,
) -> Result<Option<JobRow>> {
    Ok(sql_query(format!(
        "WITH lapsed AS (SELECT id FROM jobs WHERE state = 'running' AND lease_until < $2 AND {lane}
                         ORDER BY lease_until LIMIT 1 FOR UPDATE SKIP LOCKED),
              due AS (SELECT id FROM jobs WHERE state = 'waiting' AND run_at <= $2 AND {lane}
                      ORDER BY run_at LIMIT 1 FOR UPDATE SKIP LOCKED)
         UPDATE jobs SET state = 'running', leased_by = $1, lease_until = $3,
                attempts = attempts + 1, updated_at = $2
         WHERE id = (SELECT id FROM lapsed UNION ALL SELECT id FROM due LIMIT 1)
         RETURNING id, kind, payload, attempts, max_attempts"
    ))
    .bind::<sql_types::Uuid, _>(worker)
    .bind::<sql_types::Timestamptz, _>(now)
    .bind::<sql_types::Timestamptz, _>(lease_until)
    .bind::<sql_types::Array<sql_types::Text>, _>(named)
    .bind::<sql_types::Bool, _>(only)
    .get_result(conn)
    .optional()?)
}

/// Makes jobs of a kind that wait for another attempt due at once: what they failed of has passed.
pub fn hurry(conn: &mut PgConnection, kind: &str, now: DateTime<Utc>) -> Result<usize> {
    Ok(diesel::update(jobs::table)
        .filter(jobs::state.eq("waiting"))
        .filter(jobs::kind.eq(kind))
        .filter(jobs::run_at.gt(now))
        .set(jobs::run_at.eq(now))
        .execute(conn)?)
}

/// No pause before another attempt is longer, with its jitter.
const PAUSE_MAX: TimeDelta = TimeDelta::minutes(80);
/// No lease is longer, with room for machines whose clocks differ.
const LEASE_MAX: TimeDelta = TimeDelta::minutes(10);

/// Makes due what a clock that ran ahead has put too far into the future: after it was set back such jobs would wait,
/// and such leases hold, until that time came again. Returns how many jobs that were.
pub fn forget_the_future(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<usize> {
    let mut moved = 0;
    // The predicates of the two partial indexes: a long backlog is not read for this.
    for lane in [r"kind NOT LIKE 'copy\_%'", r"kind LIKE 'copy\_%'"] {
        moved += sql_query(format!(
            "UPDATE jobs SET run_at = $1 WHERE state = 'waiting' AND run_at > $2 AND {lane}"
        ))
        .bind::<sql_types::Timestamptz, _>(now)
        .bind::<sql_types::Timestamptz, _>(now + PAUSE_MAX)
        .execute(conn)?;
    }
    moved += diesel::update(jobs::table)
        .filter(jobs::state.eq("running"))
        .filter(jobs::lease_until.gt(now + LEASE_MAX))
        .set(jobs::lease_until.eq(now - TimeDelta::seconds(1)))
        .execute(conn)?;
    Ok(moved)
}

/// Prolongs a lease; `false` when the job is no longer this worker's.
pub fn heartbeat(
    conn: &mut PgConnection,
    id: Uuid,
    worker: Uuid,
    lease_until: DateTime<Utc>,
) -> Result<bool> {
    Ok(diesel::update(jobs::table.find(id))
        .filter(jobs::leased_by.eq(worker))
        .set(jobs::lease_until.eq(lease_until))
        .execute(conn)?
        > 0)
}

/// Done: the row goes.
pub fn finish(conn: &mut PgConnection, id: Uuid, worker: Uuid) -> Result<()> {
    diesel::delete(jobs::table.find(id)).filter(jobs::leased_by.eq(worker)).execute(conn)?;
    Ok(())
}

/// Failed: tried again at `retry_at`, or dead when there is none.
pub fn fail(
    conn: &mut PgConnection,
    id: Uuid,
    worker: Uuid,
    error: &str,
    retry_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<()> {
    diesel::update(jobs::table.find(id))
        .filter(jobs::leased_by.eq(worker))
        .set((
            jobs::state.eq(if retry_at.is_some() { "waiting" } else { "dead" }),
            jobs::run_at.eq(retry_at.unwrap_or(now)),
            jobs::leased_by.eq(None::<Uuid>),
            jobs::lease_until.eq(None::<DateTime<Utc>>),
            jobs::last_error.eq(error),
            jobs::updated_at.eq(now),
        ))
        .execute(conn)?;
    Ok(())
}

/// How many jobs are in each state.
pub fn by_state(conn: &mut PgConnection) -> Result<Vec<(String, i64)>> {
    Ok(jobs::table.group_by(jobs::state).select((jobs::state, diesel::dsl::count_star())).load(conn)?)
}

/// How many jobs about copies were given up.
pub fn dead_copies(conn: &mut PgConnection) -> Result<i64> {
    Ok(jobs::table
        .filter(jobs::state.eq("dead"))
        .filter(jobs::kind.like(r"copy\_%"))
        .count()
        .get_result(conn)?)
}

/// Removes jobs about copies that were given up, of one file or of all: new ones take their place.
pub fn forget_dead_copies(conn: &mut PgConnection, attachment: Option<Uuid>) -> Result<usize> {
    let dead = jobs::table.filter(jobs::state.eq("dead")).filter(jobs::kind.like(r"copy\_%"));
    Ok(match attachment {
        None => diesel::delete(dead).execute(conn)?,
        Some(id) => {
            let of_it = jobs::payload.retrieve_as_text("attachment").eq(id.to_string());
            diesel::delete(dead.filter(of_it)).execute(conn)?
        }
    })
}
