//! Resumable uploads: how far each is, and who appends to it right now. Every statement that changes an upload
//! names the lease, so that somebody whose lease ran out changes nothing any more.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use super::schema::uploads;
use crate::error::Result;

#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = uploads, treat_none_as_default_value = false)]
pub struct UploadRow {
    pub id: Uuid,
    pub batch_id: Uuid,
    pub user_id: Uuid,
    pub filename: String,
    pub metadata: String,
    pub length: i64,
    pub received: i64,
    pub state: String,
    pub attachment_id: Option<Uuid>,
    pub lease: Option<Uuid>,
    pub lease_until: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// Who appends to which upload.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    pub upload: Uuid,
    pub lease: Uuid,
}

/// The open upload of a claim, as long as the claim holds.
macro_rules! claimed {
    ($claim:expr) => {
        diesel::update(uploads::table.find($claim.upload))
            .filter(uploads::state.eq("open"))
            .filter(uploads::lease.eq($claim.lease))
    };
}

pub fn insert(conn: &mut PgConnection, row: &UploadRow) -> Result<()> {
    diesel::insert_into(uploads::table).values(row).execute(conn)?;
    Ok(())
}

pub fn find(conn: &mut PgConnection, id: Uuid) -> Result<Option<UploadRow>> {
    Ok(uploads::table.find(id).select(UploadRow::as_select()).first(conn).optional()?)
}

/// How many uploads of a person can still go on, as far as `limit`.
pub fn open_of(conn: &mut PgConnection, user: Uuid, now: DateTime<Utc>, limit: i64) -> Result<usize> {
    let open = uploads::table
        .filter(uploads::user_id.eq(user))
        .filter(uploads::state.eq("open"))
        .filter(uploads::expires_at.gt(now));
    Ok(open.limit(limit).select(uploads::id).load::<Uuid>(conn)?.len())
}

/// No lease is longer: one that ends later was taken while the clock ran ahead.
const LEASE_MAX: TimeDelta = TimeDelta::minutes(5);

/// Takes the lease of an open upload that has exactly `received` bytes; `false` when somebody else has it.
pub fn take(
    conn: &mut PgConnection,
    claim: Claim,
    received: i64,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<bool> {
    let is_over = uploads::lease_until.lt(now).or(uploads::lease_until.gt(now + LEASE_MAX));
    let taken = diesel::update(uploads::table.find(claim.upload))
        .filter(uploads::state.eq("open"))
        .filter(uploads::received.eq(received))
        .filter(uploads::lease_until.is_null().or(is_over))
        .set((uploads::lease.eq(claim.lease), uploads::lease_until.eq(until)))
        .execute(conn)?;
    Ok(taken > 0)
}

/// Records that `received` bytes are durable, and prolongs the lease or gives it back; `false` when the claim is
/// lost.
pub fn advance(
    conn: &mut PgConnection,
    claim: Claim,
    received: i64,
    now: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
    expires_at: DateTime<Utc>,
) -> Result<bool> {
    let advanced = claimed!(claim)
        .set((
            uploads::received.eq(received),
            uploads::lease.eq(until.map(|_| claim.lease)),
            uploads::lease_until.eq(until),
            uploads::updated_at.eq(now),
            uploads::expires_at.eq(expires_at),
        ))
        .execute(conn)?;
    Ok(advanced > 0)
}

/// Whether the claim still holds.
pub fn holds(conn: &mut PgConnection, claim: Claim) -> Result<bool> {
    let held = uploads::table
        .find(claim.upload)
        .filter(uploads::state.eq("open"))
        .filter(uploads::lease.eq(claim.lease));
    Ok(diesel::select(diesel::dsl::exists(held)).get_result(conn)?)
}

/// Gives the lease back.
pub fn release(conn: &mut PgConnection, claim: Claim) -> Result<bool> {
    let released = claimed!(claim)
        .set((uploads::lease.eq(None::<Uuid>), uploads::lease_until.eq(None::<DateTime<Utc>>)))
        .execute(conn)?;
    Ok(released > 0)
}

/// The whole file is stored; `false` when the claim is lost.
pub fn finish(
    conn: &mut PgConnection,
    claim: Claim,
    attachment_id: Uuid,
    now: DateTime<Utc>,
) -> Result<bool> {
    let finished = claimed!(claim)
        .set((
            uploads::received.eq(uploads::length),
            uploads::state.eq("finished"),
            uploads::attachment_id.eq(attachment_id),
            uploads::lease.eq(None::<Uuid>),
            uploads::lease_until.eq(None::<DateTime<Utc>>),
            uploads::updated_at.eq(now),
        ))
        .execute(conn)?;
    Ok(finished > 0)
}

/// A refused upload is forgotten at once; `false` when the claim is lost.
pub fn forget(conn: &mut PgConnection, claim: Claim) -> Result<bool> {
    let claimed = uploads::table
        .find(claim.upload)
        .filter(uploads::state.eq("open"))
        .filter(uploads::lease.eq(claim.lease));
    Ok(diesel::delete(claimed).execute(conn)? > 0)
}

/// Ends an open upload, whoever appends to it.
pub fn cancel(conn: &mut PgConnection, id: Uuid, now: DateTime<Utc>) -> Result<bool> {
    let cancelled = diesel::update(uploads::table.find(id))
        .filter(uploads::state.eq("open"))
        .set((
            uploads::state.eq("cancelled"),
            uploads::lease.eq(None::<Uuid>),
            uploads::lease_until.eq(None::<DateTime<Utc>>),
            uploads::updated_at.eq(now),
        ))
        .execute(conn)?;
    Ok(cancelled > 0)
}

/// Ends the open uploads whose time is over, but for those that somebody appends to.
pub fn expire(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<usize> {
    Ok(diesel::update(uploads::table)
        .filter(uploads::state.eq("open"))
        .filter(uploads::expires_at.le(now))
        .filter(uploads::lease_until.is_null().or(uploads::lease_until.lt(now)))
        .set((
            uploads::state.eq("expired"),
            uploads::lease.eq(None::<Uuid>),
            uploads::lease_until.eq(None::<DateTime<Utc>>),
            uploads::updated_at.eq(now),
        ))
        .execute(conn)?)
}

/// Removes uploads that ended before `before`.
pub fn remove_ended(conn: &mut PgConnection, before: DateTime<Utc>) -> Result<usize> {
    let ended = uploads::table.filter(uploads::state.ne("open")).filter(uploads::updated_at.lt(before));
    Ok(diesel::delete(ended).execute(conn)?)
}

/// Those of `ids` that are open.
pub fn open_among(conn: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Uuid>> {
    Ok(uploads::table
        .filter(uploads::id.eq_any(ids))
        .filter(uploads::state.eq("open"))
        .select(uploads::id)
        .load(conn)?)
}
