//! Whether a write comes from a page of this server: by what the browser says of its origin, and by a token
//! that only such a page knows (OWASP ASVS 5.0, 3.5.1).

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderMap},
};
use subtle::ConstantTimeEq;

use crate::error::{Error, Result};

/// Name of the form field.
pub const FIELD: &str = "csrf_token";
/// Name of the header, for scripts.
pub const HEADER: &str = "X-CSRF-Token";

/// A fresh token: 128 random bits.
pub fn new_token() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}

/// Refuses a write that a page of another site sent.
///
/// # Errors
/// [`Error::Csrf`] for `Sec-Fetch-Site: cross-site`, and for an `Origin` that is neither the request's own host
/// nor the public address.
pub fn check_origin(req: &HttpRequest, public_url: &str) -> Result<()> {
    let text = |name: &str| req.headers().get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    if text("Sec-Fetch-Site") == Some("cross-site") {
        return Err(Error::Csrf);
    }
    let Some(origin) = text("Origin") else { return Ok(()) };
    let host = req.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let origin_host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let is_own = origin == public_url || (host.is_some() && origin_host == host);
    if is_own { Ok(()) } else { Err(Error::Csrf) }
}

/// The token that a script sent in the header, if it sent one.
pub fn in_header(headers: &HeaderMap) -> Option<&str> {
    headers.get(HEADER).and_then(|value| value.to_str().ok())
}

/// # Errors
/// [`Error::Csrf`] when the two differ.
pub fn check_token(given: &str, expected: &str) -> Result<()> {
    if given.as_bytes().ct_eq(expected.as_bytes()).into() { Ok(()) } else { Err(Error::Csrf) }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn origins() {
        let table: &[(&[(&str, &str)], bool)] = &[
            (&[], true),
            (&[("Origin", "http://stillage.local:8080")], true),
            (&[("Origin", "https://public.example")], true),
            (&[("Origin", "https://evil.example")], false),
            (&[("Origin", "http://stillage.local:8081")], false),
            (&[("Origin", "null")], false),
            (&[("Origin", "https://public.example.evil.example")], false),
            (&[("Sec-Fetch-Site", "same-origin")], true),
            (&[("Sec-Fetch-Site", "none")], true),
            (&[("Sec-Fetch-Site", "cross-site")], false),
            (&[("Sec-Fetch-Site", "cross-site"), ("Origin", "https://public.example")], false),
        ];
        for (headers, good) in table {
            let mut req = TestRequest::post().insert_header(("Host", "stillage.local:8080"));
            for header in *headers {
                req = req.insert_header(*header);
            }
            let answer = check_origin(&req.to_http_request(), "https://public.example");
            assert_eq!(answer.is_ok(), *good, "{headers:?}");
        }
    }
}
