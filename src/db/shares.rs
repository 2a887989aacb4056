//! Share links. The token itself is never stored, only its SHA-256.

use chrono::{DateTime, Utc};
use diesel::{dsl::array, pg::Pg, prelude::*};
use uuid::Uuid;

use super::schema::{attachments, batches, share_links, site_members, users};
use crate::error::Result;

#[derive(Debug, Insertable)]
#[diesel(table_name = share_links, treat_none_as_default_value = false)]
pub struct NewShare<'a> {
    pub id: Uuid,
    pub token_hash: &'a [u8],
    pub batch_id: Uuid,
    pub attachment_id: Option<Uuid>,
    pub created_by: Uuid,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub password_hash: Option<String>,
    pub max_downloads: Option<i32>,
}

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = share_links)]
pub struct ShareRow {
    pub id: Uuid,
    pub batch_id: Uuid,
    /// `None`: the whole batch.
    pub attachment_id: Option<Uuid>,
    pub created_by: Uuid,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub password_hash: Option<String>,
    pub max_downloads: Option<i32>,
    pub downloads: i32,
    pub revoked_at: Option<DateTime<Utc>>,
}

/// A link with what decides whether it still opens anything: its maker and its batch as they are right now.
#[derive(Clone, Debug, Queryable)]
pub struct Known {
    pub share: ShareRow,
    pub maker: String,
    pub maker_role: String,
    pub maker_disabled_at: Option<DateTime<Utc>>,
    pub maker_sites: Vec<Uuid>,
    pub site_id: Uuid,
    pub batch_number: String,
    /// Files of the batch that are not in the trash, and their bytes.
    pub batch_files: i64,
    pub batch_bytes: i64,
    pub batch_trashed_at: Option<DateTime<Utc>>,
}

pub fn insert(conn: &mut PgConnection, share: &NewShare<'_>) -> Result<()> {
    diesel::insert_into(share_links::table).values(share).execute(conn)?;
    Ok(())
}

pub fn find(conn: &mut PgConnection, token_hash: &[u8]) -> Result<Option<Known>> {
    let sites = site_members::table.filter(site_members::user_id.eq(users::id)).select(site_members::site_id);
    Ok(share_links::table
        .inner_join(batches::table)
        .inner_join(users::table.on(users::id.eq(share_links::created_by)))
        .filter(share_links::token_hash.eq(token_hash))
        .select((
            ShareRow::as_select(),
            users::display_name,
            users::role,
            users::disabled_at,
            array(sites),
            batches::site_id,
            batches::number,
            batches::files_count,
            batches::bytes_total,
            batches::trashed_at,
        ))
        .first(conn)
        .optional()?)
}

/// Counts one download, unless the link is over or used up. Requests at the same moment wait for each other at
/// the row, so that the limit is exact.
pub fn count_download(conn: &mut PgConnection, id: Uuid, now: DateTime<Utc>) -> Result<bool> {
    let is_left = share_links::max_downloads
        .is_null()
        .or(share_links::max_downloads.gt(share_links::downloads.nullable()));
    let counted = diesel::update(share_links::table.find(id))
        .filter(share_links::revoked_at.is_null())
        .filter(share_links::expires_at.gt(now))
        .filter(is_left)
        .set(share_links::downloads.eq(share_links::downloads + 1))
        .execute(conn)?;
    Ok(counted > 0)
}

/// Links that are not revoked, the newest first, with their makers' names: of one file, or of a batch as a whole;
/// of everybody, or of one maker.
pub fn of_target(
    conn: &mut PgConnection,
    batch_id: Uuid,
    attachment_id: Option<Uuid>,
    maker: Option<Uuid>,
) -> Result<Vec<(ShareRow, String)>> {
    let mut query = share_links::table
        .inner_join(users::table.on(users::id.eq(share_links::created_by)))
        .filter(share_links::batch_id.eq(batch_id))
        .filter(share_links::attachment_id.is_not_distinct_from(attachment_id))
        .filter(share_links::revoked_at.is_null())
        .order(share_links::id.desc())
        .limit(200)
        .select((ShareRow::as_select(), users::display_name))
        .into_boxed::<Pg>();
    if let Some(maker) = maker {
        query = query.filter(share_links::created_by.eq(maker));
    }
    Ok(query.load(conn)?)
}

/// A link, its maker, the number of its batch and the name of its file.
pub type Everywhere = (ShareRow, String, String, Option<String>);

/// Up to `limit` links that are not revoked, the newest first, those made before `after`.
pub fn everywhere(conn: &mut PgConnection, after: Option<Uuid>, limit: i64) -> Result<Vec<Everywhere>> {
    let mut query = share_links::table
        .inner_join(batches::table)
        .inner_join(users::table.on(users::id.eq(share_links::created_by)))
        .left_join(attachments::table.on(attachments::id.nullable().eq(share_links::attachment_id)))
        .filter(share_links::revoked_at.is_null())
        .order(share_links::id.desc())
        .limit(limit)
        .select((
            ShareRow::as_select(),
            users::display_name,
            batches::number,
            attachments::original_name.nullable(),
        ))
        .into_boxed::<Pg>();
    if let Some(after) = after {
        query = query.filter(share_links::id.lt(after));
    }
    Ok(query.load(conn)?)
}

/// The row, locked until the transaction ends.
pub fn find_for_update(conn: &mut PgConnection, id: Uuid) -> Result<Option<ShareRow>> {
    Ok(share_links::table.find(id).select(ShareRow::as_select()).for_update().first(conn).optional()?)
}

pub fn revoke(conn: &mut PgConnection, id: Uuid, at: DateTime<Utc>) -> Result<()> {
    diesel::update(share_links::table.find(id)).set(share_links::revoked_at.eq(at)).execute(conn)?;
    Ok(())
}

/// A link that was ended, its batch and its file.
pub type Ended = (Uuid, Uuid, Option<Uuid>);

/// Ends a maker's living links, but for those into batches of the sites `kept`.
pub fn revoke_of_maker(
    conn: &mut PgConnection,
    maker: Uuid,
    kept: &[Uuid],
    at: DateTime<Utc>,
) -> Result<Vec<Ended>> {
    let lost = batches::table
        .filter(batches::id.eq(share_links::batch_id))
        .filter(batches::site_id.ne_all(kept.to_vec()));
    Ok(diesel::update(share_links::table)
        .filter(share_links::created_by.eq(maker))
        .filter(share_links::revoked_at.is_null())
        .filter(share_links::expires_at.gt(at))
        .filter(diesel::dsl::exists(lost))
        .set(share_links::revoked_at.eq(at))
        .returning((share_links::id, share_links::batch_id, share_links::attachment_id))
        .get_results(conn)?)
}

/// Ends every link there is.
pub fn revoke_all(conn: &mut PgConnection, at: DateTime<Utc>) -> Result<usize> {
    Ok(diesel::update(share_links::table.filter(share_links::revoked_at.is_null()))
        .set(share_links::revoked_at.eq(at))
        .execute(conn)?)
}
