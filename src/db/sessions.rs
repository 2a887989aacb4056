//! Sessions of the signed in. The key itself is never stored, only its SHA-256.

use chrono::{DateTime, Utc};
use diesel::{prelude::*, sql_query, sql_types};
use serde_json::Value;
use uuid::Uuid;

use super::schema::sessions;
use crate::error::Result;

#[derive(Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = sessions)]
pub struct SessionRow {
    pub key_hash: Vec<u8>,
    pub user_id: Uuid,
    pub state: Value,
    pub created_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
}

/// A living session with what its user is right now, in one look-up: a changed role, site or a disabled
/// account takes effect with the next request.
#[derive(Debug, QueryableByName)]
pub struct LiveSession {
    #[diesel(sql_type = sql_types::Jsonb)]
    pub state: Value,
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub last_seen_at: DateTime<Utc>,
    #[diesel(sql_type = sql_types::Uuid)]
    pub user_id: Uuid,
    #[diesel(sql_type = sql_types::Text)]
    pub username: String,
    #[diesel(sql_type = sql_types::Text)]
    pub display_name: String,
    #[diesel(sql_type = sql_types::Text)]
    pub role: String,
    #[diesel(sql_type = sql_types::Array<sql_types::Uuid>)]
    pub sites: Vec<Uuid>,
}

/// The session under `key_hash`, if it was used after `idle_since` and made after `made_since` and its user
/// is enabled.
pub fn find_live(
    conn: &mut PgConnection,
    key_hash: &[u8],
    idle_since: DateTime<Utc>,
    made_since: DateTime<Utc>,
) -> Result<Option<LiveSession>> {
    Ok(sql_query(
        "SELECT s.state, s.last_seen_at, u.id AS user_id, u.username, u.display_name, u.role,
                ARRAY(SELECT m.site_id FROM site_members m WHERE m.user_id = u.id) AS sites
         FROM sessions s JOIN users u ON u.id = s.user_id
         WHERE s.key_hash = $1 AND s.last_seen_at > $2 AND s.created_at > $3 AND u.disabled_at IS NULL",
    )
    .bind::<sql_types::Bytea, _>(key_hash)
    .bind::<sql_types::Timestamptz, _>(idle_since)
    .bind::<sql_types::Timestamptz, _>(made_since)
    .get_result(conn)
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
