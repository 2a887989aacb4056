//! The queue as admins see it: what runs, waits, failed and is dead; what is done to it by hand; when each recurring
//! job last ran.

use chrono::{DateTime, Utc};
use diesel::{pg::Pg, prelude::*, sql_query, sql_types, upsert::excluded};
use serde_json::Value;
use uuid::Uuid;

use super::schema::{jobs, schedule_runs};
use crate::error::Result;

/// What a job's state comes to for somebody who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Running,
    /// Due, and waits for a worker.
    Ready,
    /// Never tried, and not due yet.
    Delayed,
    /// Tried, and will be tried again.
    Failed,
    /// Given up.
    Dead,
}

impl State {
    pub const ALL: [Self; 5] = [Self::Dead, Self::Failed, Self::Running, Self::Ready, Self::Delayed];
}

/// A job with all that is known of it.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = jobs)]
pub struct ListedJob {
    pub id: Uuid,
    pub kind: String,
    pub payload: Value,
    pub state: String,
    pub run_at: DateTime<Utc>,
    pub attempts: i32,
    pub max_attempts: i32,
    pub lease_until: Option<DateTime<Utc>>,
    pub last_error: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A place in the order of a state's jobs: the moment that orders them, and the job's id.
pub type Place = (DateTime<Utc>, Uuid);

impl ListedJob {
    pub fn place(&self, state: State) -> Place {
        (if state == State::Dead { self.updated_at } else { self.run_at }, self.id)
    }
}

type Jobs<'a> = jobs::BoxedQuery<'a, Pg>;

/// The jobs in a state.
fn in_state<'a>(state: State, now: DateTime<Utc>) -> Jobs<'a> {
    let query = jobs::table.into_boxed::<Pg>();
    match state {
        State::Running => query.filter(jobs::state.eq("running")),
        State::Dead => query.filter(jobs::state.eq("dead")),
        State::Failed => query.filter(jobs::state.eq("waiting")).filter(jobs::attempts.gt(0)),
        State::Ready => {
            query.filter(jobs::state.eq("waiting")).filter(jobs::attempts.eq(0)).filter(jobs::run_at.le(now))
        }
        State::Delayed => {
            query.filter(jobs::state.eq("waiting")).filter(jobs::attempts.eq(0)).filter(jobs::run_at.gt(now))
        }
    }
}

/// Up to `limit` jobs in a state after a place: the dead from the latest on, the others from the one that is due first.
pub fn page(
    conn: &mut PgConnection,
    state: State,
    now: DateTime<Utc>,
    after: Option<Place>,
    limit: i64,
) -> Result<Vec<ListedJob>> {
    let query = in_state(state, now).select(ListedJob::as_select()).limit(limit);
    if state == State::Dead {
        let query = match after {
            Some((at, id)) => {
                query.filter(jobs::updated_at.le(at)).filter(jobs::updated_at.lt(at).or(jobs::id.lt(id)))
            }
            None => query,
        };
        return Ok(query.order((jobs::updated_at.desc(), jobs::id.desc())).load(conn)?);
    }
    let query = match after {
        Some((at, id)) => query.filter(jobs::run_at.ge(at)).filter(jobs::run_at.gt(at).or(jobs::id.gt(id))),
        None => query,
    };
    Ok(query.order((jobs::run_at.asc(), jobs::id.asc())).load(conn)?)
}

pub fn count(conn: &mut PgConnection, state: State, now: DateTime<Utc>) -> Result<i64> {
    Ok(in_state(state, now).count().get_result(conn)?)
}

/// One job, locked until the transaction ends.
pub fn find_for_update(conn: &mut PgConnection, id: Uuid) -> Result<Option<ListedJob>> {
    Ok(jobs::table.find(id).select(ListedJob::as_select()).for_update().first(conn).optional()?)
}

/// Makes a job due now. A dead one begins anew, with all its attempts.
pub fn retry(conn: &mut PgConnection, id: Uuid, now: DateTime<Utc>) -> Result<()> {
    sql_query(
        "UPDATE jobs SET attempts = CASE WHEN state = 'dead' THEN 0 ELSE attempts END, state = 'waiting',
                run_at = $2, updated_at = $2
         WHERE id = $1 AND state <> 'running'",
    )
    .bind::<sql_types::Uuid, _>(id)
    .bind::<sql_types::Timestamptz, _>(now)
    .execute(conn)?;
    Ok(())
}

/// Makes every dead job due now and returns how many. Of several with one key one lives, and none beside a living one.
pub fn retry_dead(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<usize> {
    Ok(sql_query(
        "UPDATE jobs SET attempts = 0, state = 'waiting', run_at = $1, updated_at = $1
         WHERE id IN (SELECT DISTINCT ON (coalesce(dedupe_key, id::text)) id FROM jobs dead
                       WHERE state = 'dead' AND NOT EXISTS (
                             SELECT FROM jobs living
                              WHERE living.state <> 'dead' AND living.dedupe_key = dead.dedupe_key)
                       ORDER BY coalesce(dedupe_key, id::text), updated_at DESC)",
    )
    .bind::<sql_types::Timestamptz, _>(now)
    .execute(conn)?)
}

pub fn delete(conn: &mut PgConnection, id: Uuid) -> Result<()> {
    diesel::delete(jobs::table.find(id)).execute(conn)?;
    Ok(())
}

/// How a recurring job ended when it last ran.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = schedule_runs)]
pub struct Run {
    pub kind: String,
    pub began_at: DateTime<Utc>,
    pub ended_at: DateTime<Utc>,
    /// Empty when it went well.
    pub problem: String,
}

pub fn put_run(conn: &mut PgConnection, run: &Run) -> Result<()> {
    diesel::insert_into(schedule_runs::table)
        .values(run)
        .on_conflict(schedule_runs::kind)
        .do_update()
        .set((
            schedule_runs::began_at.eq(excluded(schedule_runs::began_at)),
            schedule_runs::ended_at.eq(excluded(schedule_runs::ended_at)),
            schedule_runs::problem.eq(excluded(schedule_runs::problem)),
        ))
        .execute(conn)?;
    Ok(())
}

pub fn runs(conn: &mut PgConnection) -> Result<Vec<Run>> {
    Ok(schedule_runs::table.select(Run::as_select()).load(conn)?)
}

/// The kinds among these of which a job waits or runs.
pub fn living_kinds(conn: &mut PgConnection, keys: &[&str]) -> Result<Vec<String>> {
    Ok(jobs::table
        .filter(jobs::dedupe_key.eq_any(keys.to_vec()))
        .filter(jobs::state.ne("dead"))
        .select(jobs::kind)
        .load(conn)?)
}
