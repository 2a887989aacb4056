//! Names of files inside an archive: good on Windows, macOS and Linux, and each given once.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;

use crate::characters;

/// What one name may take on every filesystem we know, in bytes.
const NAME_MAX: usize = 255;
/// A longer "extension" is part of the name, not a type.
const EXTENSION_MAX: usize = 16;

/// Gives names, never the same one twice. Windows and macOS take `A.pdf` and `a.pdf` for the same file, so here
/// they are the same too.
#[derive(Default)]
pub struct Names {
    /// Each given name in small letters, and the last number that was put behind it.
    given: HashMap<String, u32>,
}

impl Names {
    /// A name for a file that people call `original`; the second of two becomes `name (2).pdf`.
    pub fn give(&mut self, original: &str) -> String {
        let name = safe(original);
        let key = key(&name);
        let Some(&last) = self.given.get(&key) else {
            self.given.insert(key, 1);
            return name;
        };
        // The count goes on where the last one of this name ended, so that 60,000 times `image.jpg` is quick.
        let mut number = last;
        let numbered = loop {
            number += 1;
            let candidate = with_number(&name, number);
            if !self.given.contains_key(&self::key(&candidate)) {
                break candidate;
            }
        };
        self.given.insert(key, number);
        self.given.insert(self::key(&numbered), 1);
        numbered
    }
}

fn key(name: &str) -> String {
    name.to_lowercase()
}

/// The name without what Windows forbids ("Naming Files, Paths, and Namespaces") or what leads out of a folder:
/// reserved characters and device names, dots and spaces at the end, control and direction-changing characters.
/// NFC, at most 255 bytes, never empty.
fn safe(original: &str) -> String {
    let kept: String = original
        .nfc()
        .map(|c| match c {
            '<' | '>' | ':' | '"' | '/' | '\\' | '|' | '?' | '*' => '_',
            c if characters::is_unsafe(c) => '_',
            c => c,
        })
        .collect();
    let name = cut(kept.trim_start(), "", NAME_MAX);
    if name.is_empty() {
        return "file".to_owned();
    }
    if is_device(&name) { cut(&format!("_{name}"), "", NAME_MAX) } else { name }
}

fn with_number(name: &str, number: u32) -> String {
    cut(name, &format!(" ({number})"), NAME_MAX)
}

/// The name with `suffix` before its extension, its stem cut on a character boundary to fit `room` bytes, and
/// without dots and spaces at its end.
fn cut(name: &str, suffix: &str, room: usize) -> String {
    let name = name.trim_end_matches(is_bad_ending);
    let (stem, extension) = match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot - 1 <= EXTENSION_MAX => name.split_at(dot),
        _ => (name, ""),
    };
    let end = stem.floor_char_boundary(room - suffix.len() - extension.len());
    let whole = format!("{}{suffix}{extension}", &stem[..end]);
    whole.trim_end_matches(is_bad_ending).to_owned()
}

fn is_bad_ending(c: char) -> bool {
    c == '.' || c.is_whitespace()
}

/// Whether Windows would take the name for a device, whatever its extension.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_uppercase();
    if ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"].contains(&stem.as_str()) {
        return true;
    }
    let port = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    port.is_some_and(|port| {
        let mut chars = port.chars();
        matches!((chars.next(), chars.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_somebody_has_given() {
        let mut names = Names::default();
        let table = [
            ("slip.pdf", "slip.pdf"),
            ("slip.pdf", "slip (2).pdf"),
            ("Slip.PDF", "Slip (3).PDF"),
            ("slip (2).pdf", "slip (2) (2).pdf"),
            ("slip.pdf", "slip (4).pdf"),
            ("../../etc/passwd", ".._.._etc_passwd"),
            ("..", "file"),
            ("C:\\Windows\\a.png", "C__Windows_a.png"),
            ("what?*.pdf", "what__.pdf"),
            ("NUL", "_NUL"),
            ("con.pdf", "_con.pdf"),
            ("COM1.tar.gz", "_COM1.tar.gz"),
            ("com².png", "_com².png"),
            ("COM10.png", "COM10.png"),
            ("Consul.pdf", "Consul.pdf"),
            ("ends with dots...", "ends with dots"),
            ("ends with space ", "ends with space"),
            (" begins", "begins"),
            ("", "file (2)"),
            ("\u{202E}\n", "__"),
            ("photo_\u{202E}gpj.exe", "photo__gpj.exe"),
            ("März.pdf", "März.pdf"),
            ("Ma\u{308}rz.pdf", "März (2).pdf"),
            (".hidden", ".hidden"),
            ("a. .pdf", "a. .pdf"),
        ];
        for (original, expected) in table {
            assert_eq!(names.give(original), expected, "{original:?}");
        }
    }

    #[test]
    fn many_equal_names_take_no_longer_each() {
        let mut names = Names::default();
        let given: HashSet<String> = (0..70_000).map(|_| names.give("image.jpg")).collect();
        assert_eq!(given.len(), 70_000);
        assert!(given.contains("image (70000).jpg"));
    }

    proptest! {
        #[test]
        fn any_names_become_safe_and_unique(
            originals in proptest::collection::vec("\\PC{0,300}|[a.] ?\\([23]\\)?|[./\\\\: ]{0,9}|(?i)con|aux\\.(pdf| )", 1..30),
        ) {
            let mut names = Names::default();
            let mut seen = HashSet::new();
            for original in &originals {
                for _ in 0..2 {
                    let name = names.give(original);
                    prop_assert!(seen.insert(name.to_lowercase()), "{} twice", name);
                    prop_assert!(!name.is_empty() && name.len() <= 255, "{}", name);
                    prop_assert!(!name.contains(['<', '>', ':', '"', '/', '\\', '|', '?', '*']), "{}", name);
                    prop_assert!(!name.chars().any(characters::is_unsafe), "{}", name);
                    prop_assert!(!name.ends_with('.') && !name.ends_with(char::is_whitespace), "{}", name);
                    prop_assert!(!is_device(&name) && name != "." && name != "..", "{}", name);
                }
            }
        }

        #[test]
        fn an_extension_stays(stem in "[a-zäöü]{1,400}", extension in "[a-z]{1,5}") {
            let mut names = Names::default();
            for _ in 0..3 {
                let ending = format!(".{extension}");
                let given = names.give(&format!("{stem}{ending}"));
                prop_assert!(given.ends_with(&ending));
            }
        }
    }
}
