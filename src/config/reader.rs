//! Reading one variable: its default, its bounds, what `stillage config` shows of it, and the one line that a
//! wrong value earns.

use std::{fmt, path::PathBuf, str::FromStr};

use secrecy::SecretString;

use super::scanner::ScannerAddress;

/// One variable as `stillage config` shows it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub name: &'static str,
    pub value: String,
    pub from_environment: bool,
}

/// One line: the variable, its value (unless secret) and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(pub(super) String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// Reads values and remembers what `stillage config` shows of them.
pub(super) struct Reader<F> {
    pub(super) lookup: F,
    pub(super) entries: Vec<Entry>,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    /// An empty value counts as unset: that is what compose files and `.env` make of a blank line.
    pub(super) fn raw(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.trim().is_empty())
    }

    pub(super) fn note(&mut self, name: &'static str, value: impl Into<String>, from_environment: bool) {
        self.entries.push(Entry { name, value: value.into(), from_environment });
    }

    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        let value = self.raw(name);
        self.note(name, value.as_deref().unwrap_or("(unset)"), value.is_some());
        value
    }

    pub(super) fn secret(&mut self, name: &'static str) -> Option<SecretString> {
        let value = self.raw(name);
        self.note(name, if value.is_some() { "(hidden)" } else { "(unset)" }, value.is_some());
        value.map(SecretString::from)
    }

    pub(super) fn parse<T: FromStr>(
        &mut self,
        name: &'static str,
        default: &str,
        allowed: &str,
    ) -> Result<T, ConfigError> {
        let given = self.raw(name);
        let value = given.as_deref().unwrap_or(default).trim();
        let parsed = value.parse().map_err(|_| wrong(name, value, allowed))?;
        let shown = value.to_owned();
        self.note(name, shown, given.is_some());
        Ok(parsed)
    }

    pub(super) fn number(
        &mut self,
        name: &'static str,
        default: u64,
        min: u64,
        max: u64,
    ) -> Result<u64, ConfigError> {
        let allowed = format!("a whole number from {min} to {max}");
        let number: u64 = self.parse(name, &default.to_string(), &allowed)?;
        if (min..=max).contains(&number) { Ok(number) } else { Err(wrong(name, number, &allowed)) }
    }

    /// A number that may be left out.
    pub(super) fn optional_number(
        &mut self,
        name: &'static str,
        min: u64,
        max: u64,
    ) -> Result<Option<u64>, ConfigError> {
        match self.raw(name) {
            Some(_) => self.number(name, min, min, max).map(Some),
            None => {
                self.note(name, "(unset)", false);
                Ok(None)
            }
        }
    }

    pub(super) fn path(&mut self, name: &'static str, default: &str) -> Result<PathBuf, ConfigError> {
        self.parse(name, default, "a folder's path")
    }

    pub(super) fn scanner(&mut self) -> Result<Option<ScannerAddress>, ConfigError> {
        let name = "CLAMAV_ADDRESS";
        let Some(address) = self.text(name) else { return Ok(None) };
        let allowed = "tcp://host:3310 or unix:/run/clamav/clamd.ctl";
        address.trim().parse().map(Some).map_err(|()| wrong(name, address, allowed))
    }
}

pub(super) fn wrong(name: &str, value: impl fmt::Display, allowed: &str) -> ConfigError {
    // One line, whatever the value is.
    let value = value.to_string().replace(char::is_control, "\u{FFFD}");
    ConfigError(format!("{name}={value} is not usable; allowed: {allowed}"))
}
