//! Words of documents: how a search is asked for in PostgreSQL's terms, and what it found, to be shown.

use diesel::{prelude::*, sql_query, sql_types};
use uuid::Uuid;

use super::like_anywhere;
use crate::error::Result;

/// A shorter word matches only itself: as the beginning of a word it would find everything.
const PREFIX_MIN_CHARS: usize = 3;
/// More words than this make no search better.
const WORDS_MAX: usize = 16;
/// Characters around a hit from which its line is cut.
const WINDOW: i32 = 400;

/// Stand around what was found in a headline. Texts hold no control characters.
pub const HIT_BEGIN: char = '\u{1}';
pub const HIT_END: char = '\u{2}';

/// What was typed as a `tsquery`: every word must be there, in any order, and may go on. `None` when there is no word
/// in it.
pub fn words_query(typed: &str) -> Option<String> {
    let words: Vec<String> = words(typed)
        .map(|word| {
            let quoted = word.replace('\\', "\\\\").replace('\'', "''");
            let ending = if word.chars().count() < PREFIX_MIN_CHARS { "" } else { ":*" };
            format!("'{quoted}'{ending}")
        })
        .collect();
    (!words.is_empty()).then(|| words.join(" & "))
}

fn words(typed: &str) -> impl Iterator<Item = &str> {
    typed
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| word.contains(char::is_alphanumeric))
        .take(WORDS_MAX)
}

/// Why a search found a batch: a file, and the line of its text around the hit, which is empty when its name was what
/// matched.
#[derive(Clone, Debug, PartialEq, QueryableByName)]
pub struct Hit {
    #[diesel(sql_type = sql_types::Uuid)]
    pub batch_id: Uuid,
    #[diesel(sql_type = sql_types::Uuid)]
    pub attachment_id: Uuid,
    #[diesel(sql_type = sql_types::Text)]
    pub filename: String,
    /// With [`HIT_BEGIN`] and [`HIT_END`] around the words that were found.
    #[diesel(sql_type = sql_types::Text)]
    pub line: String,
}

/// The newest hit in each of these batches that has one: by name before by text. One look into each batch, along its
/// index; long texts are cut around the hit before the line is made.
pub fn hits(conn: &mut PgConnection, batches: &[Uuid], typed: &str) -> Result<Vec<Hit>> {
    let Some(first) = words(typed).next() else { return Ok(Vec::new()) };
    let headline = format!(
        "StartSel={HIT_BEGIN}, StopSel={HIT_END}, MinWords=6, MaxWords=14, ShortWord=0, MaxFragments=1"
    );
    Ok(sql_query(
        "SELECT b.id AS batch_id, hit.id AS attachment_id, hit.original_name AS filename,
                CASE WHEN hit.body IS NULL THEN '' ELSE
                    ts_headline('simple', substr(hit.body, greatest(strpos(lower(hit.body), $4) - $5, 1), 2 * $5),
                                to_tsquery('simple', $3), $6)
                END AS line
         FROM unnest($1) AS b (id) CROSS JOIN LATERAL (
             (SELECT a.id, a.original_name, NULL AS body FROM attachments a
               WHERE a.batch_id = b.id AND a.state NOT IN ('trashed', 'purged') AND lower(a.original_name) LIKE $2
               ORDER BY a.uploaded_at DESC, a.id DESC LIMIT 1)
             UNION ALL
             (SELECT a.id, a.original_name, t.body FROM attachments a
                JOIN attachment_texts t ON t.attachment_id = a.id
               WHERE a.batch_id = b.id AND a.state NOT IN ('trashed', 'purged')
                 AND t.words @@ to_tsquery('simple', $3)
               ORDER BY a.uploaded_at DESC, a.id DESC LIMIT 1)
             LIMIT 1) AS hit",
    )
    .bind::<sql_types::Array<sql_types::Uuid>, _>(batches)
    .bind::<sql_types::Text, _>(like_anywhere(&typed.to_lowercase()))
    .bind::<sql_types::Nullable<sql_types::Text>, _>(words_query(typed))
    .bind::<sql_types::Text, _>(first.to_lowercase())
    .bind::<sql_types::Integer, _>(WINDOW)
    .bind::<sql_types::Text, _>(headline)
    .load(conn)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_becomes_words() {
        let table = [
            ("certificate", Some("'certificate':*")),
            ("  pH  7.5 ", Some("'pH' & '7.5':*")),
            ("B-2026-0142", Some("'B-2026-0142':*")),
            ("it's a\\b", Some("'it''s':* & 'a\\\\b':*")),
            ("a & b | !c", Some("'a' & 'b' & '!c'")),
            ("50\0%", Some("'50'")),
            ("%", None),
            ("", None),
        ];
        for (typed, expected) in table {
            assert_eq!(words_query(typed).as_deref(), expected, "{typed:?}");
        }
        assert_eq!(words_query(&"word ".repeat(100)).unwrap().matches('&').count(), 15);
    }
}
