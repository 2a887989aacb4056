//! The list of batches: filtered, sorted, in keyset pages. Each order has its index.

use chrono::{DateTime, Utc};
use diesel::{
    dsl::sql,
    pg::Pg,
    prelude::*,
    sql_types::{Bool, Nullable, Text},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    batches::BatchRow,
    like_anywhere,
    schema::{batches, sites},
    text_search,
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

#[declare_sql_function]
extern "SQL" {
    fn lower(text: Text) -> Text;
}

/// Up to `limit` living batches with the name of their site. A place that is not of the order is ignored.
pub fn page(conn: &mut PgConnection, filter: &Filter, limit: i64) -> Result<Vec<(BatchRow, String)>> {
    let mut query = batches::table
        .inner_join(sites::table)
        .filter(batches::trashed_at.is_null())
        .select((BatchRow::as_select(), sites::name))
        .limit(limit)
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
        query = query.filter(batches::files_count.eq(0));
    }
    if let Some(text) = &filter.query {
        let pattern = like_anywhere(&text.to_lowercase());
        // Each of the three has its index, and a subquery runs once per page. For words that most files have, that
        // would be a walk over all of them: then each batch is asked in its turn, and the page is full soon.
        let (with_words, end) = if text_search::is_common(conn, text)? {
            (
                ") OR (SELECT true FROM attachments a JOIN attachment_texts t ON t.attachment_id = a.id
                   WHERE a.batch_id = batches.id AND a.state NOT IN ('trashed', 'purged')
                     AND t.words @@ to_tsquery('simple', ",
                ") LIMIT 1))",
            )
        } else {
            (
                ") OR batches.id IN (SELECT a.batch_id FROM attachment_texts t
                   JOIN attachments a ON a.id = t.attachment_id
                   WHERE a.state NOT IN ('trashed', 'purged') AND t.words @@ to_tsquery('simple', ",
                ")))",
            )
        };
        query = query.filter(
            sql::<Bool>("(lower(batches.number || ' ' || batches.product) LIKE ")
                .bind::<Text, _>(pattern.clone())
                .sql(
                    " OR batches.id IN (SELECT batch_id FROM attachments
                       WHERE state NOT IN ('trashed', 'purged') AND lower(original_name) LIKE ",
                )
                .bind::<Text, _>(pattern)
                .sql(with_words)
                .bind::<Nullable<Text>, _>(text_search::words_query(text))
                .sql(end),
        );
    }
    // Two columns that fall or rise together, so that one index serves the order and the place in it.
    let id = batches::id;
    let after = filter.after.clone();
    query = match filter.sort {
        Sort::Activity => {
            if let Some(Place { key: Key::At(at), id: last }) = after {
                let column = batches::last_activity_at;
                query = query.filter(column.lt(at).or(column.eq(at).and(id.lt(last))));
            }
            query.order((batches::last_activity_at.desc(), id.desc()))
        }
        Sort::Made => {
            if let Some(Place { key: Key::At(at), id: last }) = after {
                let column = batches::created_at;
                query = query.filter(column.lt(at).or(column.eq(at).and(id.lt(last))));
            }
            query.order((batches::created_at.desc(), id.desc()))
        }
        Sort::Number => {
            let column = lower(batches::number);
            if let Some(Place { key: Key::Number(number), id: last }) = after {
                let is_same = column.eq(number.clone());
                query = query.filter(column.gt(number).or(is_same.and(id.gt(last))));
            }
            query.order((column.asc(), id.asc()))
        }
        Sort::Size => {
            if let Some(Place { key: Key::Size(size), id: last }) = after {
                let column = batches::bytes_total;
                query = query.filter(column.lt(size).or(column.eq(size).and(id.lt(last))));
            }
            query.order((batches::bytes_total.desc(), id.desc()))
        }
    };
    Ok(query.load(conn)?)
}
