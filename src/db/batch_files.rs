//! The files of one batch: filtered, sorted, in keyset pages (each order has its index), and changed together.

use chrono::{DateTime, Utc};
use diesel::{pg::Pg, prelude::*};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    attachments::{AttachmentRow, Found, FoundTuple, LIVING, copy_state, found},
    functions::lower,
    like_anywhere,
    schema::{attachment_copies, attachments, batches, users},
};
use crate::error::Result;

/// Which living files are wanted, and in what order.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only these; what belongs to another batch is not found.
    pub ids: Option<Vec<Uuid>>,
    pub kind: Option<&'static str>,
    /// Substring of the name, in any case.
    pub name: Option<String>,
    pub order: Order,
    /// Only what comes after this place in the order.
    pub after: Option<Place>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum By {
    /// Newest first.
    #[default]
    Time,
    /// By name, rising.
    Name,
    /// Largest first.
    Size,
    /// By kind, rising, and the newest of each first.
    Kind,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Order {
    pub by: By,
    /// The other way round than [`By`] says.
    pub reversed: bool,
}

/// A place in an order: the sort key of a file, and its id where keys are equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    key: Key,
    id: Uuid,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Key {
    Time(DateTime<Utc>),
    Name(String),
    Size(i64),
    Kind(String, DateTime<Utc>),
}

impl Order {
    /// Where a file stands in this order.
    pub fn place_of(self, row: &AttachmentRow) -> Place {
        let key = match self.by {
            By::Time => Key::Time(row.uploaded_at),
            By::Name => Key::Name(row.original_name.clone()),
            By::Size => Key::Size(row.size_bytes),
            By::Kind => Key::Kind(row.kind.clone(), row.uploaded_at),
        };
        Place { key, id: row.id }
    }
}

/// Orders by a column and the id, both falling or both rising, after a place. The bare comparison of the column
/// lets the index find the place; the other one settles equal keys.
macro_rules! along {
    ($query:ident, $falls:expr, $column:expr, $after:expr) => {
        if $falls {
            if let Some((key, last)) = $after {
                $query = $query
                    .filter($column.le(key.clone()))
                    .filter($column.lt(key).or(attachments::id.lt(last)));
            }
            $query.order(($column.desc(), attachments::id.desc()))
        } else {
            if let Some((key, last)) = $after {
                $query = $query
                    .filter($column.ge(key.clone()))
                    .filter($column.gt(key).or(attachments::id.gt(last)));
            }
            $query.order(($column.asc(), attachments::id.asc()))
        }
    };
}

/// Up to `limit` living files of a batch. A place that is not of the order is ignored.
pub fn page(conn: &mut PgConnection, batch: Uuid, filter: &Filter, limit: i64) -> Result<Vec<Found>> {
    let mut query = found!()
        .filter(attachments::batch_id.eq(batch))
        .filter(attachments::state.eq_any(LIVING))
        .limit(limit)
        .into_boxed::<Pg>();
    if let Some(ids) = &filter.ids {
        query = query.filter(attachments::id.eq_any(ids.clone()));
    }
    if let Some(kind) = filter.kind {
        query = query.filter(attachments::kind.eq(kind));
    }
    if let Some(name) = &filter.name {
        let pattern = like_anywhere(&name.to_lowercase());
        query = query.filter(lower(attachments::original_name).like(pattern));
    }
    let Order { by, reversed } = filter.order;
    let after = filter.after.clone().map(|Place { key, id }| (key, id));
    query = match by {
        By::Time => {
            let after = after.and_then(|(key, id)| match key {
                Key::Time(at) => Some((at, id)),
                _ => None,
            });
            along!(query, !reversed, attachments::uploaded_at, after)
        }
        By::Name => {
            // PostgreSQL's idea of small letters counts, on both sides.
            let after = after.and_then(|(key, id)| match key {
                Key::Name(name) => Some((lower(name), id)),
                _ => None,
            });
            along!(query, reversed, lower(attachments::original_name), after)
        }
        By::Size => {
            let after = after.and_then(|(key, id)| match key {
                Key::Size(size) => Some((size, id)),
                _ => None,
            });
            along!(query, !reversed, attachments::size_bytes, after)
        }
        By::Kind => {
            let (kind, at, id) = (attachments::kind, attachments::uploaded_at, attachments::id);
            let after = after.and_then(|(key, id)| match key {
                Key::Kind(kind, at) => Some((kind, at, id)),
                _ => None,
            });
            if reversed {
                if let Some((last_kind, last_at, last)) = after {
                    let later = at.gt(last_at).or(at.eq(last_at).and(id.gt(last)));
                    query = query.filter(kind.le(last_kind.clone())).filter(kind.lt(last_kind).or(later));
                }
                query.order((kind.desc(), at.asc(), id.asc()))
            } else {
                if let Some((last_kind, last_at, last)) = after {
                    let earlier = at.lt(last_at).or(at.eq(last_at).and(id.lt(last)));
                    query = query.filter(kind.ge(last_kind.clone())).filter(kind.gt(last_kind).or(earlier));
                }
                query.order((kind.asc(), at.desc(), id.desc()))
            }
        }
    };
    let rows: Vec<FoundTuple> = query.load(conn)?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Which files of a batch an act is about.
#[derive(Clone, Debug)]
pub enum Chosen {
    Ids(Vec<Uuid>),
    /// Those that one person moved to the trash in one go.
    TrashedTogether {
        at: DateTime<Utc>,
        by: Uuid,
    },
}

/// The chosen files of a batch that are not purged, locked until the transaction ends; in the order of their ids,
/// so that two who lock some of the same files wait for each other and never for ever.
pub fn lock(conn: &mut PgConnection, batch: Uuid, chosen: &Chosen) -> Result<Vec<AttachmentRow>> {
    let query = attachments::table
        .filter(attachments::batch_id.eq(batch))
        .filter(attachments::state.ne("purged"))
        .order(attachments::id)
        .select(AttachmentRow::as_select())
        .for_update();
    let rows = match chosen {
        Chosen::Ids(ids) => query.filter(attachments::id.eq_any(ids)).load(conn)?,
        Chosen::TrashedTogether { at, by } => query
            .filter(attachments::trashed_at.eq(*at))
            .filter(attachments::trashed_by.eq(*by))
            .load(conn)?,
    };
    Ok(rows)
}

/// Moves files to or from the trash; restored ones start as `available`, or locked away when malware was found
/// in them.
pub fn set_trashed(
    conn: &mut PgConnection,
    ids: &[Uuid],
    trashed: Option<(DateTime<Utc>, Uuid)>,
) -> Result<()> {
    diesel::update(attachments::table.filter(attachments::id.eq_any(ids)))
        .set((
            attachments::state.eq(super::attachments::state_after(trashed.is_some())),
            attachments::trashed_at.eq(trashed.map(|(at, _)| at)),
            attachments::trashed_by.eq(trashed.map(|(_, by)| by)),
        ))
        .execute(conn)?;
    Ok(())
}

pub fn set_kind(conn: &mut PgConnection, ids: &[Uuid], kind: &str) -> Result<()> {
    diesel::update(attachments::table.filter(attachments::id.eq_any(ids)))
        .set(attachments::kind.eq(kind))
        .execute(conn)?;
    Ok(())
}

pub fn set_about(conn: &mut PgConnection, id: Uuid, kind: &str, note: &str) -> Result<()> {
    diesel::update(attachments::table.find(id))
        .set((attachments::kind.eq(kind), attachments::note.eq(note)))
        .execute(conn)?;
    Ok(())
}
