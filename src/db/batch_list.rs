//! The list of batches: filtered, sorted, in keyset pages. Each order has its index.

use chrono::{DateTime, Utc};
use diesel::{
    dsl::{AsSelect, InnerJoin, IntoBoxed, Select, sql},
    pg::Pg,
    prelude::*,
    sql_types::{Bool, Nullable, Text},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    batches::BatchRow,
    functions::lower,
    schema::{batches, sites},
    search::{self, Term},
};
use crate::error::Result;

/// Which batches are wanted, and in what order.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only these sites; `None` is all of them.
    pub sites: Option<Vec<Uuid>>,
    pub status: Option<&'static str>,
    /// Only batches made since.
    pub made_since: Option<DateTime<Utc>>,
    /// Only batches without a file.
    pub empty: bool,
    /// Substring of number, product or a file's name, or words of a file's text.
    pub query: Option<String>,
    pub sort: Sort,
    /// Only what comes after this place in the order.
    pub after: Option<Place>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// Latest activity first.
    #[default]
    Activity,
    /// Made last first.
    Made,
    /// By number, rising.
    Number,
    /// Largest first.
    Size,
}

/// A place in an order: the sort key of a batch, and its id where keys are equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub key: Key,
    pub id: Uuid,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Key {
    At(DateTime<Utc>),
    Number(String),
    Size(i64),
}

impl Sort {
    /// Where a batch stands in this order.
    pub fn place_of(self, batch: &BatchRow) -> Place {
        let key = match self {
            Self::Activity => Key::At(batch.last_activity_at),
            Self::Made => Key::At(batch.created_at),
            Self::Number => Key::Number(batch.number.to_lowercase()),
            Self::Size => Key::Size(batch.bytes_total),
        };
        Place { key, id: batch.id }
    }
}

/// A batch with the name of its site.
pub type Listed = (BatchRow, String);

/// How far along the order batches are looked at one by one for what many of them hold.
const WALKS: [usize; 2] = [64, 1024];

/// Up to `limit` living batches with the name of their site. A place that is not of the order is ignored.
pub fn page(conn: &mut PgConnection, filter: &Filter, limit: usize) -> Result<Vec<Listed>> {
    let Some(term) = filter.query.as_deref().map(Term::new) else {
        return Ok(ordered(filter, limit).load(conn)?);
    };
    let text = term.as_str().to_owned();
    if term.is_short() {
        let holds = sql::<Bool>("strpos(lower(batches.number || ' ' || batches.product), ")
            .bind::<Text, _>(text)
            .sql(") > 0");
        return Ok(ordered(filter, limit).filter(holds).load(conn)?);
    }
    let search::Hits { themselves, by_files, patterns } = search::hits(conn, &term)?;
    match (themselves, by_files) {
        (Some(mut ids), Some(by_files)) => {
            ids.extend(by_files);
            return Ok(ordered(filter, limit).filter(batches::id.eq_any(ids)).load(conn)?);
        }
        (None, Some(by_files)) => {
            let holds = sql::<Bool>("strpos(lower(batches.number || ' ' || batches.product), ")
                .bind::<Text, _>(text)
                .sql(") > 0");
            let query = ordered(filter, limit).filter(holds.or(batches::id.eq_any(by_files)));
            return Ok(query.load(conn)?);
        }
        (_, None) => {}
    }
    for walk in WALKS {
        let mut rows: Vec<Listed> = ordered(filter, walk).load(conn)?;
        let is_whole = rows.len() < walk;
        let ids: Vec<Uuid> = rows.iter().map(|(row, _)| row.id).collect();
        let holding = search::among(conn, &ids, &term)?;
        rows.retain(|(row, _)| holding.contains(&row.id));
        if is_whole || rows.len() >= limit {
            rows.truncate(limit);
            return Ok(rows);
        }
    }
    // Many files of few batches: all of them are looked up.
    let holds =
        sql::<Bool>("batches.id IN (SELECT id FROM batches WHERE lower(number || ' ' || product) LIKE ")
            .bind::<Text, _>(patterns.batches)
            .sql(" AND strpos(lower(number || ' ' || product), ")
            .bind::<Text, _>(text.clone())
            .sql(") > 0 UNION ALL SELECT batch_id FROM attachments WHERE lower(original_name) LIKE ")
            .bind::<Text, _>(patterns.files)
            .sql(" AND strpos(lower(original_name), ")
            .bind::<Text, _>(text)
            .sql(
                ") > 0 AND state NOT IN ('trashed', 'purged')
                 UNION ALL SELECT a.batch_id FROM attachment_texts t JOIN attachments a ON a.id = t.attachment_id
                  WHERE a.state NOT IN ('trashed', 'purged') AND t.words @@ to_tsquery('simple', ",
            )
            .bind::<Nullable<Text>, _>(term.words())
            .sql("))");
    Ok(ordered(filter, limit).filter(holds).load(conn)?)
}

type Ordered = IntoBoxed<
    'static,
    Select<InnerJoin<batches::table, sites::table>, (AsSelect<BatchRow, Pg>, sites::name)>,
    Pg,
>;

/// Everything of a filter but its text, in its order.
fn ordered(filter: &Filter, limit: usize) -> Ordered {
    let mut query = batches::table
        .inner_join(sites::table)
        .filter(batches::trashed_at.is_null())
        .select((BatchRow::as_select(), sites::name))
        .limit(limit as i64)
        .into_boxed::<Pg>();
    if let Some(sites) = &filter.sites {
        query = query.filter(batches::site_id.eq_any(sites.clone()));
    }
    if let Some(status) = filter.status {
        query = query.filter(batches::status.eq(status));
    }
    if let Some(since) = filter.made_since {
        query = query.filter(batches::created_at.ge(since));
    }
    if filter.empty {
        // In so many words, so that the planner sees that the index of empty ones is enough.
        query = query.filter(sql::<Bool>("batches.files_count = 0"));
    }
    // Two columns that fall or rise together, so that one index serves the order and the place in it: it starts
    // at the first condition, and the second drops the few before the place.
    let id = batches::id;
    let after = filter.after.clone();
    match filter.sort {
        Sort::Activity => {
            if let Some(Place { key: Key::At(at), id: last }) = after {
                let column = batches::last_activity_at;
                query = query.filter(column.le(at).and(column.lt(at).or(id.lt(last))));
            }
            query.order((batches::last_activity_at.desc(), id.desc()))
        }
        Sort::Made => {
            if let Some(Place { key: Key::At(at), id: last }) = after {
                let column = batches::created_at;
                query = query.filter(column.le(at).and(column.lt(at).or(id.lt(last))));
            }
            query.order((batches::created_at.desc(), id.desc()))
        }
        Sort::Number => {
            let column = lower(batches::number);
            if let Some(Place { key: Key::Number(number), id: last }) = after {
                let from_there = column.ge(number.clone());
                query = query.filter(from_there.and(column.gt(number).or(id.gt(last))));
            }
            query.order((column.asc(), id.asc()))
        }
        Sort::Size => {
            if let Some(Place { key: Key::Size(size), id: last }) = after {
                let column = batches::bytes_total;
                query = query.filter(column.le(size).and(column.lt(size).or(id.lt(last))));
            }
            query.order((batches::bytes_total.desc(), id.desc()))
        }
    }
}
