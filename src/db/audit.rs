//! The trail of events. Rows are only ever added, in the transaction of what they describe.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde_json::Value;
use uuid::Uuid;

use super::schema::{audit_events, users};
use crate::error::Result;

#[derive(Debug, Insertable)]
#[diesel(table_name = audit_events, treat_none_as_default_value = false)]
pub struct NewEvent<'a> {
    pub at: DateTime<Utc>,
    pub actor: &'a str,
    pub actor_id: Option<Uuid>,
    pub address: Option<String>,
    pub action: &'a str,
    pub subject: String,
    pub batch_id: Option<Uuid>,
    pub attachment_id: Option<Uuid>,
    pub details: Value,
}

#[derive(Clone, Debug, Queryable)]
pub struct EventRow {
    pub id: i64,
    pub at: DateTime<Utc>,
    pub actor: String,
    pub actor_id: Option<Uuid>,
    /// That of the actor's account.
    pub username: Option<String>,
    pub action: String,
    pub subject: String,
    pub details: Value,
}

/// The columns of [`EventRow`], the user name looked up by its key for each row that is shown.
macro_rules! event_row {
    () => {
        (
            audit_events::id,
            audit_events::at,
            audit_events::actor,
            audit_events::actor_id,
            users::table
                .filter(users::id.nullable().eq(audit_events::actor_id))
                .select(users::username)
                .single_value(),
            audit_events::action,
            audit_events::subject,
            audit_events::details,
        )
    };
}

/// Several at once, in one statement for each thousand: PostgreSQL binds at most 65,535 values.
pub fn insert_many(conn: &mut PgConnection, events: &[NewEvent<'_>]) -> Result<()> {
    for events in events.chunks(1000) {
        diesel::insert_into(audit_events::table).values(events).execute(conn)?;
    }
    Ok(())
}

pub fn insert(conn: &mut PgConnection, event: &NewEvent<'_>) -> Result<()> {
    diesel::insert_into(audit_events::table).values(event).execute(conn)?;
    Ok(())
}

/// What people do without changing anything, and do so often that pages about changes leave it out. The indexes
/// `audit_events_changes_…` say the same.
pub const READS: [&str; 2] = ["attachment.view", "attachment.download"];

/// Whether an event is not about a file that is in the trash or gone from there.
pub(super) fn of_living() -> diesel::expression::SqlLiteral<diesel::sql_types::Bool> {
    diesel::dsl::sql(
        "(audit_events.attachment_id IS NULL OR EXISTS (SELECT 1 FROM attachments WHERE id = audit_events.attachment_id \
          AND state NOT IN ('trashed', 'purged')))",
    )
}

/// The latest changes of a batch and its files, newest first; without `with_trash` only of files that are not in the
/// trash. An interval of one rather than an equality, here and
/// below: it keeps the planner from reading all events from the newest on until it meets some of this batch.
pub fn of_batch(
    conn: &mut PgConnection,
    batch_id: Uuid,
    with_trash: bool,
    limit: i64,
) -> Result<Vec<EventRow>> {
    let of_batch = audit_events::table
        .filter(audit_events::batch_id.between(batch_id, batch_id))
        .filter(changes())
        .order((audit_events::batch_id, audit_events::id.desc()))
        .limit(limit)
        .select(event_row!());
    Ok(if with_trash { of_batch.load(conn)? } else { of_batch.filter(of_living()).load(conn)? })
}

/// The latest changes of one file, newest first.
pub fn of_attachment(conn: &mut PgConnection, attachment_id: Uuid, limit: i64) -> Result<Vec<EventRow>> {
    Ok(audit_events::table
        .filter(audit_events::attachment_id.between(attachment_id, attachment_id))
        .filter(changes())
        .order((audit_events::attachment_id, audit_events::id.desc()))
        .limit(limit)
        .select(event_row!())
        .load(conn)?)
}

/// Everything but [`READS`], in the words of the partial indexes: bound values would not prove that they fit.
pub(super) fn changes() -> diesel::expression::SqlLiteral<diesel::sql_types::Bool> {
    diesel::dsl::sql("audit_events.action NOT IN ('attachment.view', 'attachment.download')")
}
