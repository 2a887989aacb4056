//! Names that nobody may bear: those by which pages and the trail mean Stillage itself or somebody without an account,
//! and what looks like them (Unicode TR 39, 4).

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};
use unicode_security::skeleton;

use crate::characters::is_hidden;

/// Names of actors that are no people, and what pages call those whose name they do not know.
const RESERVED: [&str; 10] = [
    "anonymous",
    "console",
    "nobody",
    "somebody",
    "someone",
    "stillage",
    "system",
    "unknown",
    "visitor",
    "everybody",
];

/// Words that make no other name of a reserved one.
const FILLERS: [&str; 2] = ["the", "itself"];

/// Whether somebody of this name could be taken for Stillage or for nobody in particular. Case, spaces, punctuation,
/// accents, numbers beside it and letters that only look alike make no difference.
pub fn is_reserved(name: &str) -> bool {
    // Which letters look alike differs between capitals and small letters.
    [name.to_owned(), name.to_lowercase(), name.to_uppercase()].iter().any(|name| {
        let alike = plain(name);
        let words = || alike.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        // In such a text, one and zero are letters.
        let is_number = |c: char| c.is_numeric() || matches!(c, 'l' | 'o');
        let is_one = |word: &str| {
            let word = word.trim_matches(is_number);
            RESERVED.iter().any(|reserved| plain(reserved).trim_matches(is_number) == word)
        };
        let is_filler =
            |word: &str| word.chars().all(is_number) || FILLERS.iter().any(|filler| plain(filler) == word);
        is_one(&words().collect::<String>())
            || (words().any(is_one) && words().all(|word| is_one(word) || is_filler(word)))
    })
}

/// A text in which all that looks alike is alike. It is for comparing only.
fn plain(text: &str) -> String {
    let bare: String = text.nfkd().filter(|c| !is_combining_mark(*c)).collect();
    let small = skeleton(&bare).collect::<String>().to_lowercase();
    // A capital I is a small L in many fonts.
    skeleton(&small).map(|c| if matches!(c, 'i' | '1') { 'l' } else { c }).collect()
}

/// Whether a name has anything that can be seen.
pub fn can_be_seen(name: &str) -> bool {
    let joins = |c| matches!(c, '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}');
    name.chars().any(|c| !c.is_whitespace() && !joins(c) && !is_hidden(c) && !is_combining_mark(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_stillage_is_reserved() {
        let looks_alike = [
            "system",
            "System",
            " SYSTEM ",
            "s y s t e m",
            "sys-tem",
            "_system_",
            "\u{405}ystem",                                           // Cyrillic Ѕ
            "\u{455}\u{443}\u{455}\u{442}\u{435}\u{43C}",             // all of it, small
            "\u{405}\u{423}\u{405}\u{422}\u{415}\u{41C}",             // and in capitals
            "\u{FF33}\u{FF59}\u{FF53}\u{FF54}\u{FF45}\u{FF4D}",       // full width
            "\u{1D412}\u{1D432}\u{1D42C}\u{1D42D}\u{1D41E}\u{1D426}", // mathematical
            "sys\u{200D}tem",
            "s\u{FF}st\u{E9}m",
            "Stillage",
            "STlLLAGE",
            "sti||age",
            "Stil1age",
            "Stillage System",
            "the system",
            "System 1",
            "System 2",
            "system-10",
            "Stillage01",
            "Stillage itself",
            "c0nsole",
            "C\u{3BF}nsole", // Greek omicron
            "Anonymous",
            "Visitor",
            "v\u{131}sitor", // dotless i
            "nobody",
        ];
        for name in looks_alike {
            assert!(is_reserved(name), "{name:?}");
        }
    }

    #[test]
    fn names_of_people_are_not() {
        let names = [
            "Ada",
            "Sys Admin",
            "Stella Stillager",
            "console.operator",
            "Systema",
            "stillage@acme.example",
            "admin",
            "7",
            "The",
            "\u{627}\u{62D}\u{645}\u{62F}",
            "\u{738B}\u{5C0F}\u{660E}",
            "\u{41C}\u{430}\u{440}\u{438}\u{44F}",
            "",
            "---",
        ];
        for name in names {
            assert!(!is_reserved(name), "{name:?}");
        }
    }

    #[test]
    fn what_cannot_be_seen() {
        assert!("a\u{200B}b".chars().any(is_hidden) && "\u{3164}".chars().any(is_hidden));
        // A Persian name is spelt with a joiner.
        assert!(!"\u{639}\u{644}\u{6CC}\u{200C}\u{631}\u{636}\u{627}".chars().any(is_hidden));
        for (name, seen) in [("Ada", true), ("\u{1F600}", true), ("\u{200D}", false), (" \u{301}", false)] {
            assert_eq!(can_be_seen(name), seen, "{name:?}");
        }
    }
}
