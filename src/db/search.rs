//! Which batches hold a text: in their number, their product or the name of a file. The time must follow what
//! is shown, not what is stored, whatever is searched for:
//!
//! - What few rows hold comes from the trigram indexes. These cost as much as the commonest trigram they are
//!   asked for, so that only a [`fragment`] that tells much is looked up, and the rest compared.
//! - What many rows hold ("pdf") is met soon by walking along the order of the page.
//! - What is shorter than a trigram is looked for in number and product only.
//!
//! The statements are not kept prepared: which plan is right depends on the text.

use std::collections::HashSet;

use diesel::{
    QueryableByName,
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Text, Uuid as SqlUuid},
};
use uuid::Uuid;

use super::like_anywhere;
use crate::error::Result;

/// Below this many characters a trigram index is of no use.
const TRIGRAM: usize = 3;
/// Characters that are looked up: three trigrams.
const FRAGMENT: usize = 5;
/// The newest names; they show what names have in common.
const SAMPLE: i64 = 100;
/// More rows than this are many.
const FEW: i64 = 1000;

/// A text as it is searched for.
#[derive(Clone, Debug)]
pub struct Term(String);

impl Term {
    /// PostgreSQL refuses NUL in any text, so that nothing holds it.
    pub fn new(text: &str) -> Self {
        Self(text.to_lowercase().replace('\0', ""))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Too short for the indexes and for the names of files.
    pub fn is_short(&self) -> bool {
        self.0.chars().count() < TRIGRAM
    }
}

/// The batches that hold a term.
pub enum Hits {
    Few(Vec<Uuid>),
    Many(Patterns),
}

/// What `LIKE` looks up in the index of batches and in that of files.
#[derive(Clone)]
pub struct Patterns {
    pub batches: String,
    pub files: String,
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

/// Looks the term up, as long as few rows hold it.
pub fn hits(conn: &mut PgConnection, term: &Term) -> Result<Hits> {
    let newest_batches =
        "SELECT lower(number || ' ' || product) AS name FROM batches ORDER BY id DESC LIMIT $1";
    let newest_files = "SELECT lower(original_name) AS name FROM attachments ORDER BY id DESC LIMIT $1";
    let patterns =
        Patterns { batches: pattern(conn, newest_batches, term)?, files: pattern(conn, newest_files, term)? };

    let mut few = HashSet::new();
    let look_ups = [
        (
            &patterns.batches,
            "SELECT id FROM batches
              WHERE lower(number || ' ' || product) LIKE $1 AND strpos(lower(number || ' ' || product), $2) > 0
              LIMIT $3",
        ),
        (
            &patterns.files,
            "SELECT batch_id AS id FROM attachments
              WHERE lower(original_name) LIKE $1 AND strpos(lower(original_name), $2) > 0
                AND state NOT IN ('trashed', 'purged')
              LIMIT $3",
        ),
    ];
    for (pattern, look_up) in look_ups {
        let found: Vec<Id> = sql_query(look_up)
            .bind::<Text, _>(pattern)
            .bind::<Text, _>(term.as_str())
            .bind::<BigInt, _>(FEW + 1)
            .load(conn)?;
        if found.len() as i64 > FEW {
            return Ok(Hits::Many(patterns.clone()));
        }
        few.extend(found.into_iter().map(|row| row.id));
    }
    Ok(Hits::Few(few.into_iter().collect()))
}

/// Those of the batches `ids` that hold the term.
pub fn among(conn: &mut PgConnection, ids: &[Uuid], term: &Term) -> Result<HashSet<Uuid>> {
    let found: Vec<Id> = sql_query(
        "SELECT id FROM batches
          WHERE id = ANY ($1)
            AND (strpos(lower(number || ' ' || product), $2) > 0
                 OR EXISTS (SELECT FROM attachments
                             WHERE batch_id = batches.id AND state NOT IN ('trashed', 'purged')
                               AND strpos(lower(original_name), $2) > 0))",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Text, _>(term.as_str())
    .load(conn)?;
    Ok(found.into_iter().map(|row| row.id).collect())
}

fn pattern(conn: &mut PgConnection, newest: &str, term: &Term) -> Result<String> {
    let newest: Vec<Name> = sql_query(newest).bind::<BigInt, _>(SAMPLE).load(conn)?;
    Ok(like_anywhere(&fragment(term.as_str(), newest.iter().map(|row| row.name.as_str()))))
}

/// The part of a term that fewest of these names hold; the last of equals, since names differ at their ends.
fn fragment<'a>(term: &str, names: impl Iterator<Item = &'a str> + Clone) -> String {
    let characters: Vec<char> = term.chars().collect();
    let parts = characters.windows(FRAGMENT).map(String::from_iter);
    let held_by = |part: &String| names.clone().filter(|name| name.contains(part.as_str())).count();
    parts.rev().min_by_key(held_by).unwrap_or_else(|| term.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_have_in_common_is_not_looked_up() {
        let names = ["scan_2026_0001.pdf", "scan_2026_0002.pdf", "scan_2026_0003.pdf"];
        let cases = [
            ("scan_2026_0002.pdf", "02.pd"),
            ("scan_2026_1", "026_1"),
            ("pump scan", " scan"),
            ("pdf", "pdf"),
            ("größe", "größe"),
        ];
        for (term, expected) in cases {
            assert_eq!(fragment(term, names.into_iter()), expected, "{term}");
        }
    }
}
