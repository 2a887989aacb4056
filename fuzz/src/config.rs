//! The environment: `NAME=value` lines.

use std::collections::HashMap;

use stillage::config::Config;

use crate::parts;

/// Variables whose value nobody is to see again.
const SECRETS: [&str; 6] = [
    "DATABASE_URL",
    "ADMIN_PASSWORD",
    "METRICS_TOKEN",
    "R2_SECRET_ACCESS_KEY",
    "AWS_SECRET_ACCESS_KEY",
    "ATTACHMENT_CDN_SIGNING_KEY",
];

/// Either a configuration, which shows no secret, or one printable line that says what is wrong with which variable
/// and quotes no secret.
///
/// # Panics
/// When that does not hold.
pub fn check(data: &[u8]) {
    let lines = parts::lines(data);
    let variables: HashMap<&str, &str> = lines.iter().filter_map(|line| line.split_once('=')).collect();
    match Config::from_lookup(|name| variables.get(name).map(|&value| value.to_owned())) {
        Ok(config) => {
            for entry in config.entries() {
                let is_hidden = matches!(entry.value.as_str(), "(hidden)" | "(unset)");
                assert!(is_hidden || !SECRETS.contains(&entry.name), "{} is shown", entry.name);
            }
        }
        Err(error) => {
            let line = error.to_string();
            assert!(!line.contains(char::is_control), "{line:?} is one line");
            let (name, rest) = line.split_once('=').unwrap_or((&line, ""));
            assert!(
                name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_'),
                "{line}"
            );
            let value = rest.split(" is not usable").next().unwrap_or_default();
            assert!(!SECRETS.contains(&name) || ["", "(hidden)"].contains(&value), "{name} is quoted");
        }
    }
}
