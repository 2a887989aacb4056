//! Files that the scanner looks at again, and those that are locked away.

use chrono::{DateTime, Utc};
use diesel::{dsl, pg::Pg, prelude::*, sql_types};
use serde_json::Value;
use uuid::Uuid;

use super::{
    attachments::AttachmentRow,
    functions::lower,
    schema::{attachments, audit_events, batches, users},
};
use crate::error::Result;

/// Which files to scan again.
#[derive(Clone, Debug)]
pub enum Scope {
    All,
    /// Those that no scanner has called clean.
    Unscanned,
    /// Those of the batches with this number.
    Batch(String),
}

/// States whose bytes are there, or may be there, and are not locked away already.
const SCANNED: [&str; 4] = ["available", "missing", "corrupt", "trashed"];

fn scoped(scope: &Scope) -> attachments::BoxedQuery<'static, Pg> {
    let query = attachments::table
        .filter(attachments::state.eq_any(SCANNED))
        // One in the trash that was found bad is locked away as soon as it comes back.
        .filter(attachments::scan.ne("infected"))
        .into_boxed::<Pg>();
    match scope {
        Scope::All => query,
        Scope::Unscanned => query.filter(attachments::scan.ne("clean")),
        Scope::Batch(number) => {
            let wanted =
                batches::table.filter(lower(batches::number).eq(number.to_lowercase())).select(batches::id);
            query.filter(attachments::batch_id.eq_any(wanted))
        }
    }
}

/// How many files and bytes are within `scope`.
pub fn size_of(conn: &mut PgConnection, scope: &Scope) -> Result<(i64, i64)> {
    let bytes = dsl::sql::<sql_types::BigInt>("coalesce(sum(size_bytes), 0)::bigint");
    Ok(scoped(scope).select((dsl::count_star(), bytes)).first(conn)?)
}

/// Up to `limit` files within `scope`, in the order of their ids after `after`.
pub fn within(
    conn: &mut PgConnection,
    scope: &Scope,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<AttachmentRow>> {
    let mut query = scoped(scope);
    if let Some(after) = after {
        query = query.filter(attachments::id.gt(after));
    }
    Ok(query.order(attachments::id).limit(limit).select(AttachmentRow::as_select()).load(conn)?)
}

/// Sets what the scanner says of a file that is not locked away.
pub fn set_scan(conn: &mut PgConnection, id: Uuid, scan: &str) -> Result<()> {
    diesel::update(attachments::table.find(id))
        .filter(attachments::state.eq_any(SCANNED))
        .set(attachments::scan.eq(scan))
        .execute(conn)?;
    Ok(())
}

/// Locks a file away; one in the trash stays there, and is locked away when it comes back.
pub fn lock_away(conn: &mut PgConnection, id: Uuid) -> Result<()> {
    let state = dsl::sql::<sql_types::Text>("CASE state WHEN 'trashed' THEN state ELSE 'quarantined' END");
    diesel::update(attachments::table.find(id))
        .set((attachments::scan.eq("infected"), attachments::state.eq(state)))
        .execute(conn)?;
    Ok(())
}

/// Makes a file that was locked away one like every other.
pub fn release(conn: &mut PgConnection, id: Uuid) -> Result<()> {
    diesel::update(attachments::table.find(id))
        .set((attachments::scan.eq("skipped"), attachments::state.eq("available")))
        .execute(conn)?;
    Ok(())
}

/// A file that is locked away.
#[derive(Clone, Debug, Queryable)]
pub struct Locked {
    pub id: Uuid,
    pub filename: String,
    pub bytes: i64,
    pub batch_id: Uuid,
    pub batch_number: String,
    pub uploader: String,
    pub uploaded_at: DateTime<Utc>,
}

/// Up to `limit` files that are locked away, the latest first, after a place in that order. Those of a batch in the
/// trash are with it.
pub fn locked(conn: &mut PgConnection, after: Option<Uuid>, limit: i64) -> Result<Vec<Locked>> {
    Ok(attachments::table
        .inner_join(batches::table)
        .inner_join(users::table.on(users::id.eq(attachments::uploaded_by)))
        .filter(attachments::state.eq("quarantined"))
        .filter(batches::trashed_at.is_null())
        .filter(attachments::id.lt(after.unwrap_or(Uuid::max())))
        .order(attachments::id.desc())
        .limit(limit)
        .select((
            attachments::id,
            attachments::original_name,
            attachments::size_bytes,
            attachments::batch_id,
            batches::number,
            users::display_name,
            attachments::uploaded_at,
        ))
        .load(conn)?)
}

/// When each of these files was locked away and why, the latest first.
pub fn verdicts(conn: &mut PgConnection, files: &[Uuid]) -> Result<Vec<(Uuid, DateTime<Utc>, Value)>> {
    Ok(audit_events::table
        .filter(audit_events::attachment_id.eq_any(files))
        .filter(audit_events::action.eq("attachment.quarantine"))
        .order(audit_events::id.desc())
        .select((audit_events::attachment_id.assume_not_null(), audit_events::at, audit_events::details))
        .load(conn)?)
}

/// A file that was refused: when, by whom, for which batch, and what the trail keeps of it.
#[derive(Clone, Debug, Queryable)]
pub struct Refused {
    /// That of its event, by which they are ordered.
    pub id: i64,
    pub at: DateTime<Utc>,
    pub actor: String,
    pub batch_id: Uuid,
    pub batch_number: String,
    pub details: Value,
}

/// The latest files that were refused because of malware, before an event.
pub fn refused(conn: &mut PgConnection, before: Option<i64>, limit: i64) -> Result<Vec<Refused>> {
    Ok(audit_events::table
        .inner_join(batches::table)
        .filter(audit_events::action.eq("attachment.infected"))
        .filter(audit_events::id.lt(before.unwrap_or(i64::MAX)))
        .order(audit_events::id.desc())
        .limit(limit)
        .select((
            audit_events::id,
            audit_events::at,
            audit_events::actor,
            batches::id,
            batches::number,
            audit_events::details,
        ))
        .load(conn)?)
}
