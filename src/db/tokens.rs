//! API tokens. The token itself is never stored, only its SHA-256.

use chrono::{DateTime, Utc};
use diesel::{dsl::array, prelude::*};
use uuid::Uuid;

use super::schema::{api_tokens, site_members, sites, users};
use crate::error::Result;

#[derive(Debug, Insertable)]
#[diesel(table_name = api_tokens, treat_none_as_default_value = false)]
pub struct NewToken<'a> {
    pub id: Uuid,
    pub user_id: Uuid,
    pub name: &'a str,
    pub token_hash: &'a [u8],
    pub scope: &'a str,
    pub site_id: Option<Uuid>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = api_tokens)]
pub struct TokenRow {
    pub id: Uuid,
    pub user_id: Uuid,
    pub name: String,
    pub scope: String,
    pub site_id: Option<Uuid>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub last_used_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
}

/// A living token with what its user is right now, in one look-up.
#[derive(Debug, Queryable)]
pub struct LiveToken {
    pub id: Uuid,
    pub name: String,
    pub scope: String,
    pub site_id: Option<Uuid>,
    pub last_used_at: Option<DateTime<Utc>>,
    pub user_id: Uuid,
    pub username: String,
    pub display_name: String,
    pub role: String,
    pub sites: Vec<Uuid>,
}

pub fn insert(conn: &mut PgConnection, token: &NewToken<'_>) -> Result<()> {
    diesel::insert_into(api_tokens::table).values(token).execute(conn)?;
    Ok(())
}

/// The token under `hash`, if it is neither revoked nor expired and its user is enabled.
pub fn find_live(conn: &mut PgConnection, hash: &[u8], now: DateTime<Utc>) -> Result<Option<LiveToken>> {
    let sites = site_members::table.filter(site_members::user_id.eq(users::id)).select(site_members::site_id);
    Ok(api_tokens::table
        .inner_join(users::table)
        .filter(api_tokens::token_hash.eq(hash))
        .filter(api_tokens::revoked_at.is_null())
        .filter(api_tokens::expires_at.gt(now))
        .filter(users::disabled_at.is_null())
        .select((
            api_tokens::id,
            api_tokens::name,
            api_tokens::scope,
            api_tokens::site_id,
            api_tokens::last_used_at,
            users::id,
            users::username,
            users::display_name,
            users::role,
            array(sites),
        ))
        .first(conn)
        .optional()?)
}

pub fn touch(conn: &mut PgConnection, id: Uuid, at: DateTime<Utc>) -> Result<()> {
    diesel::update(api_tokens::table.find(id)).set(api_tokens::last_used_at.eq(at)).execute(conn)?;
    Ok(())
}

/// A user's tokens that are not revoked, the newest first, with the name of their site.
pub fn of_user(conn: &mut PgConnection, user_id: Uuid) -> Result<Vec<(TokenRow, Option<String>)>> {
    Ok(api_tokens::table
        .left_join(sites::table)
        .filter(api_tokens::user_id.eq(user_id))
        .filter(api_tokens::revoked_at.is_null())
        .order(api_tokens::id.desc())
        .select((TokenRow::as_select(), sites::name.nullable()))
        .load(conn)?)
}

/// A token that is neither revoked nor expired. With `held` it stays so until the transaction ends.
pub fn find_living(
    conn: &mut PgConnection,
    id: Uuid,
    now: DateTime<Utc>,
    held: bool,
) -> Result<Option<TokenRow>> {
    let one = api_tokens::table
        .filter(api_tokens::id.eq(id))
        .filter(api_tokens::revoked_at.is_null())
        .filter(api_tokens::expires_at.gt(now))
        .select(TokenRow::as_select());
    let found = if held { one.for_share().first(conn) } else { one.first(conn) };
    Ok(found.optional()?)
}

/// The row, locked until the transaction ends.
pub fn find_for_update(conn: &mut PgConnection, id: Uuid) -> Result<Option<TokenRow>> {
    Ok(api_tokens::table.find(id).select(TokenRow::as_select()).for_update().first(conn).optional()?)
}

pub fn revoke(conn: &mut PgConnection, id: Uuid, at: DateTime<Utc>) -> Result<()> {
    diesel::update(api_tokens::table.find(id)).set(api_tokens::revoked_at.eq(at)).execute(conn)?;
    Ok(())
}

/// Revokes every token of a user, at once and on every instance.
pub fn revoke_of_user(conn: &mut PgConnection, user_id: Uuid, at: DateTime<Utc>) -> Result<usize> {
    Ok(diesel::update(api_tokens::table.filter(api_tokens::user_id.eq(user_id)))
        .filter(api_tokens::revoked_at.is_null())
        .set(api_tokens::revoked_at.eq(at))
        .execute(conn)?)
}

/// Revokes a user's tokens that are held to a site other than these, and returns their ids and names.
pub fn revoke_outside(
    conn: &mut PgConnection,
    user_id: Uuid,
    sites: &[Uuid],
    at: DateTime<Utc>,
) -> Result<Vec<(Uuid, String)>> {
    Ok(diesel::update(api_tokens::table.filter(api_tokens::user_id.eq(user_id)))
        .filter(api_tokens::revoked_at.is_null())
        .filter(api_tokens::site_id.is_not_null())
        .filter(api_tokens::site_id.ne_all(sites.iter().copied().map(Some).collect::<Vec<_>>()))
        .set(api_tokens::revoked_at.eq(at))
        .returning((api_tokens::id, api_tokens::name))
        .get_results(conn)?)
}

/// Revokes every token there is.
pub fn revoke_all(conn: &mut PgConnection, at: DateTime<Utc>) -> Result<usize> {
    Ok(diesel::update(api_tokens::table.filter(api_tokens::revoked_at.is_null()))
        .set(api_tokens::revoked_at.eq(at))
        .execute(conn)?)
}
