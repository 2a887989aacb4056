//! The trail as people read it: filtered, newest first, in keyset pages. The order is that of ids, which is the order
//! in which events came in.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{dsl::sql, pg::Pg, prelude::*, sql_types};
use uuid::Uuid;

use super::{
    audit::{changes, of_living},
    audit_seals::WholeEvent,
    like_anywhere,
    schema::{attachments, audit_events, batches, sites, users},
};
use crate::error::Result;

/// Longer than any transaction runs, and than clocks of instances differ: an event that is dated more than this before
/// another one has the smaller id.
const SKEW: TimeDelta = TimeDelta::days(1);

/// Which events are wanted; what is `None` does not matter.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub actor: Option<Actors>,
    pub actions: Option<Vec<&'static str>>,
    pub about: Option<About>,
    pub since: Option<DateTime<Utc>>,
    /// Not itself in it.
    pub until: Option<DateTime<Utc>>,
    pub address: Option<String>,
    /// Words in the actor's name or the details of everything but [`super::audit::READS`].
    pub text: Option<String>,
    /// The id before which the page starts.
    pub before: Option<i64>,
}

/// Whose events.
#[derive(Clone, Debug)]
pub enum Actors {
    Accounts(Vec<Uuid>),
    /// Those who have none: `anonymous`, `console`, `system`, `visitor`.
    Nameless(String),
}

/// What events are about: any of these.
#[derive(Clone, Debug, Default)]
pub struct About {
    pub batches: Vec<Uuid>,
    pub files: Vec<Uuid>,
    /// Keys such as `user:…`.
    pub subjects: Vec<String>,
}

pub type Listed = (WholeEvent, Option<i64>);

/// Up to `limit` events with the seal that covers each.
pub fn page(conn: &mut PgConnection, filter: &Filter, limit: i64) -> Result<Vec<Listed>> {
    let mut query = audit_events::table.into_boxed::<Pg>();
    query = match &filter.actor {
        Some(Actors::Accounts(ids)) => query.filter(audit_events::actor_id.eq_any(ids.clone())),
        Some(Actors::Nameless(name)) => {
            query.filter(audit_events::actor_id.is_null()).filter(audit_events::actor.eq(name.clone()))
        }
        None => query,
    };
    if let Some(actions) = &filter.actions {
        query = query.filter(audit_events::action.eq_any(actions.clone()));
    }
    if let Some(About { batches, files, subjects }) = &filter.about {
        query = query.filter(
            audit_events::batch_id
                .eq_any(batches.clone())
                .or(audit_events::attachment_id.eq_any(files.clone()))
                .or(audit_events::batch_id.is_null().and(audit_events::subject.eq_any(subjects.clone())))
                .assume_not_null(),
        );
    }
    if let Some(since) = filter.since {
        query = query.filter(audit_events::at.ge(since));
        if let Some(bound) = last_before(conn, since - SKEW)? {
            query = query.filter(audit_events::id.gt(bound));
        }
    }
    if let Some(until) = filter.until {
        query = query.filter(audit_events::at.lt(until));
        if let Some(bound) = first_from(conn, until + SKEW)? {
            query = query.filter(audit_events::id.lt(bound));
        }
    }
    if let Some(address) = &filter.address {
        query = query.filter(audit_events::address.eq(address.clone()));
    }
    if let Some(text) = &filter.text {
        let pattern = like_anywhere(&text.to_lowercase());
        query = query.filter(changes()).filter(
            sql::<sql_types::Bool>("lower(actor || ' ' || details::text) LIKE ")
                .bind::<sql_types::Text, _>(pattern),
        );
    }
    if let Some(before) = filter.before {
        query = query.filter(audit_events::id.lt(before));
    }
    Ok(query
        .order(audit_events::id.desc())
        .limit(limit)
        .select((WholeEvent::as_select(), audit_events::seal_id))
        .load(conn)?)
}

fn last_before(conn: &mut PgConnection, at: DateTime<Utc>) -> Result<Option<i64>> {
    Ok(audit_events::table
        .filter(audit_events::at.lt(at))
        .order(audit_events::at.desc())
        .select(audit_events::id)
        .first(conn)
        .optional()?)
}

fn first_from(conn: &mut PgConnection, at: DateTime<Utc>) -> Result<Option<i64>> {
    Ok(audit_events::table
        .filter(audit_events::at.ge(at))
        .order(audit_events::at.asc())
        .select(audit_events::id)
        .first(conn)
        .optional()?)
}

