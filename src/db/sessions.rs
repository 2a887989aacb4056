//! Sessions of the signed in. The key itself is never stored, only its SHA-256.

use chrono::{DateTime, Utc};
use diesel::{
    dsl::{array, case_when, exists},
    prelude::*,
    sql_types::Timestamptz,
};
use serde_json::Value;
use uuid::Uuid;

use super::schema::{sessions, settings, site_members, two_factors, users};
use crate::error::Result;

#[derive(Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = sessions, treat_none_as_default_value = false)]
pub struct SessionRow {
    pub key_hash: Vec<u8>,
    pub user_id: Uuid,
    pub state: Value,
    pub created_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
    /// Names the session to its owner; opens nothing.
    pub id: Uuid,
    /// As the browser gave it when it signed in; empty when it gave none.
    pub user_agent: String,
    /// Where it signed in from; empty when that is not known.
    pub address: String,
}

/// A living session with what its user is right now, in one look-up: a changed role, site or a disabled
/// account takes effect with the next request.
#[derive(Debug, Queryable)]
pub struct LiveSession {
    pub id: Uuid,
    pub state: Value,
    pub last_seen_at: DateTime<Utc>,
    pub user_id: Uuid,
    pub username: String,
    pub display_name: String,
    pub role: String,
    pub sites: Vec<Uuid>,
    /// The setting under [`SECOND_RULE`], if there is one.
    pub second_rule: Option<Value>,
    /// Whether a second factor was asked for at sign-in, or would be now.
    pub has_second: bool,
}

/// The setting that says who needs a second factor.
pub const SECOND_RULE: &str = "two_factor_required";

/// What a person is told of a session of theirs.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = sessions)]
pub struct SessionFacts {
    pub id: Uuid,
    pub user_agent: String,
    pub address: String,
    pub created_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
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
    let rule = settings::table.filter(settings::key.eq(SECOND_RULE)).select(settings::value).single_value();
    let second = two_factors::table
        .filter(two_factors::user_id.eq(users::id))
        .filter(two_factors::enabled_at.is_not_null());
    Ok(sessions::table
        .inner_join(users::table)
        .filter(sessions::key_hash.eq(key_hash))
        .filter(sessions::last_seen_at.gt(idle_since))
        .filter(sessions::created_at.gt(made_since))
        .filter(users::disabled_at.is_null())
        .select((
            sessions::id,
            sessions::state,
            sessions::last_seen_at,
            users::id,
            users::username,
            users::display_name,
            users::role,
            array(sites),
            rule,
            exists(second),
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

/// Writes down a use. A session that was begun while the clock ran ahead counts from now: it would live longer by the
/// difference otherwise.
pub fn touch(conn: &mut PgConnection, key_hash: &[u8], at: DateTime<Utc>) -> Result<()> {
    let begun_by_then =
        case_when(sessions::created_at.gt(at), at.into_sql::<Timestamptz>()).otherwise(sessions::created_at);
    diesel::update(sessions::table.find(key_hash))
        .set((sessions::last_seen_at.eq(at), sessions::created_at.eq(begun_by_then)))
        .execute(conn)?;
    Ok(())
}

/// When a session of this user was last used; `None` when it ended. With `held` it does not end before the transaction.
pub fn last_seen(
    conn: &mut PgConnection,
    user_id: Uuid,
    id: Uuid,
    held: bool,
) -> Result<Option<DateTime<Utc>>> {
    let one = sessions::table
        .filter(sessions::id.eq(id))
        .filter(sessions::user_id.eq(user_id))
        .select(sessions::last_seen_at);
    let found = if held { one.for_key_share().first(conn) } else { one.first(conn) };
    Ok(found.optional()?)
}

pub fn touch_id(conn: &mut PgConnection, id: Uuid, at: DateTime<Utc>) -> Result<()> {
    diesel::update(sessions::table.filter(sessions::id.eq(id)))
        .set(sessions::last_seen_at.eq(at))
        .execute(conn)?;
    Ok(())
}

/// A user's sessions that can still be used, the latest used first. Without their keys and states.
pub fn living_of_user(
    conn: &mut PgConnection,
    user_id: Uuid,
    idle_since: DateTime<Utc>,
    made_since: DateTime<Utc>,
) -> Result<Vec<SessionFacts>> {
    Ok(sessions::table
        .filter(sessions::user_id.eq(user_id))
        .filter(sessions::last_seen_at.gt(idle_since))
        .filter(sessions::created_at.gt(made_since))
        .order((sessions::last_seen_at.desc(), sessions::id))
        .select(SessionFacts::as_select())
        .load(conn)?)
}

/// Whether this user has this session.
pub fn is_of_user(conn: &mut PgConnection, user_id: Uuid, id: Uuid) -> Result<bool> {
    let one = sessions::table.filter(sessions::id.eq(id)).filter(sessions::user_id.eq(user_id));
    Ok(diesel::select(exists(one)).get_result(conn)?)
}

/// Ends one session of this user; whether there was one.
pub fn delete_of_user(conn: &mut PgConnection, user_id: Uuid, id: Uuid) -> Result<bool> {
    let one = sessions::table.filter(sessions::id.eq(id)).filter(sessions::user_id.eq(user_id));
    Ok(diesel::delete(one).execute(conn)? > 0)
}

/// Ends every session of this user but one, at once and on every instance.
pub fn delete_others(conn: &mut PgConnection, user_id: Uuid, kept: Uuid) -> Result<usize> {
    let others = sessions::table.filter(sessions::user_id.eq(user_id)).filter(sessions::id.ne(kept));
    Ok(diesel::delete(others).execute(conn)?)
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
