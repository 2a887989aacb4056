//! The protocol's request headers, read strictly: a header that is there and cannot be understood is an error.

use actix_web::http::header::{self, HeaderMap};
use base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use crate::{
    domain::uploads::{Checksum, Offer},
    error::{Error, Result},
    web::extract,
};

/// The type of bytes that are appended.
pub const OCTETS: &str = "application/offset+octet-stream";

/// Longest `Upload-Metadata` that is kept.
const METADATA_MAX: usize = 4096;

/// Clients differ in whether they pad.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a creation asks for.
pub fn offer(headers: &HeaderMap) -> Result<Offer> {
    if headers.contains_key("Upload-Defer-Length") {
        return Err(bad("The length must be known from the start: send Upload-Length."));
    }
    let length = number(headers, "Upload-Length")?;
    let metadata = text(headers, "Upload-Metadata").unwrap_or_default();
    let (mut batch_id, mut filename) = (None, None);
    for (key, value) in pairs(metadata)? {
        let place = match key {
            "batch_id" => &mut batch_id,
            "filename" => &mut filename,
            _ => continue,
        };
        let value =
            String::from_utf8(value).map_err(|_| bad(format!("{key} in Upload-Metadata is not UTF-8.")))?;
        if place.replace(value).is_some() {
            return Err(bad(format!("{key} is twice in Upload-Metadata.")));
        }
    }
    let missing = |key: &str| bad(format!("Upload-Metadata has no {key}."));
    let batch_id = batch_id.ok_or_else(|| missing("batch_id"))?;
    Ok(Offer {
        filename: filename.ok_or_else(|| missing("filename"))?,
        batch_id: extract::id(&batch_id)?,
        length,
        metadata: metadata.to_owned(),
    })
}

pub fn offset(headers: &HeaderMap) -> Result<u64> {
    number(headers, "Upload-Offset")
}

/// The checksum of the body, if the client sent one.
pub fn checksum(headers: &HeaderMap) -> Result<Option<Checksum>> {
    if !headers.contains_key("Upload-Checksum") {
        return Ok(None);
    }
    let unreadable = || bad("Upload-Checksum is an algorithm, a space, and the checksum in Base64.");
    let (algorithm, value) =
        text(headers, "Upload-Checksum").and_then(|text| text.split_once(' ')).ok_or_else(unreadable)?;
    let expected = BASE64.decode(value.trim()).map_err(|_| unreadable())?;
    let checksum = Checksum::new(algorithm, expected).ok_or_else(|| {
        bad(format!("This checksum algorithm is not known. Offered are: {}.", Checksum::ALGORITHMS))
    })?;
    Ok(Some(checksum))
}

/// Whether the body is bytes to append.
pub fn sends_octets(headers: &HeaderMap) -> bool {
    let value = text(headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(OCTETS)
}

/// How long the body will be; `None` when the client does not say (RFC 9112, 6.3).
pub fn body_length(headers: &HeaderMap) -> Option<u64> {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return None;
    }
    text(headers, header::CONTENT_LENGTH.as_str()).map_or(Some(0), |length| length.parse().ok())
}

/// `key base64, key base64, key`
fn pairs(metadata: &str) -> Result<Vec<(&str, Vec<u8>)>> {
    if metadata.len() > METADATA_MAX {
        return Err(bad(format!("Upload-Metadata is longer than {METADATA_MAX} bytes.")));
    }
    let pairs = metadata.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
            let value = BASE64.decode(value.trim());
            Ok((key, value.map_err(|_| bad("A value in Upload-Metadata is not Base64."))?))
        })
        .collect()
}

fn number(headers: &HeaderMap, name: &'static str) -> Result<u64> {
    let digits = text(headers, name).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| bad(format!("{name} must be a whole number of bytes.")))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn bad(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::BadRequest(message.into())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    const BATCH: &str = "batch_id NzdjM2FhNzItNWI2Ni00YzYyLTk3NDQtOTFkZDkwNmUwYjlk";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn an_offer_is_read() {
        let metadata = format!("filename UHLDvGZ1bmcucGRm,is_secret, {BATCH},filetype YXBwbGljYXRpb24vcGRm");
        let offer = offer(&headers(&[("upload-length", "10"), ("upload-metadata", &metadata)])).unwrap();
        assert_eq!((offer.filename.as_str(), offer.length), ("Prüfung.pdf", 10));
        assert_eq!(offer.batch_id.to_string(), "77c3aa72-5b66-4c62-9744-91dd906e0b9d");
        assert_eq!(offer.metadata, metadata);
    }

    #[test]
    fn what_is_no_offer_is_refused() {
        let good = format!("{BATCH},filename YS5wZGY");
        let table: &[&[(&'static str, &str)]] = &[
            &[("upload-metadata", &good)],
            &[("upload-metadata", &good), ("upload-length", "-1")],
            &[("upload-metadata", &good), ("upload-length", "+1")],
            &[("upload-metadata", &good), ("upload-length", "99999999999999999999999")],
            &[("upload-metadata", &good), ("upload-length", "1"), ("upload-defer-length", "1")],
            &[("upload-length", "1")],
            &[("upload-length", "1"), ("upload-metadata", "filename YS5wZGY")],
            &[("upload-length", "1"), ("upload-metadata", BATCH)],
            &[("upload-length", "1"), ("upload-metadata", "batch_id ***,filename YS5wZGY")],
            &[("upload-length", "1"), ("upload-metadata", &format!("{good},filename YS5wZGY"))],
            &[("upload-length", "1"), ("upload-metadata", &format!("{BATCH},filename /w"))],
            &[("upload-length", "1"), ("upload-metadata", &format!("{good},x {}", "A".repeat(5000)))],
        ];
        assert!(offer(&headers(&[("upload-metadata", &good), ("upload-length", "1")])).is_ok());
        for sent in table {
            assert!(matches!(offer(&headers(sent)), Err(Error::BadRequest(_))), "{sent:?}");
        }
        let no_id = [("upload-length", "1"), ("upload-metadata", "batch_id MQ,filename YS5wZGY")];
        assert!(matches!(offer(&headers(&no_id)), Err(Error::NotFound)));
    }

    #[test]
    fn checksums_are_of_known_algorithms() {
        let of = |value: &str| checksum(&headers(&[("upload-checksum", value)]));
        assert!(checksum(&headers(&[])).unwrap().is_none());
        assert!(of("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=").unwrap().is_some());
        for wrong in ["md5 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", "sha1", "sha256 ***", ""] {
            assert!(matches!(of(wrong), Err(Error::BadRequest(_))), "{wrong}");
        }
    }
}
