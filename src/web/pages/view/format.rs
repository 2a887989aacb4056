//! Numbers, names and dates as people read them.
//!
//! Pages are rendered before the reader's locale and time zone are known, so dates are written in UTC here and
//! `static/js/time.js` rewrites them in the browser. Arguments are `impl Borrow` or [`Moment`] because askama passes
//! fields by reference, and locals by value or by a reference to their reference.

use std::borrow::Borrow;
use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::characters;

const KB: i64 = 1024;
const MB: i64 = 1024 * KB;
const GB: i64 = 1024 * MB;
const TB: i64 = 1024 * GB;

/// Characters of a file's stem that stay beside the extension when a name gives way in the middle.
const TAIL_STEM_CHARS: usize = 4;
/// An "extension" longer than this is no extension, and may be cut like the rest of the name.
const TAIL_EXTENSION_CHARS: usize = 12;

/// Bytes as "512 bytes", "403 KB", "4.0 MB", "128 MB"; 1 MB is 1,048,576 bytes, as in `MAX_UPLOAD_SIZE_MB`.
pub fn size(bytes: impl Borrow<i64>) -> String {
    let bytes = (*bytes.borrow()).max(0);
    if bytes < KB {
        return exact_size(bytes);
    }
    // The thresholds sit where rounding would otherwise print "1024 KB".
    if bytes < MB - KB / 2 {
        return format!("{} KB", (bytes + KB / 2) / KB);
    }
    let (unit, word) = if bytes < GB - MB / 2 {
        (MB, "MB")
    } else if bytes < TB - GB / 2 {
        (GB, "GB")
    } else {
        (TB, "TB")
    };
    let tenths = (bytes / unit) * 10 + ((bytes % unit) * 10 + unit / 2) / unit;
    if tenths < 1000 {
        format!("{}.{} {word}", tenths / 10, tenths % 10)
    } else {
        format!("{} {word}", bytes / unit + i64::from(bytes % unit >= unit / 2))
    }
}

/// Bytes to the last one, for the hover text: "4,183,922 bytes".
pub fn exact_size(bytes: impl Borrow<i64>) -> String {
    let bytes = *bytes.borrow();
    format!("{} {}", grouped(bytes), if bytes == 1 { "byte" } else { "bytes" })
}

