//! Whose previews are made next. Documents cost what their uploaders make them cost, so uploaders take turns: first
//! those for whom the fewest are being made, then those who were served longest ago.

use chrono::{DateTime, Utc};
use diesel::{prelude::*, sql_query, sql_types};
use uuid::Uuid;

use super::jobs::JobRow;
use crate::error::Result;

/// Takes the next preview job until `lease_until`. Jobs whose worker let its lease run out come first.
///
/// The uploaders with waiting jobs are found by steps through an index (`jobs_due_previews`), one look-up for each: what
/// a claim reads grows with the number of uploaders who wait, never with the number of their documents.
pub fn claim(
    conn: &mut PgConnection,
    worker: Uuid,
    now: DateTime<Utc>,
    lease_until: DateTime<Utc>,
) -> Result<Option<JobRow>> {
    Ok(sql_query(
        "WITH RECURSIVE owners AS (
             (SELECT fair_key FROM jobs WHERE state = 'waiting' AND kind = 'make_previews'
               ORDER BY fair_key LIMIT 1)
             UNION ALL
             SELECT (SELECT jobs.fair_key FROM jobs
                      WHERE state = 'waiting' AND kind = 'make_previews' AND jobs.fair_key > owners.fair_key
                      ORDER BY jobs.fair_key LIMIT 1)
               FROM owners WHERE fair_key IS NOT NULL),
         running AS (
             SELECT fair_key, count(*) AS count FROM jobs
              WHERE state = 'running' AND lease_until >= $2 AND kind = 'make_previews' GROUP BY fair_key),
         lapsed AS (
             SELECT id FROM jobs WHERE state = 'running' AND lease_until < $2 AND kind = 'make_previews'
              ORDER BY lease_until LIMIT 1 FOR UPDATE SKIP LOCKED),
         due AS (
             SELECT jobs.id
               FROM owners
              CROSS JOIN LATERAL (
                  SELECT id, run_at FROM jobs
                   WHERE state = 'waiting' AND kind = 'make_previews' AND jobs.fair_key = owners.fair_key
                     AND run_at <= $2
                   ORDER BY run_at LIMIT 1) AS first
               JOIN jobs ON jobs.id = first.id AND jobs.state = 'waiting'
               LEFT JOIN running ON running.fair_key = owners.fair_key
               LEFT JOIN preview_turns AS turns ON turns.fair_key = owners.fair_key
              ORDER BY coalesce(running.count, 0), turns.served_at NULLS FIRST, first.run_at
              LIMIT 1 FOR UPDATE OF jobs SKIP LOCKED),
         claimed AS (
             UPDATE jobs SET state = 'running', leased_by = $1, lease_until = $3,
                    attempts = attempts + 1, updated_at = $2
              WHERE id = (SELECT id FROM lapsed UNION ALL SELECT id FROM due LIMIT 1)
             RETURNING id, kind, payload, attempts, max_attempts, fair_key),
         turn AS (
             INSERT INTO preview_turns (fair_key, served_at) SELECT fair_key, $2 FROM claimed
             ON CONFLICT (fair_key) DO UPDATE SET served_at = excluded.served_at)
         SELECT id, kind, payload, attempts, max_attempts FROM claimed",
    )
    .bind::<sql_types::Uuid, _>(worker)
    .bind::<sql_types::Timestamptz, _>(now)
    .bind::<sql_types::Timestamptz, _>(lease_until)
    .get_result(conn)
    .optional()?)
}
