//! Which batches hold a text: in their number, their product, the name of a file, or, as words, in the text of a
//! document. The time must follow what is shown, not what is stored, whatever is searched for:
//!
//! - What few rows hold comes from the trigram indexes. These cost as much as the commonest trigram they are
//!   asked for, so that only a `fragment` that tells much is looked up, and the rest compared.
//! - What many rows hold ("pdf") is met soon by walking along the order of the page.
//! - What is shorter than a trigram is looked for in number and product only.
//!
//! The statements are not kept prepared: which plan is right depends on the text.

use std::collections::HashSet;

use diesel::{
    QueryableByName,
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Nullable, Text, Uuid as SqlUuid},
};
use uuid::Uuid;

use super::{like_anywhere, text_search::words_query};
use crate::error::Result;

/// Below this many characters a trigram index is of no use.
const TRIGRAM: usize = 3;
/// Characters that are looked up: three trigrams.
const FRAGMENT: usize = 5;
/// The newest names; they show what names have in common.
const SAMPLE: i64 = 100;
/// More batches than this are many: they are met soon along the order.
const FEW_BATCHES: usize = 200;
/// More files than this are many. To ask batches for theirs along the order costs more.
const FEW_FILES: usize = 1000;

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

    /// As a question for words of documents; `None` when there is no word in it.
    pub fn words(&self) -> Option<String> {
        words_query(&self.0)
    }

    /// Too short for the indexes and for the names of files.
    pub fn is_short(&self) -> bool {
        self.0.chars().count() < TRIGRAM
    }
}

/// The batches that hold a term, as far as few rows do; `None` where many do.
pub struct Hits {
    /// In their number or product.
    pub themselves: Option<Vec<Uuid>>,
    /// In the name or the text of a file.
    pub by_files: Option<Vec<Uuid>>,
    pub patterns: Patterns,
}

/// What `LIKE` looks up in the index of batches and in that of files.
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
    let batches = "SELECT id FROM batches
        WHERE lower(number || ' ' || product) LIKE $1 AND strpos(lower(number || ' ' || product), $2) > 0
        LIMIT $3";
    let files = "SELECT batch_id AS id FROM attachments
        WHERE lower(original_name) LIKE $1 AND strpos(lower(original_name), $2) > 0
          AND state NOT IN ('trashed', 'purged')
        LIMIT $3";
    let themselves = look_up(conn, batches, &patterns.batches, term, FEW_BATCHES)?;
    let mut by_files = look_up(conn, files, &patterns.files, term, FEW_FILES)?;
    if let Some(by_names) = by_files.take() {
        by_files = by_texts(conn, term)?.map(|by_texts| by_names.into_iter().chain(by_texts).collect());
    }
    Ok(Hits { themselves, by_files, patterns })
}

/// The batches of documents with the words of a term, if these are few.
fn by_texts(conn: &mut PgConnection, term: &Term) -> Result<Option<Vec<Uuid>>> {
    let Some(words) = term.words() else { return Ok(Some(Vec::new())) };
    let found: Vec<Id> = sql_query(
        "SELECT a.batch_id AS id FROM attachment_texts t JOIN attachments a ON a.id = t.attachment_id
          WHERE t.words @@ to_tsquery('simple', $1) AND a.state NOT IN ('trashed', 'purged')
          LIMIT $2",
    )
    .bind::<Text, _>(words)
    .bind::<BigInt, _>(FEW_FILES as i64 + 1)
    .load(conn)?;
    Ok(few(found, FEW_FILES))
}

fn few(found: Vec<Id>, at_most: usize) -> Option<Vec<Uuid>> {
    (found.len() <= at_most).then(|| found.into_iter().map(|row| row.id).collect())
}

/// The ids that a query finds, if it finds no more than `at_most` rows.
fn look_up(
    conn: &mut PgConnection,
    query: &str,
    pattern: &str,
    term: &Term,
    at_most: usize,
) -> Result<Option<Vec<Uuid>>> {
    let found: Vec<Id> = sql_query(query)
        .bind::<Text, _>(pattern)
        .bind::<Text, _>(term.as_str())
        .bind::<BigInt, _>(at_most as i64 + 1)
        .load(conn)?;
    Ok(few(found, at_most))
}

/// Those of the batches `ids` that hold the term.
pub fn among(conn: &mut PgConnection, ids: &[Uuid], term: &Term) -> Result<HashSet<Uuid>> {
    let found: Vec<Id> = sql_query(
        "SELECT id FROM batches
          WHERE id = ANY ($1)
            AND (strpos(lower(number || ' ' || product), $2) > 0
                 OR EXISTS (SELECT FROM attachments
                             WHERE batch_id = batches.id AND state NOT IN ('trashed', 'purged')
                               AND strpos(lower(original_name), $2) > 0)
                 OR EXISTS (SELECT FROM attachments a JOIN attachment_texts t ON t.attachment_id = a.id
                             WHERE a.batch_id = batches.id AND a.state NOT IN ('trashed', 'purged')
                               AND t.words @@ to_tsquery('simple', $3)))",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Text, _>(term.as_str())
    .bind::<Nullable<Text>, _>(term.words())
    .load(conn)?;
    Ok(found.into_iter().map(|row| row.id).collect())
}

fn pattern(conn: &mut PgConnection, newest: &str, term: &Term) -> Result<String> {
    let newest: Vec<Name> = sql_query(newest).bind::<BigInt, _>(SAMPLE).load(conn)?;
    Ok(like_anywhere(&fragment(term.as_str(), newest.iter().map(|row| row.name.as_str()))))
}

/// The part of a term whose trigrams are rarest in these names; the last of equals, since names differ at their
/// ends.
fn fragment<'a>(term: &str, names: impl Iterator<Item = &'a str> + Clone) -> String {
    let characters: Vec<char> = term.chars().collect();
    let held_by = |trigram: &[char]| {
        // The index holds words: what reaches over their ends is as common as these ends are.
        if !trigram.iter().all(|c| c.is_alphanumeric()) {
            return names.clone().count();
        }
        let trigram = String::from_iter(trigram);
        names.clone().filter(|name| name.contains(&trigram)).count()
    };
    let counts: Vec<usize> = characters.windows(TRIGRAM).map(held_by).collect();
    let commonness = |&begin: &usize| counts[begin..=begin + FRAGMENT - TRIGRAM].iter().sum::<usize>();
    let begins = 0..(characters.len() + 1).saturating_sub(FRAGMENT);
    match begins.rev().min_by_key(commonness) {
        Some(begin) => characters[begin..begin + FRAGMENT].iter().collect(),
        None => term.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_have_in_common_is_not_looked_up() {
        let names = ["scan_2026_0001.pdf", "scan_2026_0002.pdf", "scan_2026_0003.pdf"];
        let cases = [
            ("scan_2026_0002.pdf", "002.p"),
            ("scan_2026_1", "026_1"),
            ("bench-0000005", "bench"),
            ("pump scan", "pump "),
            ("pdf", "pdf"),
            ("größe", "größe"),
        ];
        for (term, expected) in cases {
            assert_eq!(fragment(term, names.into_iter()), expected, "{term}");
        }
    }
}
