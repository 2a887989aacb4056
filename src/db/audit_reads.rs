//! Who looked at a file and who took it: events of reads, written beside the look-up that they belong to.
//!
//! These statements do not wait for PostgreSQL's disk (`synchronous_commit` is off for each of them), so that a read
//! costs one more statement and no fsync. When PostgreSQL itself is killed, the reads of the last half second may be
//! lost; those that a seal covers cannot be, for the seal's commit waits and comes after them in the log.

use chrono::{DateTime, Utc};
use diesel::{dsl, prelude::*, sql_query, sql_types};
use uuid::Uuid;

use super::{audit::NewEvent, schema::audit_events};
use crate::error::Result;

diesel::define_sql_function! {
    /// `set_config` of PostgreSQL: with `is_local` for this transaction only, which is this one statement.
    fn set_config(name: diesel::sql_types::Text, value: diesel::sql_types::Text, is_local: diesel::sql_types::Bool) -> diesel::sql_types::Text;
}

type Columns = (
    audit_events::at,
    audit_events::actor,
    audit_events::actor_id,
    audit_events::address,
    audit_events::action,
    audit_events::subject,
    audit_events::batch_id,
    audit_events::attachment_id,
    audit_events::details,
);

/// The event as the one row of a query that can be inserted, without a wait for the disk.
macro_rules! relaxed {
    ($event:expr) => {
        diesel::select((
            $event.at.into_sql::<sql_types::Timestamptz>(),
            $event.actor.into_sql::<sql_types::Text>(),
            $event.actor_id.into_sql::<sql_types::Nullable<sql_types::Uuid>>(),
            $event.address.as_deref().into_sql::<sql_types::Nullable<sql_types::Text>>(),
            $event.action.into_sql::<sql_types::Text>(),
            $event.subject.as_str().into_sql::<sql_types::Text>(),
            $event.batch_id.into_sql::<sql_types::Nullable<sql_types::Uuid>>(),
            $event.attachment_id.into_sql::<sql_types::Nullable<sql_types::Uuid>>(),
            (&$event.details).into_sql::<sql_types::Jsonb>(),
        ))
        .filter(set_config("synchronous_commit", "off", true).eq("off"))
    };
}

/// Adds the event of a read.
pub fn insert(conn: &mut PgConnection, event: &NewEvent<'_>) -> Result<()> {
    relaxed!(event).insert_into(audit_events::table).into_columns(Columns::default()).execute(conn)?;
    Ok(())
}

/// The same, unless this person did the same with the file after `since`.
pub fn insert_unless_since(
    conn: &mut PgConnection,
    event: &NewEvent<'_>,
    since: DateTime<Utc>,
) -> Result<()> {
    let latest = audit_events::table
        .filter(audit_events::action.eq("attachment.view"))
        .filter(audit_events::attachment_id.eq(event.attachment_id))
        .filter(audit_events::actor_id.eq(event.actor_id))
        .filter(audit_events::at.gt(since));
    relaxed!(event)
        .filter(dsl::not(dsl::exists(latest)))
        .insert_into(audit_events::table)
        .into_columns(Columns::default())
        .execute(conn)?;
    Ok(())
}

/// What one person, or all visitors together, read of a file.
#[derive(Clone, Debug, QueryableByName)]
pub struct Reader {
    #[diesel(sql_type = sql_types::Nullable<sql_types::Uuid>)]
    pub actor_id: Option<Uuid>,
    #[diesel(sql_type = sql_types::Text)]
    pub actor: String,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub username: Option<String>,
    #[diesel(sql_type = sql_types::BigInt)]
    pub views: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    pub downloads: i64,
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub last: DateTime<Utc>,
}

/// Who read a file, the last one first, by its latest `limit` reads: views, downloads, downloads by a share link.
pub fn readers(conn: &mut PgConnection, attachment: Uuid, limit: i64) -> Result<Vec<Reader>> {
    Ok(sql_query(
        "SELECT actor_id, max(actor) AS actor,
                (SELECT username FROM users WHERE users.id = actor_id) AS username,
                count(*) FILTER (WHERE action = 'attachment.view') AS views,
                count(*) FILTER (WHERE action <> 'attachment.view') AS downloads, max(at) AS last
           FROM (SELECT actor_id, actor, action, at FROM audit_events
                  WHERE attachment_id = $1
                    AND action IN ('attachment.view', 'attachment.download', 'share.download')
                  ORDER BY id DESC LIMIT $2) latest
          GROUP BY actor_id ORDER BY last DESC",
    )
    .bind::<sql_types::Uuid, _>(attachment)
    .bind::<sql_types::BigInt, _>(limit)
    .load(conn)?)
}
