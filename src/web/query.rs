//! Places in keyset pages, as they stand in addresses: opaque to clients.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

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
    let place = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    place
        .map(Some)
        .ok_or(Error::BadRequest("This page of the list is not there. Start at its first page.".into()))
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
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
}
