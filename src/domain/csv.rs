//! Cells of CSV files (RFC 4180) that are nothing but text to a spreadsheet, and hide nothing from who reads them:
//! characters that break lines, turn the reading direction or show nothing are named in brackets.

use crate::characters;

/// What a formula begins with, in the width of Chinese and Japanese keyboards, too.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '\u{FF1D}', '\u{FF0B}', '\u{FF0D}', '\u{FF20}'];

/// Where some spreadsheets begin another cell within what is one cell here: with European settings they split lines at
/// semicolons, quoted or not.
const SPLIT: char = ';';

/// A cell. A spreadsheet takes one that begins like a formula for one: it gets an apostrophe in front (OWASP, CSV
/// injection).
pub fn cell(text: &str) -> String {
    let text = defused(&characters::made_visible(text));
    if text.contains(['"', ',', SPLIT]) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

fn defused(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 1);
    let mut before = None;
    for c in text.chars() {
        let begins_like_one = FORMULA.contains(&c) && before.is_none_or(|before| before == SPLIT);
        if begins_like_one {
            safe.push('\'');
        }
        safe.push(c);
        before = Some(c);
    }
    safe
}

/// A line of cells, with its end.
pub fn line(cells: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let cells: Vec<String> = cells.into_iter().map(|text| cell(text.as_ref())).collect();
    cells.join(",") + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_text_to_a_spreadsheet() {
        let table = [
            ("slip.pdf", "slip.pdf"),
            ("a,b \"c\".pdf", "\"a,b \"\"c\"\".pdf\""),
            ("=1+1.pdf", "'=1+1.pdf"),
            ("=HYPERLINK(\"x\",\"y\")", "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\""),
            ("+1.pdf", "'+1.pdf"),
            ("-1.pdf", "'-1.pdf"),
            ("@SUM.pdf", "'@SUM.pdf"),
            ("\tx.pdf", "[U+0009]x.pdf"),
            ("a;b.pdf", "\"a;b.pdf\""),
            ("x;=1+1", "\"x;'=1+1\""),
            ("x;\t@SUM(1)", "\"x;[U+0009]@SUM(1)\""),
            (";-1", "\";'-1\""),
            ("\u{FF1D}1+1", "'\u{FF1D}1+1"),
            ("\u{FF0B}1", "'\u{FF0B}1"),
            ("\u{FF0D}1", "'\u{FF0D}1"),
            ("\u{FF20}SUM", "'\u{FF20}SUM"),
            ("x;\u{FF1D}1", "\"x;'\u{FF1D}1\""),
            ("\r=x.pdf", "[U+000D]=x.pdf"),
            ("a\r\nb.pdf", "a[U+000D][U+000A]b.pdf"),
            ("photo_\u{202E}gpj.exe", "photo_[U+202E]gpj.exe"),
            ("a\u{200B}b", "a[U+200B]b"),
            ("2=3.pdf", "2=3.pdf"),
            ("", ""),
        ];
        for (text, expected) in table {
            assert_eq!(cell(text), expected, "{text:?}");
        }
        assert_eq!(line(["a", "b,c", "=d"]), "a,\"b,c\",'=d\r\n");
    }
}
