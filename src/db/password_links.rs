//! One-time links to choose a password. The token itself is never stored, only its SHA-256.

use chrono::{DateTime, Utc};
use diesel::{prelude::*, upsert::excluded};
use uuid::Uuid;

use super::{
    schema::{password_links, users},
    users::UserRow,
};
use crate::error::Result;

#[derive(Debug, Insertable)]
#[diesel(table_name = password_links)]
pub struct NewLink {
    pub user_id: Uuid,
    pub token_hash: Vec<u8>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// Adds a person's link in the place of an older one.
pub fn put(conn: &mut PgConnection, link: &NewLink) -> Result<()> {
    diesel::insert_into(password_links::table)
        .values(link)
        .on_conflict(password_links::user_id)
        .do_update()
        .set((
            password_links::token_hash.eq(excluded(password_links::token_hash)),
            password_links::created_at.eq(excluded(password_links::created_at)),
            password_links::expires_at.eq(excluded(password_links::expires_at)),
        ))
        .execute(conn)?;
    Ok(())
}

/// Whose link this is, if it works at this moment.
pub fn find_user(conn: &mut PgConnection, token_hash: &[u8], now: DateTime<Utc>) -> Result<Option<UserRow>> {
    Ok(password_links::table
        .inner_join(users::table)
        .filter(password_links::token_hash.eq(token_hash))
        .filter(password_links::expires_at.gt(now))
        .filter(users::disabled_at.is_null())
        .select(UserRow::as_select())
        .first(conn)
        .optional()?)
}

/// Uses a link up; `None` when somebody else was faster or it does not work any more.
pub fn take(conn: &mut PgConnection, token_hash: &[u8], now: DateTime<Utc>) -> Result<Option<Uuid>> {
    let link = password_links::table
        .filter(password_links::token_hash.eq(token_hash))
        .filter(password_links::expires_at.gt(now));
    Ok(diesel::delete(link).returning(password_links::user_id).get_result(conn).optional()?)
}

/// Until when a person's link works, if there is one that does.
pub fn expiry_of(
    conn: &mut PgConnection,
    user_id: Uuid,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>> {
    Ok(password_links::table
        .find(user_id)
        .filter(password_links::expires_at.gt(now))
        .select(password_links::expires_at)
        .first(conn)
        .optional()?)
}

pub fn delete_of_user(conn: &mut PgConnection, user_id: Uuid) -> Result<()> {
    diesel::delete(password_links::table.find(user_id)).execute(conn)?;
    Ok(())
}

/// Removes what can no longer be used.
pub fn delete_expired(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<usize> {
    Ok(diesel::delete(password_links::table.filter(password_links::expires_at.le(now))).execute(conn)?)
}
