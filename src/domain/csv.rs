//! Cells of CSV files (RFC 4180) that are nothing but text to a spreadsheet.

/// A cell. A spreadsheet takes one that begins like a formula for one: it gets an apostrophe in front (OWASP, CSV
/// injection).
pub fn cell(text: &str) -> String {
    let text = one_line(text);
    let text = if text.starts_with(['=', '+', '-', '@', '\t']) { format!("'{text}") } else { text };
    if text.contains(['"', ',']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// A line of cells, with its end.
pub fn line(cells: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let cells: Vec<String> = cells.into_iter().map(|text| cell(text.as_ref())).collect();
    cells.join(",") + "\r\n"
}

pub fn one_line(text: &str) -> String {
    text.chars().filter(|&c| c == '\t' || !c.is_control()).collect()
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
            ("\tx.pdf", "'\tx.pdf"),
            ("\r=x.pdf", "'=x.pdf"),
            ("a\r\nb.pdf", "ab.pdf"),
            ("2=3.pdf", "2=3.pdf"),
            ("", ""),
        ];
        for (text, expected) in table {
            assert_eq!(cell(text), expected, "{text:?}");
        }
        assert_eq!(line(["a", "b,c", "=d"]), "a,\"b,c\",'=d\r\n");
    }
}
