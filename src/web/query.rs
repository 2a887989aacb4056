//! Places in keyset pages, as they stand in addresses: opaque to clients. And moments and days there, which may be any
//! that a clock or a calendar shows, and none that the database cannot hold.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::error::{Error, Result};

/// The address form of a place in an order.
///
/// # Errors
/// Never for the plain structs and tuples that places are.
pub fn cursor<P: Serialize>(place: P) -> Result<String> {
    Ok(URL_SAFE_NO_PAD.encode(serde_json::to_vec(&place).map_err(Error::internal)?))
}

/// The place behind a cursor; none given is the start.
///
/// # Errors
/// [`Error::BadRequest`] for one that this server did not make.
pub fn parse_cursor<P: DeserializeOwned>(text: Option<&str>) -> Result<Option<P>> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let place = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).filter(is_one_of_ours);
    place
        .and_then(|place| serde_json::from_value(place).ok())
        .map(Some)
        .ok_or(Error::BadRequest("This page of the list is not there. Start at its first page.".into()))
}

/// Whether the database could have said this: it keeps no NUL in a text, and not every moment that can be written.
fn is_one_of_ours(place: &Value) -> bool {
    match place {
        Value::String(text) => {
            let at = text.parse::<DateTime<Utc>>();
            !text.contains('\0') && at.map_or(true, |at| is_on_a_calendar(at.date_naive()))
        }
        Value::Array(all) => all.iter().all(is_one_of_ours),
        Value::Object(fields) => fields.values().all(is_one_of_ours),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

fn is_on_a_calendar(day: NaiveDate) -> bool {
    (1..=9999).contains(&day.year())
}

/// A day as the field of a form sends it; `None` for what is none.
pub fn day(text: &str) -> Option<NaiveDate> {
    text.trim().parse().ok().filter(|day| is_on_a_calendar(*day))
}

/// A moment in microseconds since 1970; `None` for one that was never.
pub fn moment(micros: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros).filter(|at| is_on_a_calendar(at.date_naive()))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    type Place = (DateTime<Utc>, Uuid);

    #[test]
    fn cursors_come_back() {
        let place: Place = (DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap(), Uuid::now_v7());
        let text = cursor(place).unwrap();
        assert_eq!(parse_cursor::<Place>(Some(&text)).unwrap(), Some(place));
        assert_eq!(parse_cursor::<Place>(None).unwrap(), None);
        assert_eq!(parse_cursor::<Place>(Some("")).unwrap(), None);
        for broken in ["x", "%%%", &text[1..]] {
            assert!(parse_cursor::<Place>(Some(broken)).is_err(), "{broken}");
        }
    }

    #[test]
    fn places_that_the_database_cannot_hold_are_none() {
        let id = Uuid::nil();
        for at in ["+262142-01-01T00:00:00Z", "-4713-01-01T00:00:00Z", "0000-01-01T00:00:00Z"] {
            assert!(at.parse::<DateTime<Utc>>().is_ok(), "{at} can be written");
            assert!(parse_cursor::<Place>(Some(&cursor((at, id)).unwrap())).is_err(), "{at}");
        }
        assert!(parse_cursor::<String>(Some(&cursor("a\0b").unwrap())).is_err());
        assert_eq!(parse_cursor(Some(&cursor("2026").unwrap())).unwrap(), Some("2026".to_owned()));
        assert_eq!(parse_cursor(Some(&cursor(i64::MIN).unwrap())).unwrap(), Some(i64::MIN));
    }

    #[test]
    fn days_and_moments() {
        let table =
            [("2026-01-31", true), ("0001-01-01", true), ("9999-12-31", true), (" 2026-01-31 ", true)];
        let bad = ["0000-12-31", "-0001-01-01", "+10000-01-01", "262142-12-31", "2026-02-30", "x", ""];
        for (text, good) in table.into_iter().chain(bad.map(|text| (text, false))) {
            assert_eq!(day(text).is_some(), good, "{text}");
        }
        assert!(moment(0).is_some() && moment(i64::MAX).is_none() && moment(i64::MIN).is_none());
    }
}