/// Up to `limit` events of a batch and its files, oldest first; without `with_trash` only of files that are not in the
/// trash.
pub fn of_batch(conn: &mut PgConnection, batch: Uuid, with_trash: bool, limit: i64) -> Result<Vec<Listed>> {
    let of_batch = audit_events::table
        .filter(audit_events::batch_id.eq(batch))
        .order(audit_events::id.asc())
        .limit(limit)
        .select((WholeEvent::as_select(), audit_events::seal_id));
    Ok(if with_trash { of_batch.load(conn)? } else { of_batch.filter(of_living()).load(conn)? })
}

/// Users who bear this name or user name, whatever the case.
pub fn users_named(conn: &mut PgConnection, name: &str) -> Result<Vec<Uuid>> {
    let lower = name.to_lowercase();
    Ok(users::table
        .filter(
            users::username
                .eq(lower.clone())
                .or(sql::<sql_types::Bool>("lower(display_name) = ").bind::<sql_types::Text, _>(lower)),
        )
        .select(users::id)
        .limit(100)
        .load(conn)?)
}

/// Batches whose number holds this text, the latest first.
pub fn batches_numbered(conn: &mut PgConnection, text: &str, limit: i64) -> Result<Vec<Uuid>> {
    let pattern = like_anywhere(&text.to_lowercase());
    Ok(batches::table
        .filter(
            sql::<sql_types::Bool>("lower(number || ' ' || product) LIKE ")
                .bind::<sql_types::Text, _>(pattern.clone()),
        )
        .filter(sql::<sql_types::Bool>("lower(number) LIKE ").bind::<sql_types::Text, _>(pattern))
        .order(batches::created_at.desc())
        .select(batches::id)
        .limit(limit)
        .load(conn)?)
}

/// Files whose name holds this text, the latest first.
pub fn files_named(conn: &mut PgConnection, text: &str, limit: i64) -> Result<Vec<Uuid>> {
    let pattern = like_anywhere(&text.to_lowercase());
    Ok(attachments::table
        .filter(sql::<sql_types::Bool>("lower(original_name) LIKE ").bind::<sql_types::Text, _>(pattern))
        .order(attachments::uploaded_at.desc())
        .select(attachments::id)
        .limit(limit)
        .load(conn)?)
}

/// Numbers of batches by their ids.
pub fn batch_numbers(conn: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<(Uuid, String)>> {
    Ok(batches::table.filter(batches::id.eq_any(ids)).select((batches::id, batches::number)).load(conn)?)
}

/// Names of files by their ids, and whether each is purged.
pub fn file_names(conn: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<(Uuid, String, String)>> {
    Ok(attachments::table
        .filter(attachments::id.eq_any(ids))
        .select((attachments::id, attachments::original_name, attachments::state))
        .load(conn)?)
}

/// Ids, user names and the names that are shown.
pub fn user_names(conn: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<(Uuid, String, String)>> {
    Ok(users::table
        .filter(users::id.eq_any(ids))
        .select((users::id, users::username, users::display_name))
        .load(conn)?)
}

pub fn site_names(conn: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<(Uuid, String)>> {
    Ok(sites::table.filter(sites::id.eq_any(ids)).select((sites::id, sites::name)).load(conn)?)
}

/// A file as a batch's history names it, whatever became of it.
#[derive(Clone, Debug, Queryable)]
pub struct FileOnRecord {
    pub id: Uuid,
    pub name: String,
    pub size_bytes: i64,
    pub sha256: Vec<u8>,
    pub state: String,
    pub uploader: String,
    pub uploaded_at: DateTime<Utc>,
}

/// Up to `limit` files that a batch ever had, oldest first; without `with_trash` only those it has.
pub fn files_of_batch(
    conn: &mut PgConnection,
    batch: Uuid,
    with_trash: bool,
    limit: i64,
) -> Result<Vec<FileOnRecord>> {
    let gone: &[&str] = if with_trash { &[] } else { &["trashed", "purged"] };
    Ok(attachments::table
        .inner_join(users::table.on(users::id.eq(attachments::uploaded_by)))
        .filter(attachments::batch_id.eq(batch))
        .filter(attachments::state.ne_all(gone))
        .order((attachments::uploaded_at.asc(), attachments::id.asc()))
        .limit(limit)
        .select((
            attachments::id,
            attachments::original_name,
            attachments::size_bytes,
            attachments::sha256,
            attachments::state,
            users::display_name,
            attachments::uploaded_at,
        ))
        .load(conn)?)
}
