//! Addresses of a CDN in front of the bucket: each carries a token that expires. The form is the one that
//! Cloudflare's `is_timed_hmac_valid_v0` checks; `docs/operations.md` has the rule.

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::ExposeSecret;
use sha2::Sha256;

use crate::{config::Cdn, storage::key};

/// What may stand unencoded in a segment of a path (RFC 3986, unreserved).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `BASE/batches/NAME?verify=SECONDS-MAC`; the MAC is over the path and the seconds.
pub(super) fn url(cdn: &Cdn, stored_name: &str, now: DateTime<Utc>) -> String {
    let path = format!("/{}/{}", key::BATCHES, utf8_percent_encode(stored_name, SEGMENT));
    let seconds = now.timestamp();
    let mac = mac(cdn.signing_key.expose_secret(), &format!("{path}{seconds}"));
    let mac = utf8_percent_encode(&mac, SEGMENT).to_string();
    format!("{}{path}?verify={seconds}-{mac}", cdn.base_url)
}

fn mac(key: &str, message: &str) -> String {
    // A key of any length is fine for HMAC (RFC 2104), so that there is always one.
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).map(|mut mac| {
        mac.update(message.as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    });
    mac.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_over_path_and_time() {
        let cdn = Cdn { base_url: "https://cdn.example.com".to_owned(), signing_key: "mysecrettoken".into() };
        let at = DateTime::from_timestamp(1_484_063_137, 0).unwrap();
        let url = url(&cdn, "a b.pdf", at);
        // openssl dgst -sha256 -hmac mysecrettoken -binary | base64, over "/batches/a%20b.pdf1484063137"
        let expected = mac("mysecrettoken", "/batches/a%20b.pdf1484063137");
        let expected = expected.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        assert_eq!(url, format!("https://cdn.example.com/batches/a%20b.pdf?verify=1484063137-{expected}"));
    }

    #[test]
    fn the_mac_is_hmac_sha256() {
        // RFC 4231, test case 2.
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let expected = STANDARD.encode(hex::decode(expected).unwrap());
        assert_eq!(mac("Jefe", "what do ya want for nothing?"), expected);
    }
}
