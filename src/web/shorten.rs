//! Text that came from outside and is shown again: never longer than there is room for.

use std::borrow::Cow;

/// `text` in at most `most` characters (three or more). What is longer gives way in the middle, so that the end of a
/// name stays readable.
pub fn shorten(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most || text.chars().nth(most).is_none() {
        return Cow::Borrowed(text);
    }
    let (head, tail) = (most / 2, most - most / 2 - 1);
    let start = text.char_indices().nth(head).map_or(text.len(), |(at, _)| at);
    let end = text.char_indices().nth_back(tail.saturating_sub(1)).map_or(0, |(at, _)| at);
    Cow::Owned(format!("{}…{}", &text[..start], &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_gives_way_in_the_middle() {
        let table = [
            ("", 5, ""),
            ("short", 5, "short"),
            ("longer", 5, "lo…er"),
            ("longer", 3, "l…r"),
            ("längßt.pdf", 7, "län…pdf"),
            ("éééééé", 5, "éé…éé"),
            ("日本語の名前.pdf", 8, "日本語の…pdf"),
        ];
        for (text, most, short) in table {
            assert_eq!(shorten(text, most), short);
            assert!(short.chars().count() <= most, "{text}");
        }
    }
}
