//! How fast somebody guesses, counted by all instances together (GCRA: one moment for each key).

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{prelude::*, sql_query, sql_types};

use super::schema::throttles;
use crate::error::Result;

/// How far the clocks of two instances may be apart without losing counts.
const CLOCKS_APART: TimeDelta = TimeDelta::minutes(2);

/// Counts one attempt under `key`, of which `burst` may come at once and then one in each `refill`. `None` when it is
/// let through, else how long to wait: then it is not counted. Requests at the same moment wait for each other at the
/// row.
pub fn attempt(
    conn: &mut PgConnection,
    key: &[u8],
    burst: i32,
    refill: TimeDelta,
    now: DateTime<Utc>,
) -> Result<Option<TimeDelta>> {
    // Later than that, the bucket is empty.
    let latest = now + refill * (burst - 1);
    // A moment that no attempt of now can lead to was counted while the clock ran ahead: it does not count.
    let impossible = now + refill * (2 * burst) + CLOCKS_APART;
    let counted = sql_query(
        "INSERT INTO throttles AS t (key, free_at) VALUES ($1, $3)
         ON CONFLICT (key) DO UPDATE
            SET free_at = CASE WHEN t.free_at > $5 THEN $3 ELSE greatest(t.free_at, $2) + ($3 - $2) END
          WHERE t.free_at > $5 OR greatest(t.free_at, $2) <= $4",
    )
    .bind::<sql_types::Binary, _>(key)
    .bind::<sql_types::Timestamptz, _>(now)
    .bind::<sql_types::Timestamptz, _>(now + refill)
    .bind::<sql_types::Timestamptz, _>(latest)
    .bind::<sql_types::Timestamptz, _>(impossible)
    .execute(conn)?;
    if counted > 0 {
        return Ok(None);
    }
    let free_at = throttles::table.find(key).select(throttles::free_at).first::<DateTime<Utc>>(conn);
    // Swept meanwhile: then the wait is over.
    let wait = free_at.optional()?.map_or(TimeDelta::zero(), |free_at| free_at - latest);
    Ok(Some(wait.max(TimeDelta::zero())))
}

/// Takes one attempt under `key` out of the count again.
pub fn give_back(conn: &mut PgConnection, key: &[u8], refill: TimeDelta, now: DateTime<Utc>) -> Result<()> {
    sql_query("UPDATE throttles SET free_at = free_at - ($3 - $2) WHERE key = $1")
        .bind::<sql_types::Binary, _>(key)
        .bind::<sql_types::Timestamptz, _>(now)
        .bind::<sql_types::Timestamptz, _>(now + refill)
        .execute(conn)?;
    Ok(())
}

/// Forgets what no longer slows anybody down, and returns how many keys that were.
pub fn delete_free(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<usize> {
    // Only rows that nobody holds: who counts holds two of them, and would wait crosswise.
    let free = throttles::table
        .filter(throttles::free_at.le(now))
        .select(throttles::key)
        .for_update()
        .skip_locked()
        .load::<Vec<u8>>(conn)?;
    Ok(diesel::delete(throttles::table.filter(throttles::key.eq_any(free))).execute(conn)?)
}
