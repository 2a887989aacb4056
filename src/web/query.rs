//! Places in keyset pages, as they stand in addresses.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::error::{Error, Result};

/// A place in an order by time and id: opaque to clients.
pub fn cursor((at, id): (DateTime<Utc>, Uuid)) -> String {
    let mut bytes = at.timestamp_micros().to_be_bytes().to_vec();
    bytes.extend(id.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The place behind a cursor; none given is the start.
///
/// # Errors
/// [`Error::BadRequest`] for one that this server did not make.
pub fn parse_cursor(text: Option<&str>) -> Result<Option<(DateTime<Utc>, Uuid)>> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let parse = || {
        let bytes: [u8; 24] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (micros, id) = bytes.split_at(8);
        let at = DateTime::from_timestamp_micros(i64::from_be_bytes(micros.try_into().ok()?))?;
        Some((at, Uuid::from_slice(id).ok()?))
    };
    parse()
        .map(Some)
        .ok_or(Error::BadRequest("This page of the list is not there. Start at its first page.".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back() {
        let place = (DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap(), Uuid::now_v7());
        assert_eq!(parse_cursor(Some(&cursor(place))).unwrap(), Some(place));
        assert_eq!(parse_cursor(None).unwrap(), None);
        assert_eq!(parse_cursor(Some("")).unwrap(), None);
        for broken in ["x", "%%%", &cursor(place)[1..]] {
            assert!(parse_cursor(Some(broken)).is_err(), "{broken}");
        }
    }
}
