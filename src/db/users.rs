//! People's accounts.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{prelude::*, sql_query, sql_types};
use uuid::Uuid;

use super::schema::{sessions, users};
use crate::error::Result;

/// Whoever makes a first admin takes this one.
const FIRST_ADMIN_LOCK: i64 = 0x5354_494c_4144_4d31;

#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = users, treat_none_as_default_value = false)]
pub struct UserRow {
    pub id: Uuid,
    /// Lower case; the domain normalises it.
    pub username: String,
    pub display_name: String,
    pub password_hash: String,
    pub role: String,
    pub disabled_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// `None`: never signed in.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// `None`: has no password that anybody knows; a link is the way to the first one.
    pub password_set_at: Option<DateTime<Utc>>,
}

pub fn insert(conn: &mut PgConnection, user: &UserRow) -> Result<()> {
    diesel::insert_into(users::table).values(user).execute(conn)?;
    Ok(())
}

pub fn find(conn: &mut PgConnection, id: Uuid) -> Result<Option<UserRow>> {
    Ok(users::table.find(id).select(UserRow::as_select()).first(conn).optional()?)
}

pub fn find_by_name(conn: &mut PgConnection, username: &str) -> Result<Option<UserRow>> {
    Ok(users::table
        .filter(users::username.eq(username))
        .select(UserRow::as_select())
        .first(conn)
        .optional()?)
}

/// The row, locked against every other change until the transaction ends.
pub fn find_for_update(conn: &mut PgConnection, id: Uuid) -> Result<Option<UserRow>> {
    Ok(users::table.find(id).select(UserRow::as_select()).for_no_key_update().first(conn).optional()?)
}

/// The row, kept from changing until the transaction ends; others may read it so at once.
pub fn find_for_share(conn: &mut PgConnection, id: Uuid) -> Result<Option<UserRow>> {
    Ok(users::table.find(id).select(UserRow::as_select()).for_share().first(conn).optional()?)
}

/// The admins who can sign in, locked until the transaction ends: who changes one counts on the others. Whoever
/// changes people takes this lock first, so that nobody waits for one who waits for them.
pub fn lock_able_admins(conn: &mut PgConnection) -> Result<Vec<Uuid>> {
    Ok(users::table
        .filter(users::role.eq("admin"))
        .filter(users::disabled_at.is_null())
        .filter(users::password_set_at.is_not_null())
        .order(users::id)
        .select(users::id)
        .for_no_key_update()
        .load(conn)?)
}

/// Lets nobody else make a first admin until the transaction ends, on any instance: there is no row to lock yet.
pub fn lock_first_admin(conn: &mut PgConnection) -> Result<()> {
    sql_query("SELECT pg_advisory_xact_lock($1)")
        .bind::<sql_types::BigInt, _>(FIRST_ADMIN_LOCK)
        .execute(conn)?;
    Ok(())
}

pub fn any_admin(conn: &mut PgConnection) -> Result<bool> {
    Ok(diesel::select(diesel::dsl::exists(users::table.filter(users::role.eq("admin")))).get_result(conn)?)
}

pub fn all(conn: &mut PgConnection) -> Result<Vec<UserRow>> {
    Ok(users::table.order(users::username).select(UserRow::as_select()).load(conn)?)
}

/// The names to show for these ids.
pub fn names(conn: &mut PgConnection, ids: &[Uuid]) -> Result<HashMap<Uuid, String>> {
    let pairs: Vec<(Uuid, String)> =
        users::table.filter(users::id.eq_any(ids)).select((users::id, users::display_name)).load(conn)?;
    Ok(pairs.into_iter().collect())
}

/// `set_at` is `None` for a hash whose password nobody knows.
pub fn set_password_hash(
    conn: &mut PgConnection,
    id: Uuid,
    hash: &str,
    set_at: Option<DateTime<Utc>>,
    at: DateTime<Utc>,
) -> Result<()> {
    diesel::update(users::table.find(id))
        .set((users::password_hash.eq(hash), users::password_set_at.eq(set_at), users::updated_at.eq(at)))
        .execute(conn)?;
    Ok(())
}

pub fn set_display_name(conn: &mut PgConnection, id: Uuid, name: &str, at: DateTime<Utc>) -> Result<()> {
    diesel::update(users::table.find(id))
        .set((users::display_name.eq(name), users::updated_at.eq(at)))
        .execute(conn)?;
    Ok(())
}

pub fn set_role(conn: &mut PgConnection, id: Uuid, role: &str, at: DateTime<Utc>) -> Result<()> {
    diesel::update(users::table.find(id))
        .set((users::role.eq(role), users::updated_at.eq(at)))
        .execute(conn)?;
    Ok(())
}

/// Notes that the person is here.
pub fn seen(conn: &mut PgConnection, id: Uuid, at: DateTime<Utc>) -> Result<()> {
    diesel::update(users::table.find(id)).set(users::last_seen_at.eq(at)).execute(conn)?;
    Ok(())
}

pub fn set_disabled(
    conn: &mut PgConnection,
    id: Uuid,
    disabled_at: Option<DateTime<Utc>>,
    at: DateTime<Utc>,
) -> Result<()> {
    diesel::update(users::table.find(id))
        .set((users::disabled_at.eq(disabled_at), users::updated_at.eq(at)))
        .execute(conn)?;
    Ok(())
}

/// Ends every session of a user, at once and on every instance.
pub fn end_sessions(conn: &mut PgConnection, id: Uuid) -> Result<usize> {
    Ok(diesel::delete(sessions::table.filter(sessions::user_id.eq(id))).execute(conn)?)
}
