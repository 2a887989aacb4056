//! `Content-Disposition` (RFC 6266): a plain name for old clients, the true one beside it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::characters::in_file_name;

/// What RFC 8187 lets stand unencoded in `filename*`.
const ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The header's value; `kind` is `attachment` or `inline`. Always visible ASCII, whatever the name is; characters that
/// would mislead in the name of the saved file are a `_` each.
pub fn value(kind: &str, filename: &str) -> String {
    let filename = in_file_name(filename);
    let plain: String = filename
        .chars()
        .map(|c| match c {
            // Quotes and backslashes would need escapes, and percent signs are decoded by some clients.
            '"' | '\\' | '%' => '_',
            ' '..='~' => c,
            _ => '_',
        })
        .collect();
    format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{}", utf8_percent_encode(&filename, ATTR_CHAR))
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn examples() {
        assert_eq!(
            value("attachment", "a b.pdf"),
            "attachment; filename=\"a b.pdf\"; filename*=UTF-8''a%20b.pdf"
        );
        assert_eq!(
            value("inline", "März \"1\".pdf"),
            "inline; filename=\"M_rz _1_.pdf\"; filename*=UTF-8''M%C3%A4rz%20%221%22.pdf"
        );
        assert_eq!(
            value("attachment", "photo_\u{202E}gpj.exe\r\n"),
            "attachment; filename=\"photo__gpj.exe__\"; filename*=UTF-8''photo__gpj.exe__"
        );
    }

    proptest! {
        #[test]
        fn any_name_is_one_safe_header_value(name in "(?s).*") {
            let value = value("attachment", &name);
            prop_assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            prop_assert_eq!(value.matches('"').count(), 2);
            let (_, encoded) = value.split_once("filename*=UTF-8''").unwrap();
            prop_assert_eq!(percent_decode_str(encoded).decode_utf8().unwrap(), in_file_name(&name));
        }
    }
}
