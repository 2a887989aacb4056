//! Where the copies of files are, and in which state.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use diesel::{dsl, pg::Pg, prelude::*, sql_types, upsert::excluded};
use uuid::Uuid;

use super::functions::lower;
use super::schema::{attachment_copies, attachments, batches, purges};
use crate::error::Result;

/// A file as far as its copies are concerned.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable)]
#[diesel(table_name = attachments, check_for_backend(Pg))]
pub struct FileRow {
    pub id: Uuid,
    pub batch_id: Uuid,
    pub stored_name: String,
    pub original_name: String,
    pub size_bytes: i64,
    pub sha256: Vec<u8>,
    pub state: String,
}

/// The state of one copy.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable)]
#[diesel(table_name = attachment_copies, check_for_backend(Pg))]
pub struct CopyRow {
    pub place: String,
    pub state: String,
    pub verified_at: Option<DateTime<Utc>>,
    pub last_error: Option<String>,
}

/// A file that is not purged, nor about to be.
pub fn file(conn: &mut PgConnection, id: Uuid) -> Result<Option<FileRow>> {
    let begun = purges::table.filter(purges::attachment_id.eq(attachments::id));
    Ok(attachments::table
        .find(id)
        .filter(attachments::state.ne("purged"))
        .filter(dsl::not(dsl::exists(begun)))
        .select(FileRow::as_select())
        .first(conn)
        .optional()?)
}

pub fn of_file(conn: &mut PgConnection, id: Uuid) -> Result<Vec<CopyRow>> {
    Ok(attachment_copies::table
        .filter(attachment_copies::attachment_id.eq(id))
        .select(CopyRow::as_select())
        .order(attachment_copies::place.desc())
        .load(conn)?)
}

/// The state of a file's copy in one place; `None` when it has none there.
pub fn state(conn: &mut PgConnection, id: Uuid, place: &str) -> Result<Option<String>> {
    Ok(attachment_copies::table.find((id, place)).select(attachment_copies::state).first(conn).optional()?)
}

/// Sets a copy's state. Without a `verified_at` the last one stays.
pub fn set(
    conn: &mut PgConnection,
    id: Uuid,
    place: &str,
    state: &str,
    verified_at: Option<DateTime<Utc>>,
    last_error: Option<&str>,
    at: DateTime<Utc>,
) -> Result<()> {
    diesel::insert_into(attachment_copies::table)
        .values((
            attachment_copies::attachment_id.eq(id),
            attachment_copies::place.eq(place),
            attachment_copies::state.eq(state),
            attachment_copies::verified_at.eq(verified_at),
            attachment_copies::updated_at.eq(at),
            attachment_copies::last_error.eq(last_error),
        ))
        .on_conflict((attachment_copies::attachment_id, attachment_copies::place))
        .do_update()
        .set((
            attachment_copies::state.eq(excluded(attachment_copies::state)),
            attachment_copies::verified_at
                .eq(dsl::sql("coalesce(excluded.verified_at, attachment_copies.verified_at)")),
            attachment_copies::updated_at.eq(excluded(attachment_copies::updated_at)),
            attachment_copies::last_error.eq(excluded(attachment_copies::last_error)),
        ))
        .execute(conn)?;
    Ok(())
}

/// Notes why a copy that was being made is not there yet.
pub fn set_error(
    conn: &mut PgConnection,
    id: Uuid,
    place: &str,
    state: &str,
    error: &str,
    at: DateTime<Utc>,
) -> Result<()> {
    diesel::update(attachment_copies::table.find((id, place)))
        .filter(attachment_copies::state.ne("present"))
        .set((
            attachment_copies::state.eq(state),
            attachment_copies::last_error.eq(error),
            attachment_copies::updated_at.eq(at),
        ))
        .execute(conn)?;
    Ok(())
}

/// Forgets a copy that is no longer wanted in that place.
pub fn forget(conn: &mut PgConnection, id: Uuid, place: &str) -> Result<()> {
    diesel::delete(attachment_copies::table.find((id, place))).execute(conn)?;
    Ok(())
}

/// Those of `ids` that the bucket has, or may have soon.
pub fn in_cloud(conn: &mut PgConnection, ids: Vec<Uuid>) -> Result<HashSet<Uuid>> {
    let found: Vec<Uuid> = attachment_copies::table
        .filter(attachment_copies::attachment_id.eq_any(ids))
        .filter(attachment_copies::place.eq("cloud"))
        .select(attachment_copies::attachment_id)
        .load(conn)?;
    Ok(found.into_iter().collect())
}

/// Whether the local store is expected to hold any file: one that lost its marker must then not be taken for a
/// new one.
pub fn any_local(conn: &mut PgConnection) -> Result<bool> {
    let expected = attachment_copies::table
        .inner_join(attachments::table)
        .filter(attachment_copies::place.eq("local"))
        .filter(attachments::state.ne("purged"));
    Ok(diesel::select(dsl::exists(expected)).get_result(conn)?)
}

/// Files that have no sound copy in `place`.
fn without(place: &str) -> attachments::BoxedQuery<'static, Pg> {
    let sound = attachment_copies::table
        .filter(attachment_copies::attachment_id.eq(attachments::id))
        .filter(attachment_copies::place.eq(place.to_owned()))
        .filter(attachment_copies::state.eq("present"));
    attachments::table
        .filter(attachments::state.ne("purged"))
        .filter(dsl::not(dsl::exists(sound)))
        .into_boxed::<Pg>()
}

