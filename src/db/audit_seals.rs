//! The chain of seals over the trail of events, and the events as they are sealed: whole.

use chrono::{DateTime, Utc};
use diesel::{prelude::*, sql_query, sql_types};
use serde_json::Value;
use uuid::Uuid;

use super::schema::{audit_events, audit_seals};
use crate::error::Result;

/// Any number, the same in every instance.
const SEAL_LOCK: i64 = 0x5354_494c_5345_414c;

#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = audit_seals, treat_none_as_default_value = false)]
pub struct SealRow {
    pub id: i64,
    pub sealed_at: DateTime<Utc>,
    pub events_count: i64,
    pub root: Vec<u8>,
    pub previous: Vec<u8>,
    pub hash: Vec<u8>,
}

/// All of an event but its seal.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = audit_events)]
pub struct WholeEvent {
    pub id: i64,
    pub at: DateTime<Utc>,
    pub actor: String,
    pub actor_id: Option<Uuid>,
    pub address: Option<String>,
    pub action: String,
    pub subject: String,
    pub batch_id: Option<Uuid>,
    pub attachment_id: Option<Uuid>,
    pub details: Value,
}

/// Whether this transaction is now the one that seals. The lock ends with it.
pub fn try_lock(conn: &mut PgConnection) -> Result<bool> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = sql_types::Bool)]
        is_ours: bool,
    }
    let row: Row = sql_query("SELECT pg_try_advisory_xact_lock($1) AS is_ours")
        .bind::<sql_types::BigInt, _>(SEAL_LOCK)
        .get_result(conn)?;
    Ok(row.is_ours)
}

/// Up to `limit` events that no seal covers, in the order of their ids.
pub fn unsealed(conn: &mut PgConnection, limit: i64) -> Result<Vec<WholeEvent>> {
    Ok(audit_events::table
        .filter(audit_events::seal_id.is_null())
        .order(audit_events::id)
        .limit(limit)
        .select(WholeEvent::as_select())
        .load(conn)?)
}

pub fn unsealed_count(conn: &mut PgConnection) -> Result<i64> {
    Ok(audit_events::table.filter(audit_events::seal_id.is_null()).count().get_result(conn)?)
}

/// Unsealed events that stand before one that was sealed before `before`: no transaction runs for so long, so
/// that they were put in by hand.
pub fn unsealed_in_the_past(conn: &mut PgConnection, before: DateTime<Utc>) -> Result<Vec<i64>> {
    let sealed_up_to: Option<i64> = audit_events::table
        .inner_join(audit_seals::table)
        .filter(audit_seals::sealed_at.lt(before))
        .order(audit_events::id.desc())
        .select(audit_events::id)
        .first(conn)
        .optional()?;
    let Some(sealed_up_to) = sealed_up_to else { return Ok(Vec::new()) };
    Ok(audit_events::table
        .filter(audit_events::seal_id.is_null())
        .filter(audit_events::id.lt(sealed_up_to))
        .order(audit_events::id)
        .select(audit_events::id)
        .load(conn)?)
}

/// The events that a seal covers, in the order of their ids.
pub fn events_of(conn: &mut PgConnection, seal: i64) -> Result<Vec<WholeEvent>> {
    Ok(audit_events::table
        .filter(audit_events::seal_id.eq(seal))
        .order(audit_events::id)
        .select(WholeEvent::as_select())
        .load(conn)?)
}

/// Up to `limit` events from `since` on whose id is above `after`, sealed or not.
pub fn events_after(
    conn: &mut PgConnection,
    after: i64,
    since: Option<DateTime<Utc>>,
    limit: i64,
) -> Result<Vec<(WholeEvent, Option<i64>)>> {
    let mut query = audit_events::table.filter(audit_events::id.gt(after)).into_boxed();
    if let Some(since) = since {
        query = query.filter(audit_events::at.ge(since));
    }
    Ok(query
        .order(audit_events::id)
        .limit(limit)
        .select((WholeEvent::as_select(), audit_events::seal_id))
        .load(conn)?)
}

pub fn last(conn: &mut PgConnection) -> Result<Option<SealRow>> {
    Ok(audit_seals::table
        .order(audit_seals::id.desc())
        .select(SealRow::as_select())
        .first(conn)
        .optional()?)
}

/// Up to `limit` seals after the given one, in order.
pub fn after(conn: &mut PgConnection, id: i64, limit: i64) -> Result<Vec<SealRow>> {
    Ok(audit_seals::table
        .filter(audit_seals::id.gt(id))
        .order(audit_seals::id)
        .limit(limit)
        .select(SealRow::as_select())
        .load(conn)?)
}

/// Adds a seal over these events.
pub fn insert(conn: &mut PgConnection, seal: &SealRow, events: &[i64]) -> Result<()> {
    diesel::insert_into(audit_seals::table).values(seal).execute(conn)?;
    diesel::update(audit_events::table.filter(audit_events::id.eq_any(events)))
        .set(audit_events::seal_id.eq(seal.id))
        .execute(conn)?;
    Ok(())
}
