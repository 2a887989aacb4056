//! The headers of resumable uploads (tus 1.0.0).

use actix_web::http::header::HeaderMap;
use stillage::{error::Error, web::transfer::tus::headers};

use crate::parts;

/// Headers are understood as they stand, or refused with a reason.
///
/// # Panics
/// When that does not hold.
pub fn check(data: &[u8]) {
    let sent = parts::headers(data);
    if let Some(offer) = refused_or(headers::offer(&sent)) {
        assert!(!sent.contains_key("Upload-Defer-Length"));
        assert_eq!(number(&sent, "Upload-Length"), Some(offer.length));
        assert!(offer.metadata.len() <= 4096, "{}", offer.metadata.len());
    }
    if let Some(offset) = refused_or(headers::offset(&sent)) {
        assert_eq!(number(&sent, "Upload-Offset"), Some(offset));
    }
    if refused_or(headers::checksum(&sent)).flatten().is_some() {
        assert!(sent.contains_key("Upload-Checksum"));
    }
    let _ = headers::sends_octets(&sent);
    let _ = headers::body_length(&sent);
}

fn refused_or<T>(read: Result<T, Error>) -> Option<T> {
    match read {
        Ok(value) => Some(value),
        Err(Error::BadRequest(_) | Error::NotFound) => None,
        Err(error) => panic!("a header is the client's fault: {error:?}"),
    }
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}
