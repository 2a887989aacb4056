//! Sessions of the signed in. The key itself is never stored, only its SHA-256.

use chrono::{DateTime, Utc};
use diesel::{dsl::array, prelude::*};
use serde_json::Value;
use uuid::Uuid;

use super::schema::{sessions, site_members, users};
use crate::error::Result;

#[derive(Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = sessions, treat_none_as_default_value = false)]
pub struct SessionRow {
    pub key_hash: Vec<u8>,
    pub user_id: Uuid,
    pub state: Value,
    pub created_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
}

/// A living session with what its user is right now, in one look-up: a changed role, site or a disabled
/// account takes effect with the next request.
#[derive(Debug, Queryable)]
pub struct LiveSession {
    pub state: Value,
    pub last_seen_at: DateTime<Utc>,
    pub user_id: Uuid,
    pub username: String,
    pub display_name: String,
    pub role: String,
    pub sites: Vec<Uuid>,
}

/// The session under `key_hash`, if it was used after `idle_since` and made after `made_since` and its user
/// is enabled. Every request asks this: the statement is one that diesel keeps prepared.
pub fn find_live(
    conn: &mut PgConnection,
    key_hash: &[u8],
    idle_since: DateTime<Utc>,
    made_since: DateTime<Utc>,
) -> Result<Option<LiveSession>> {
    let sites = site_members::table.filter(site_members::user_id.eq(users::id)).select(site_members::site_id);
    Ok(sessions::table
        .inner_join(users::table)
        .filter(sessions::key_hash.eq(key_hash))
        .filter(sessions::last_seen_at.gt(idle_since))
        .filter(sessions::created_at.gt(made_since))
        .filter(users::disabled_at.is_null())
        .select((
            sessions::state,
            sessions::last_seen_at,
            users::id,
            users::username,
            users::display_name,
            users::role,
            array(sites),
        ))
        .first(conn)
        .optional()?)
}

pub fn insert(conn: &mut PgConnection, row: &SessionRow) -> Result<()> {
    diesel::insert_into(sessions::table).values(row).execute(conn)?;
    Ok(())
}

/// Whether the session was still there.
pub fn set_state(conn: &mut PgConnection, key_hash: &[u8], state: &Value) -> Result<bool> {
    Ok(diesel::update(sessions::table.find(key_hash)).set(sessions::state.eq(state)).execute(conn)? > 0)
}

pub fn touch(conn: &mut PgConnection, key_hash: &[u8], at: DateTime<Utc>) -> Result<()> {
    diesel::update(sessions::table.find(key_hash)).set(sessions::last_seen_at.eq(at)).execute(conn)?;
    Ok(())
}

pub fn delete(conn: &mut PgConnection, key_hash: &[u8]) -> Result<()> {
    diesel::delete(sessions::table.find(key_hash)).execute(conn)?;
    Ok(())
}

/// Removes what can no longer be used and returns how many.
pub fn delete_expired(
    conn: &mut PgConnection,
    idle_since: DateTime<Utc>,
    made_since: DateTime<Utc>,
) -> Result<usize> {
    Ok(diesel::delete(
        sessions::table.filter(sessions::last_seen_at.le(idle_since).or(sessions::created_at.le(made_since))),
    )
    .execute(conn)?)
}

pub fn count(conn: &mut PgConnection) -> Result<i64> {
    Ok(sessions::table.count().get_result(conn)?)
}
