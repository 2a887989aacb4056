//! The queue: rows claimed for a short lease with `FOR UPDATE SKIP LOCKED`. No transaction stays open while a
//! job runs.

use chrono::{DateTime, Utc};
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
/// due again.
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
    Ok(sql_query(
        "UPDATE jobs SET state = 'running', leased_by = $1, lease_until = $3,
                attempts = attempts + 1, updated_at = $2
         WHERE id = (SELECT id FROM jobs
                     WHERE ((state = 'waiting' AND run_at <= $2) OR (state = 'running' AND lease_until < $2))
                       AND (kind = ANY ($4)) = $5
                     ORDER BY run_at LIMIT 1 FOR UPDATE SKIP LOCKED)
         RETURNING id, kind, payload, attempts, max_attempts",
    )
    .bind::<sql_types::Uuid, _>(worker)
    .bind::<sql_types::Timestamptz, _>(now)
    .bind::<sql_types::Timestamptz, _>(lease_until)
    .bind::<sql_types::Array<sql_types::Text>, _>(named)
    .bind::<sql_types::Bool, _>(only)
    .get_result(conn)
    .optional()?)
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
