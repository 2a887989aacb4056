//! How many copies are where and in which state, for admins and metrics.

use chrono::{DateTime, Utc};
use diesel::{dsl, prelude::*, sql_query, sql_types};
use uuid::Uuid;

use super::schema::{attachment_copies, attachments, batches};
use crate::error::Result;

/// How many files and bytes are in each state in each place.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName)]
pub struct Figure {
    #[diesel(sql_type = sql_types::Text)]
    pub place: String,
    #[diesel(sql_type = sql_types::Text)]
    pub state: String,
    #[diesel(sql_type = sql_types::BigInt)]
    pub files: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    pub bytes: i64,
    /// Files among them whose copy was read whole since the moment asked for.
    #[diesel(sql_type = sql_types::BigInt)]
    pub read: i64,
}

/// Counts all copies: what an admin asks for now and then, and nothing else does.
pub fn figures(conn: &mut PgConnection, read_since: DateTime<Utc>) -> Result<Vec<Figure>> {
    Ok(sql_query(
        "SELECT c.place, c.state, count(*) AS files, coalesce(sum(a.size_bytes), 0)::bigint AS bytes,
                count(*) FILTER (WHERE c.verified_at >= $1) AS read
         FROM attachment_copies c JOIN attachments a ON a.id = c.attachment_id
         WHERE a.state <> 'purged' GROUP BY c.place, c.state ORDER BY c.place DESC, c.state",
    )
    .bind::<sql_types::Timestamptz, _>(read_since)
    .load(conn)?)
}

/// How many copies were made or read again since `since`, and their bytes.
pub fn throughput(conn: &mut PgConnection, since: DateTime<Utc>) -> Result<(i64, i64)> {
    let (files, bytes): (i64, Option<i64>) = attachment_copies::table
        .inner_join(attachments::table)
        .filter(attachment_copies::state.eq("present"))
        .filter(attachment_copies::verified_at.ge(since))
        .select((
            dsl::count_star(),
            dsl::sql::<sql_types::Nullable<sql_types::BigInt>>("sum(size_bytes)::bigint"),
        ))
        .first(conn)?;
    Ok((files, bytes.unwrap_or(0)))
}

/// Copies in the bucket that are not there yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Still to be made.
    pub pending: i64,
    /// Given up.
    pub failed: i64,
    /// When the oldest file among them came in.
    pub oldest: Option<DateTime<Utc>>,
}

impl Backlog {
    /// Age of the oldest file among them, in seconds; 0 when there is none.
    pub fn lag_seconds(&self, now: DateTime<Utc>) -> i64 {
        self.oldest.map_or(0, |oldest| (now - oldest).num_seconds().max(0))
    }
}

pub fn backlog(conn: &mut PgConnection) -> Result<Backlog> {
    let states: Vec<(String, i64, Option<DateTime<Utc>>)> = attachment_copies::table
        .inner_join(attachments::table)
        .filter(attachment_copies::place.eq("cloud"))
        .filter(attachment_copies::state.eq_any(["pending", "failed"]))
        .filter(attachments::state.ne("purged"))
        .group_by(attachment_copies::state)
        .select((attachment_copies::state, dsl::count_star(), dsl::min(attachments::uploaded_at)))
        .load(conn)?;
    let count = |wanted| states.iter().find(|(state, ..)| state == wanted).map_or(0, |(_, count, _)| *count);
    Ok(Backlog {
        pending: count("pending"),
        failed: count("failed"),
        oldest: states.iter().filter_map(|(.., oldest)| *oldest).min(),
    })
}

/// A copy that could not be made.
#[derive(Clone, Debug, Queryable)]
pub struct Failure {
    pub attachment_id: Uuid,
    pub filename: String,
    pub place: String,
    pub state: String,
    pub error: Option<String>,
    pub batch_id: Uuid,
    pub batch: String,
    pub at: DateTime<Utc>,
}

/// The latest `limit` failures that still hold.
pub fn failures(conn: &mut PgConnection, limit: i64) -> Result<Vec<Failure>> {
    Ok(attachment_copies::table
        .inner_join(attachments::table.inner_join(batches::table))
        .filter(attachment_copies::state.ne("present"))
        .filter(attachment_copies::last_error.is_not_null())
        .filter(attachments::state.ne("purged"))
        .order(attachment_copies::updated_at.desc())
        .limit(limit)
        .select((
            attachments::id,
            attachments::original_name,
            attachment_copies::place,
            attachment_copies::state,
            attachment_copies::last_error,
            batches::id,
            batches::number,
            attachment_copies::updated_at,
        ))
        .load(conn)?)
}