/// Up to `limit` files, in the order of their ids after `after`, that have no sound copy in `place`.
pub fn lacking(
    conn: &mut PgConnection,
    place: &str,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<FileRow>> {
    let mut query = without(place);
    if let Some(after) = after {
        query = query.filter(attachments::id.gt(after));
    }
    Ok(query.order(attachments::id).limit(limit).select(FileRow::as_select()).load(conn)?)
}

/// How many files have no sound copy in `place`.
pub fn count_lacking(conn: &mut PgConnection, place: &str) -> Result<i64> {
    Ok(without(place).count().get_result(conn)?)
}

/// How many files have a copy on local storage.
pub fn count_local(conn: &mut PgConnection) -> Result<i64> {
    let local = attachment_copies::table.filter(attachment_copies::place.eq("local"));
    Ok(local.count().get_result(conn)?)
}

/// Which files to go through.
#[derive(Clone, Debug)]
pub enum Scope {
    All,
    /// Those of the batches with this number.
    Batch(String),
    /// Those with a copy that was not read since.
    Stale(DateTime<Utc>),
}

/// The files within `scope`.
fn scoped(scope: &Scope) -> attachments::BoxedQuery<'static, Pg> {
    let query = attachments::table.filter(attachments::state.ne("purged")).into_boxed::<Pg>();
    match scope {
        Scope::All => query,
        Scope::Batch(number) => {
            let wanted =
                batches::table.filter(lower(batches::number).eq(number.to_lowercase())).select(batches::id);
            query.filter(attachments::batch_id.eq_any(wanted))
        }
        Scope::Stale(since) => {
            let stale = attachment_copies::table
                .filter(attachment_copies::attachment_id.eq(attachments::id))
                .filter(attachment_copies::state.eq_any(["present", "missing", "corrupt"]))
                .filter(
                    attachment_copies::verified_at.is_null().or(attachment_copies::verified_at.lt(*since)),
                );
            query.filter(dsl::exists(stale))
        }
    }
}

/// Up to `limit` files within `scope`, in the order of their ids after `after`.
pub fn within(
    conn: &mut PgConnection,
    scope: &Scope,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<FileRow>> {
    let mut query = scoped(scope);
    if let Some(after) = after {
        query = query.filter(attachments::id.gt(after));
    }
    Ok(query.order(attachments::id).limit(limit).select(FileRow::as_select()).load(conn)?)
}

/// How many files and bytes are within `scope`.
pub fn size_of(conn: &mut PgConnection, scope: &Scope) -> Result<(i64, i64)> {
    let bytes = dsl::sql::<sql_types::BigInt>("coalesce(sum(size_bytes), 0)::bigint");
    Ok(scoped(scope).select((dsl::count_star(), bytes)).first(conn)?)
}

/// Up to `limit` files whose copies in `places` were read the longest ago, and before `since`.
pub fn stalest(
    conn: &mut PgConnection,
    places: &[&str],
    since: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<FileRow>> {
    let mut rows: Vec<FileRow> = attachment_copies::table
        .inner_join(attachments::table)
        .filter(attachment_copies::place.eq_any(places))
        .filter(attachment_copies::state.eq("present"))
        .filter(attachment_copies::verified_at.is_null().or(attachment_copies::verified_at.lt(since)))
        .filter(attachments::state.ne("purged"))
        .order((attachment_copies::verified_at.asc().nulls_first(), attachment_copies::attachment_id))
        .select(FileRow::as_select())
        .limit(limit)
        .load(conn)?;
    rows.dedup_by_key(|row| row.id);
    Ok(rows)
}

/// Up to `limit` files with a copy in `places` that is bad and was not looked at since `before`.
pub fn troubled(
    conn: &mut PgConnection,
    places: &[&str],
    before: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<FileRow>> {
    let mut rows: Vec<FileRow> = attachment_copies::table
        .inner_join(attachments::table)
        .filter(attachment_copies::place.eq_any(places))
        .filter(attachment_copies::state.eq_any(["missing", "corrupt"]))
        .filter(attachment_copies::updated_at.lt(before))
        .filter(attachments::state.ne("purged"))
        .order(attachments::id)
        .select(FileRow::as_select())
        .limit(limit)
        .load(conn)?;
    rows.dedup_by_key(|row| row.id);
    Ok(rows)
}

/// Up to `limit` files with a sound copy in both places, in the order of their ids after `after`.
pub fn in_both(conn: &mut PgConnection, after: Option<Uuid>, limit: i64) -> Result<Vec<FileRow>> {
    let sound = |place: &'static str| {
        attachment_copies::table
            .filter(attachment_copies::place.eq(place))
            .filter(attachment_copies::state.eq("present"))
            .select(attachment_copies::attachment_id)
    };
    let mut query = attachments::table
        .filter(attachments::state.ne("purged"))
        .filter(attachments::id.eq_any(sound("local")))
        .filter(attachments::id.eq_any(sound("cloud")))
        .select(FileRow::as_select())
        .into_boxed::<Pg>();
    if let Some(after) = after {
        query = query.filter(attachments::id.gt(after));
    }
    Ok(query.order(attachments::id).limit(limit).load(conn)?)
}

/// Sets what all copies together make of a file. One that is in the trash or locked away keeps its place there.
pub fn settle_file(conn: &mut PgConnection, id: Uuid, state: &str) -> Result<()> {
    diesel::update(attachments::table.find(id))
        .filter(attachments::state.eq_any(["available", "missing", "corrupt"]))
        .set(attachments::state.eq(state))
        .execute(conn)?;
    Ok(())
}