/// A whole number with commas between the thousands.
pub fn grouped(number: impl Borrow<i64>) -> String {
    let number = *number.borrow();
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        text.push('-');
    }
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// "1 file", "12 files": a number with the word that fits it.
pub fn count(number: impl Borrow<i64>, one: &str, many: &str) -> String {
    let number = *number.borrow();
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// A moment behind any number of references.
pub trait Moment {
    fn utc(&self) -> DateTime<Utc>;
}

impl Moment for DateTime<Utc> {
    fn utc(&self) -> DateTime<Utc> {
        *self
    }
}

impl<M: Moment> Moment for &M {
    fn utc(&self) -> DateTime<Utc> {
        M::utc(self)
    }
}

/// A moment for the `datetime` attribute, RFC 3339 in UTC to the second.
pub fn rfc3339(at: impl Moment) -> String {
    at.utc().to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// "12 May 2026"
pub fn date(at: impl Moment) -> String {
    at.utc().format("%-d %b %Y").to_string()
}

/// "12 May 2026, 08:57 UTC"
pub fn date_time(at: impl Moment) -> String {
    at.utc().format("%-d %b %Y, %H:%M UTC").to_string()
}

/// "2026-05-12 08:57:03 UTC": the whole moment, for papers.
pub fn exact_time(at: impl Moment) -> String {
    at.utc().format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A file's name as it may stand on a page: without control characters and without the invisible ones that reverse
/// the reading order, with which `photo_gpj.exe` can pose as a picture.
pub fn shown_name(name: &str) -> String {
    let shown: String = name.chars().filter(|&c| !characters::is_unsafe(c)).collect();
    if shown.is_empty() { "(no name)".to_owned() } else { shown }
}

/// The first part of a name, which may be cut to an ellipsis when there is no room.
pub fn name_stem(name: &str) -> String {
    let name = shown_name(name);
    name[..tail_start(&name)].to_owned()
}

/// The last part of a name, which always stays: the extension and the few characters before it.
pub fn name_tail(name: &str) -> String {
    let name = shown_name(name);
    name[tail_start(&name)..].to_owned()
}

/// The extension in capitals for a file's badge, "PDF"; empty when the name has none.
pub fn extension(name: &str) -> String {
    let name = shown_name(name);
    match name.rsplit_once('.') {
        Some((stem, ext)) if !stem.is_empty() && (1..=5).contains(&ext.chars().count()) => ext.to_uppercase(),
        _ => String::new(),
    }
}

/// Up to two initials of "Priya Nair", "ines.carvalho" or "qa_lab-2".
pub fn initials(name: &str) -> String {
    let mut words = name
        .split(|c: char| c.is_whitespace() || matches!(c, '.' | '_' | '-' | '@'))
        .filter_map(|word| word.chars().find(|c| c.is_alphanumeric()));
    let first = words.next();
    let last = words.next_back();
    first.into_iter().chain(last).flat_map(char::to_uppercase).collect()
}

/// A SHA-256 in groups of four characters, so that people can compare it by eye.
pub fn hash_groups(hash: &str) -> Vec<String> {
    let chars: Vec<char> = hash.chars().collect();
    chars.chunks(4).map(|group| group.iter().collect()).collect()
}

/// A query string from the pairs that have a value, with its `?`; empty when none has.
pub fn query(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (key, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(key);
        text.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                text.push(char::from(byte));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
    text
}

/// Where the tail begins: a byte index on a character boundary that splits no emoji and no accent from its letter.
fn tail_start(name: &str) -> usize {
    let tail_chars = match name.rfind('.') {
        Some(dot) if dot > 0 && name[dot..].chars().count() <= TAIL_EXTENSION_CHARS => {
            TAIL_STEM_CHARS + name[dot..].chars().count()
        }
        _ => TAIL_STEM_CHARS,
    };
    let indices: Vec<(usize, char)> = name.char_indices().collect();
    // A name that is all tail would have nothing to give way with.
    let Some(mut at) = indices.len().checked_sub(tail_chars) else { return 0 };
    while at > 0 && (joins_previous(indices[at].1) || indices[at - 1].1 == '\u{200D}') {
        at -= 1;
    }
    indices[at].0
}

/// Combining marks, joiners, variation selectors and skin tones belong to the character before them.
fn joins_previous(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036F}' | '\u{0483}'..='\u{0489}' | '\u{0591}'..='\u{05C7}' | '\u{064B}'..='\u{065F}'
        | '\u{200D}' | '\u{20D0}'..='\u{20FF}' | '\u{FE00}'..='\u{FE0F}' | '\u{1F3FB}'..='\u{1F3FF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_round_without_ever_printing_1024() {
        let cases = [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1023, "1,023 bytes"),
            (1024, "1 KB"),
            (412_877, "403 KB"),
            (1_048_575, "1.0 MB"),
            (4_183_922, "4.0 MB"),
            (104_857_600, "100 MB"),
            (1_073_741_823, "1.0 GB"),
            (1_288_490_189, "1.2 GB"),
            (i64::MAX, "8388608 TB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn exact_sizes_group_thousands() {
        assert_eq!(exact_size(4_183_922), "4,183,922 bytes");
        assert_eq!(grouped(-1000), "-1,000");
        assert_eq!(grouped(999), "999");
    }

    #[test]
    fn names_give_way_in_the_middle_and_keep_the_extension() {
        let split = |name| (name_stem(name), name_tail(name));
        assert_eq!(split("weight-check_tray-14.jpg"), ("weight-check_tra".into(), "y-14.jpg".into()));
        assert_eq!(split("a.pdf"), (String::new(), "a.pdf".into()));
        assert_eq!(split(""), ("(no n".into(), "ame)".into()));
        assert_eq!(split("noextension"), ("noexten".into(), "sion".into()));
    }

    #[test]
    fn a_name_is_never_split_inside_an_emoji_or_an_accent() {
        let family = "photo👨\u{200D}👩\u{200D}👧.jpg";
        assert_eq!(name_stem(family), "photo");
        let accent = "re\u{301}sume\u{301}s.pdf";
        assert_eq!(format!("{}{}", name_stem(accent), name_tail(accent)), accent);
        assert!(!name_tail(accent).starts_with('\u{301}'));
    }

    #[test]
    fn a_name_cannot_hide_its_extension() {
        assert_eq!(shown_name("photo_\u{202E}gpj.exe"), "photo_gpj.exe");
        assert_eq!(shown_name("a\nb\u{0}.pdf"), "ab.pdf");
    }

    #[test]
    fn initials_come_from_the_first_and_the_last_word() {
        assert_eq!(initials("Priya Nair"), "PN");
        assert_eq!(initials("ines.carvalho"), "IC");
        assert_eq!(initials("Ana Maria da Silva"), "AS");
        assert_eq!(initials("admin"), "A");
        assert_eq!(initials("…"), "");
    }

    #[test]
    fn queries_leave_out_what_is_empty_and_escape_the_rest() {
        assert_eq!(query(&[("q", ""), ("status", "")]), "");
        assert_eq!(query(&[("q", "a&b é"), ("status", "open")]), "?q=a%26b%20%C3%A9&status=open");
    }
}
