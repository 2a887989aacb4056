//! How much malware was found and waits for an admin: one statement, which counts no further than it is told.

use chrono::{DateTime, Utc};
use diesel::{dsl, prelude::*, sql_query, sql_types};

use super::schema::audit_events;
use crate::error::Result;

/// The row of the last refused upload that an admin has seen.
pub const SEEN: &str = "quarantine_seen";

/// Numbers that end at the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, QueryableByName)]
pub struct Findings {
    /// Files that are locked away.
    #[diesel(sql_type = sql_types::BigInt)]
    pub locked: i64,
    /// Refused uploads that no admin has seen.
    #[diesel(sql_type = sql_types::BigInt)]
    pub unseen: i64,
    /// Refused uploads since some time.
    #[diesel(sql_type = sql_types::BigInt)]
    pub recent: i64,
}

/// Counts up to `limit` of each, from the indexes of the page that lists them.
pub fn count(conn: &mut PgConnection, since: DateTime<Utc>, limit: i64) -> Result<Findings> {
    Ok(sql_query(
        "WITH refused AS (
             SELECT id, at FROM audit_events WHERE action = 'attachment.infected' ORDER BY id DESC LIMIT $1
         )
         SELECT (SELECT count(*) FROM (
                     SELECT FROM attachments a JOIN batches b ON b.id = a.batch_id
                      WHERE a.state = 'quarantined' AND b.trashed_at IS NULL
                      ORDER BY a.id DESC LIMIT $1) locked) AS locked,
                count(*) FILTER (
                    WHERE id > coalesce((SELECT value::bigint FROM settings WHERE key = $2), 0)) AS unseen,
                count(*) FILTER (WHERE at > $3) AS recent
           FROM refused",
    )
    .bind::<sql_types::BigInt, _>(limit)
    .bind::<sql_types::Text, _>(SEEN)
    .bind::<sql_types::Timestamptz, _>(since)
    .get_result(conn)?)
}

/// The last refused upload up to an event.
pub fn last_refused(conn: &mut PgConnection, up_to: i64) -> Result<Option<i64>> {
    let refused = audit_events::table
        .filter(audit_events::action.eq("attachment.infected"))
        .filter(audit_events::id.le(up_to))
        .select(dsl::max(audit_events::id));
    Ok(refused.first(conn)?)
}
