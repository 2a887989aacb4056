//! Why a search found a batch, as the list shows it.

use super::view::search::{Part, SearchHit};
use crate::domain::batches::{HIT_BEGIN, HIT_END, Hit};

/// The hit with its line taken apart at its marks.
pub fn hit(hit: &Hit) -> SearchHit {
    let mut line = Vec::new();
    for (nth, piece) in hit.line.split(HIT_BEGIN).enumerate() {
        let (found, rest) =
            if nth == 0 { ("", piece) } else { piece.split_once(HIT_END).unwrap_or((piece, "")) };
        for (text, is_found) in [(found, true), (rest, false)] {
            if !text.is_empty() {
                line.push(Part { text: text.to_owned(), is_found });
            }
        }
    }
    SearchHit { file: hit.attachment_id, filename: hit.filename.clone(), line }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_line_is_taken_apart_at_its_marks() {
        let parts = |line: &str| -> Vec<(String, bool)> {
            let hit = Hit {
                batch_id: Uuid::nil(),
                attachment_id: Uuid::nil(),
                filename: String::new(),
                line: line.to_owned(),
            };
            super::hit(&hit).line.into_iter().map(|part| (part.text, part.is_found)).collect()
        };
        let expected = [("the ", false), ("pH", true), (" is <b>", false), ("7.5", true)];
        let expected = expected.map(|(text, is_found)| (text.to_owned(), is_found));
        assert_eq!(parts("the \u{1}pH\u{2} is <b>\u{1}7.5\u{2}"), expected);
        assert_eq!(parts(""), []);
        assert_eq!(parts("\u{1}cut"), [("cut".to_owned(), true)]);
    }
}
