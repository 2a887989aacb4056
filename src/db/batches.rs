//! Production batches.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{pg::Pg, prelude::*};
use uuid::Uuid;

use super::{
    attachments::AttachmentRow,
    ledger::{self, Op, Part},
    schema::{batches, users},
};
use crate::error::Result;

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = batches)]
pub struct BatchRow {
    pub id: Uuid,
    pub site_id: Uuid,
    pub number: String,
    pub product: String,
    pub notes: String,
    pub status: String,
    pub created_by: Uuid,
    pub created_at: DateTime<Utc>,
    pub trashed_at: Option<DateTime<Utc>>,
    pub trashed_by: Option<Uuid>,
    pub files_count: i64,
    pub pictures_count: i64,
    pub bytes_total: i64,
    pub last_activity_at: DateTime<Utc>,
    /// On legal hold since then: nothing of it may go.
    pub held_at: Option<DateTime<Utc>>,
    pub held_by: Option<Uuid>,
    pub hold_reason: String,
    /// Its removal for good has begun: it is gone for everybody.
    pub purge_begun_at: Option<DateTime<Utc>>,
    pub purged_at: Option<DateTime<Utc>>,
}

impl BatchRow {
    /// One that is being removed for good is gone for everybody.
    pub fn is_there(&self) -> bool {
        self.purge_begun_at.is_none()
    }
}

#[derive(Debug, Insertable)]
#[diesel(table_name = batches, treat_none_as_default_value = false)]
pub struct NewBatchRow<'a> {
    pub id: Uuid,
    pub site_id: Uuid,
    pub number: &'a str,
    pub product: &'a str,
    pub notes: &'a str,
    pub created_by: Uuid,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub last_activity_at: DateTime<Utc>,
}

pub fn insert(conn: &mut PgConnection, batch: &NewBatchRow<'_>) -> Result<()> {
    diesel::insert_into(batches::table).values(batch).execute(conn)?;
    Ok(())
}

/// How many there are, in the trash too.
pub fn count_all(conn: &mut PgConnection) -> Result<i64> {
    Ok(batches::table.count().get_result(conn)?)
}

pub fn find(conn: &mut PgConnection, id: Uuid) -> Result<Option<BatchRow>> {
    Ok(batches::table.find(id).select(BatchRow::as_select()).first(conn).optional()?)
}

/// The row, locked against every other change until the transaction ends.
pub fn find_for_update(conn: &mut PgConnection, id: Uuid) -> Result<Option<BatchRow>> {
    Ok(batches::table.find(id).select(BatchRow::as_select()).for_update().first(conn).optional()?)
}

