//! Second factors and recovery codes.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use super::schema::{recovery_codes, two_factors};
use crate::error::Result;

#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = two_factors, treat_none_as_default_value = false)]
pub struct FactorRow {
    pub user_id: Uuid,
    pub secret: Vec<u8>,
    pub created_at: DateTime<Utc>,
    pub enabled_at: Option<DateTime<Utc>>,
    pub last_step: i64,
    pub wrong_codes: i32,
    pub wait_until: Option<DateTime<Utc>>,
}

pub fn find(conn: &mut PgConnection, user_id: Uuid) -> Result<Option<FactorRow>> {
    Ok(two_factors::table.find(user_id).select(FactorRow::as_select()).first(conn).optional()?)
}

/// The row, locked until the transaction ends.
pub fn find_for_update(conn: &mut PgConnection, user_id: Uuid) -> Result<Option<FactorRow>> {
    Ok(two_factors::table.find(user_id).select(FactorRow::as_select()).for_update().first(conn).optional()?)
}

pub fn insert(conn: &mut PgConnection, row: &FactorRow) -> Result<()> {
    diesel::insert_into(two_factors::table).values(row).execute(conn)?;
    Ok(())
}

pub fn enable(conn: &mut PgConnection, user_id: Uuid, step: i64, at: DateTime<Utc>) -> Result<()> {
    diesel::update(two_factors::table.find(user_id))
        .set((two_factors::enabled_at.eq(at), two_factors::last_step.eq(step)))
        .execute(conn)?;
    Ok(())
}

/// Steps that two codes good at the same moment can be apart: one before and one after the present.
const STEPS_APART: i64 = 2;

/// Uses up the code of a step and all before it; `false` when it was used already. Requests at the same moment
/// wait for each other at the row. A last step further ahead was used while the clock ran ahead: it would refuse every
/// code until that time came again, so it does not count.
pub fn use_step(conn: &mut PgConnection, user_id: Uuid, step: i64) -> Result<bool> {
    let is_new = two_factors::last_step.lt(step).or(two_factors::last_step.gt(step + STEPS_APART));
    let used = diesel::update(two_factors::table.find(user_id))
        .filter(is_new)
        .set(two_factors::last_step.eq(step))
        .execute(conn)?;
    Ok(used > 0)
}

/// Takes the second factor and its recovery codes away; `false` when there was none.
pub fn delete(conn: &mut PgConnection, user_id: Uuid) -> Result<bool> {
    // In the order in which a code is used up, so that nobody waits crosswise.
    let was_there = diesel::delete(two_factors::table.find(user_id)).execute(conn)? > 0;
    diesel::delete(recovery_codes::table.filter(recovery_codes::user_id.eq(user_id))).execute(conn)?;
    Ok(was_there)
}

/// Notes how many codes in a row were wrong, and until when none counts.
pub fn put_wrong(
    conn: &mut PgConnection,
    user_id: Uuid,
    wrong: i32,
    wait_until: Option<DateTime<Utc>>,
) -> Result<()> {
    diesel::update(two_factors::table.find(user_id))
        .set((two_factors::wrong_codes.eq(wrong), two_factors::wait_until.eq(wait_until)))
        .execute(conn)?;
    Ok(())
}

/// Adds recovery codes in the place of all others.
pub fn replace_codes(conn: &mut PgConnection, user_id: Uuid, hashes: &[Vec<u8>]) -> Result<()> {
    diesel::delete(recovery_codes::table.filter(recovery_codes::user_id.eq(user_id))).execute(conn)?;
    let rows: Vec<_> = hashes
        .iter()
        .map(|hash| (recovery_codes::user_id.eq(user_id), recovery_codes::code_hash.eq(hash)))
        .collect();
    diesel::insert_into(recovery_codes::table).values(rows).execute(conn)?;
    Ok(())
}

/// Uses a recovery code up; `false` when there is no such code.
pub fn use_code(conn: &mut PgConnection, user_id: Uuid, hash: &[u8]) -> Result<bool> {
    Ok(diesel::delete(recovery_codes::table.find((user_id, hash))).execute(conn)? > 0)
}

pub fn codes_left(conn: &mut PgConnection, user_id: Uuid) -> Result<i64> {
    Ok(recovery_codes::table.filter(recovery_codes::user_id.eq(user_id)).count().get_result(conn)?)
}
