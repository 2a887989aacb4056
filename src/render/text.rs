//! The text of PDFs, for the search.

use std::fmt;

use pdf_extract::{ConvertToFmt, Document, PlainTextOutput, output_doc};

use super::{TEXT_MAX, nesting};

/// Text of a PDF, at most [`TEXT_MAX`] bytes, cleaned; empty when there is none to be had. The library panics on
/// odd files: callers catch that.
pub fn of_pdf(bytes: &[u8]) -> String {
    let mut text = Bounded(String::new());
    if let Ok(mut document) = Document::load_mem(bytes) {
        let is_readable = !document.is_encrypted() || document.decrypt("").is_ok();
        if is_readable && nesting::is_bounded(&document) {
            // What came before an error is text all the same; a full buffer is an error too.
            let _ = output_doc(&document, &mut PlainTextOutput::new(&mut text));
        }
    }
    clean(&text.0)
}

/// A string that takes no more once it is full.
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > TEXT_MAX {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

impl<'a> ConvertToFmt for &'a mut Bounded {
    type Writer = &'a mut Bounded;

    fn convert(self) -> Self::Writer {
        self
    }
}

/// Words with single spaces between them. No control character is left: PostgreSQL takes no NUL, and the others
/// mark what a search has found.
fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !clean.is_empty() {
            clean.push(' ');
        }
        clean.push_str(word);
    }
    clean
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_kept_and_nothing_else() {
        assert_eq!(clean("\n\n Certificate\0of \u{1}analysis\t7.5 %\r\n"), "Certificate of analysis 7.5 %");
    }

    #[test]
    fn a_full_buffer_takes_no_more() {
        use fmt::Write;
        let mut text = Bounded(String::new());
        assert!(text.write_str(&"x".repeat(TEXT_MAX)).is_ok());
        assert!(text.write_str("x").is_err());
        assert_eq!(text.0.len(), TEXT_MAX);
    }

    proptest! {
        #[test]
        fn any_text_becomes_clean(text in "(?s).*") {
            let clean = clean(&text);
            prop_assert!(!clean.contains(char::is_control) && clean.len() <= text.len());
        }
    }
}