/// All of these that there are, by their ids.
pub fn of(conn: &mut PgConnection, ids: &[Uuid]) -> Result<HashMap<Uuid, BatchRow>> {
    let rows: Vec<BatchRow> =
        batches::table.filter(batches::id.eq_any(ids)).select(BatchRow::as_select()).load(conn)?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// Those of `ids` that are not in the trash, of these sites (`None` is all), in no order.
pub fn living(conn: &mut PgConnection, ids: &[Uuid], sites: Option<&[Uuid]>) -> Result<Vec<BatchRow>> {
    let mut query = batches::table
        .filter(batches::id.eq_any(ids.to_vec()))
        .filter(batches::trashed_at.is_null())
        .select(BatchRow::as_select())
        .into_boxed::<Pg>();
    if let Some(sites) = sites {
        query = query.filter(batches::site_id.eq_any(sites.to_vec()));
    }
    Ok(query.load(conn)?)
}

/// Up to `limit` batches in the trash, the latest first, with the name of who put it there; only those after a place
/// in this order.
pub fn trashed(
    conn: &mut PgConnection,
    sites: Option<&[Uuid]>,
    after: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> Result<Vec<(BatchRow, String)>> {
    let mut query = batches::table
        .inner_join(users::table.on(batches::trashed_by.eq(users::id.nullable())))
        .filter(batches::trashed_at.is_not_null())
        .filter(batches::purge_begun_at.is_null())
        .select((BatchRow::as_select(), users::display_name))
        .into_boxed::<Pg>();
    if let Some(sites) = sites {
        query = query.filter(batches::site_id.eq_any(sites.to_vec()));
    }
    if let Some((at, id)) = after {
        // The first condition finds the place in the index, the second drops the few equal ones.
        query = query
            .filter(batches::trashed_at.le(at))
            .filter(batches::trashed_at.lt(at).or(batches::id.lt(id).nullable()));
    }
    Ok(query.order((batches::trashed_at.desc(), batches::id.desc())).limit(limit).load(conn)?)
}

pub fn set_details(
    conn: &mut PgConnection,
    id: Uuid,
    number: &str,
    product: &str,
    notes: &str,
    at: DateTime<Utc>,
) -> Result<()> {
    diesel::update(batches::table.find(id))
        .set((
            batches::number.eq(number),
            batches::product.eq(product),
            batches::notes.eq(notes),
            batches::updated_at.eq(at),
            batches::last_activity_at.eq(at),
        ))
        .execute(conn)?;
    Ok(())
}

pub fn set_status(conn: &mut PgConnection, id: Uuid, status: &str, at: DateTime<Utc>) -> Result<()> {
    diesel::update(batches::table.find(id))
        .set((batches::status.eq(status), batches::updated_at.eq(at), batches::last_activity_at.eq(at)))
        .execute(conn)?;
    Ok(())
}

/// Moves a batch that is not there yet to or from the trash, with the files it shows.
pub fn set_trashed(
    conn: &mut PgConnection,
    id: Uuid,
    trashed: Option<(DateTime<Utc>, Uuid)>,
    at: DateTime<Utc>,
) -> Result<()> {
    diesel::update(batches::table.find(id))
        .set((
            batches::trashed_at.eq(trashed.map(|(at, _)| at)),
            batches::trashed_by.eq(trashed.map(|(_, by)| by)),
            batches::updated_at.eq(at),
            batches::last_activity_at.eq(at),
        ))
        .execute(conn)?;
    ledger::record_batch(conn, at, if trashed.is_some() { Op::Trash } else { Op::Restore }, id)
}

/// Puts a batch on hold, or takes it off.
pub fn set_hold(
    conn: &mut PgConnection,
    id: Uuid,
    hold: Option<(DateTime<Utc>, Uuid, &str)>,
    at: DateTime<Utc>,
) -> Result<()> {
    diesel::update(batches::table.find(id))
        .set((
            batches::held_at.eq(hold.map(|(at, _, _)| at)),
            batches::held_by.eq(hold.map(|(_, by, _)| by)),
            batches::hold_reason.eq(hold.map_or("", |(_, _, reason)| reason)),
            batches::updated_at.eq(at),
            batches::last_activity_at.eq(at),
        ))
        .execute(conn)?;
    Ok(())
}

/// What files' coming or going does to their batch, and to the ledger.
#[derive(Clone, Debug)]
pub struct Change {
    files: i64,
    pictures: i64,
    bytes: i64,
    parts: Vec<Part>,
}

impl Change {
    pub fn added(file: &AttachmentRow) -> Self {
        Self::added_all(std::slice::from_ref(file))
    }

    pub fn removed(file: &AttachmentRow) -> Self {
        Self::removed_all(std::slice::from_ref(file))
    }

    pub fn added_all(files: &[AttachmentRow]) -> Self {
        Self::times(files, 1)
    }

    pub fn removed_all(files: &[AttachmentRow]) -> Self {
        Self::times(files, -1)
    }

    fn times(files: &[AttachmentRow], sign: i64) -> Self {
        let pictures = files.iter().filter(|file| file.content_type.starts_with("image/")).count();
        let bytes: i64 = files.iter().map(|file| file.size_bytes).sum();
        Self {
            files: sign * files.len() as i64,
            pictures: sign * pictures as i64,
            bytes: sign * bytes,
            parts: ledger::parts(files),
        }
    }
}

/// Counts a new file into a batch that is open and not in the trash; `false` when it is not.
pub fn count_into_open(conn: &mut PgConnection, id: Uuid, change: Change, at: DateTime<Utc>) -> Result<bool> {
    let site: Option<Uuid> = diesel::update(batches::table.find(id))
        .filter(batches::status.eq("open"))
        .filter(batches::trashed_at.is_null())
        .set((
            batches::files_count.eq(batches::files_count + change.files),
            batches::pictures_count.eq(batches::pictures_count + change.pictures),
            batches::bytes_total.eq(batches::bytes_total + change.bytes),
            batches::last_activity_at.eq(at),
        ))
        .returning(batches::site_id)
        .get_result(conn)
        .optional()?;
    let Some(site) = site else { return Ok(false) };
    ledger::record(conn, at, Op::Upload, site, &change.parts)?;
    Ok(true)
}

/// Counts files out of their batch and into the trash, or back.
pub fn count(conn: &mut PgConnection, id: Uuid, change: Change, at: DateTime<Utc>) -> Result<()> {
    let site: Uuid = diesel::update(batches::table.find(id))
        .set((
            batches::files_count.eq(batches::files_count + change.files),
            batches::pictures_count.eq(batches::pictures_count + change.pictures),
            batches::bytes_total.eq(batches::bytes_total + change.bytes),
            batches::last_activity_at.eq(at),
        ))
        .returning(batches::site_id)
        .get_result(conn)?;
    let op = if change.files < 0 { Op::Trash } else { Op::Restore };
    ledger::record(conn, at, op, site, &change.parts)
}
