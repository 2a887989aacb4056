//! Characters that do something else than show: the one list, for names and texts on their way to a log, a page, a
//! spreadsheet or a disk. Each place says what it does with them: names in the store and on pages leave them out, logs
//! write them as escapes, CSV names them, names of downloads have a `_` in their place, and names of people and sites are
//! refused.
//!
//! The joiners (U+200C, U+200D) and the variation selectors (U+FE00 to U+FE0F) are not among them: Persian words and emoji
//! are spelt with them.

use std::fmt::Write as _;

/// Whether a character could mislead whoever reads a text with it: it breaks the line or moves a cursor, turns the
/// reading direction, or shows nothing at all.
pub fn is_unsafe(c: char) -> bool {
    turns_or_breaks(c) || is_hidden(c)
}

/// Control characters, ends of lines, and characters that turn the reading direction (Unicode Standard Annex 9), with
/// which `gpj.exe` shows as `exe.jpg`.
pub fn turns_or_breaks(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{2028}' | '\u{2029}' | '\u{FEFF}'
            | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Characters without width or shape, by which two texts could differ and look the same.
pub fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
        | '\u{E0000}'..='\u{E0FFF}')
}

/// A text in which each of them stands as `[U+202E]`.
pub fn made_visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) {
            // Writing to a String cannot fail.
            let _ = write!(visible, "[U+{:04X}]", u32::from(c));
        } else {
            visible.push(c);
        }
    }
    visible
}

/// A file name in which each of them is a `_`.
pub fn in_file_name(name: &str) -> String {
    name.replace(is_unsafe, "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_misleads_is_made_visible() {
        let table = [
            ("slip.pdf", "slip.pdf", "slip.pdf"),
            ("photo_\u{202E}gpj.exe", "photo_[U+202E]gpj.exe", "photo__gpj.exe"),
            ("a\u{200B}b\u{2066}c\u{FEFF}", "a[U+200B]b[U+2066]c[U+FEFF]", "a_b_c_"),
            ("a\r\n\u{0}b", "a[U+000D][U+000A][U+0000]b", "a___b"),
            ("x\u{85}\u{2028}\u{E0041}", "x[U+0085][U+2028][U+E0041]", "x___"),
            // Spelt with joiners.
            (
                "\u{1F469}\u{200D}\u{1F52C}.jpg",
                "\u{1F469}\u{200D}\u{1F52C}.jpg",
                "\u{1F469}\u{200D}\u{1F52C}.jpg",
            ),
            (
                "\u{639}\u{644}\u{6CC}\u{200C}\u{631}",
                "\u{639}\u{644}\u{6CC}\u{200C}\u{631}",
                "\u{639}\u{644}\u{6CC}\u{200C}\u{631}",
            ),
        ];
        for (text, visible, name) in table {
            assert_eq!(
                (made_visible(text).as_str(), in_file_name(text).as_str()),
                (visible, name),
                "{text:?}"
            );
        }
    }
}
