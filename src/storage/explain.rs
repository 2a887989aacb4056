//! What a bucket's failure means, in one line for the person who can mend it. Engines differ in their words;
//! what none of these fits is shown as it came, cut to one line.

use std::error::Error;

use object_store::client::{HttpError, HttpErrorKind};

/// Longest text of an engine that is shown.
const SHOWN: usize = 200;

/// The reason of a failure.
pub(super) fn reason(error: &object_store::Error, bucket: &str, host: &str) -> String {
    let text = chain(error);
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["NoSuchBucket", "InvalidBucketName"]) {
        format!("There is no bucket \"{bucket}\" at {host}.")
    } else if says(&["InvalidAccessKeyId", "NotSignedUp", "No such key: "]) {
        format!("{host} does not know the access key.")
    } else if says(&["SignatureDoesNotMatch", "nvalid signature"]) {
        "The secret key does not belong to the access key.".to_owned()
    } else if says(&["RequestTimeTooSkewed"]) {
        "The clock of this server is wrong.".to_owned()
    } else if says(&["AuthorizationHeaderMalformed", "PermanentRedirect", "configured region"]) {
        format!("The region is not the one of bucket \"{bucket}\".")
    } else if let Some(kind) = transport(error) {
        match kind {
            HttpErrorKind::Connect => format!("{host} cannot be reached."),
            HttpErrorKind::Timeout => format!("{host} does not answer in time."),
            _ => format!("The connection to {host} broke."),
        }
    } else if is_denied(error) || says(&["AccessDenied"]) {
        format!("The keys do not allow this in bucket \"{bucket}\" at {host}.")
    } else if let Some(status) = status(&text).filter(|status| status.starts_with('5')) {
        format!("{host} is not able to serve right now ({status}).")
    } else if matches!(error, object_store::Error::NotFound { .. }) {
        format!("{host} does not find what was asked of bucket \"{bucket}\".")
    } else {
        let line = text.lines().next().unwrap_or_default();
        format!("{host} refuses: {}", &line[..line.floor_char_boundary(SHOWN)])
    }
}

/// Whether the engine says that it does not know what was asked of it.
pub(super) fn is_not_implemented(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotImplemented { .. }) || status(&chain(error)) == Some("501")
}

/// Whether the bucket could not be reached or did not answer in time.
pub(super) fn is_silence(error: &object_store::Error) -> bool {
    matches!(transport(error), Some(HttpErrorKind::Connect | HttpErrorKind::Timeout))
}

fn is_denied(error: &object_store::Error) -> bool {
    use object_store::Error::{PermissionDenied, Unauthenticated};
    matches!(error, PermissionDenied { .. } | Unauthenticated { .. })
}

/// An error with all its causes, as one text.
fn chain(error: &object_store::Error) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn causes(error: &object_store::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(Some(error as &(dyn Error + 'static)), |&error| error.source())
}

fn transport(error: &object_store::Error) -> Option<HttpErrorKind> {
    causes(error).find_map(|error| error.downcast_ref::<HttpError>()).map(HttpError::kind)
}

/// The three digits that the client puts after these words.
fn status(text: &str) -> Option<&str> {
    text.split_once("status code: ").and_then(|(_, rest)| rest.get(..3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        let error = object_store::Error::Generic { store: "S3", source: text.into() };
        reason(&error, "files", "s3.example.com")
    }

    /// What the engines of others say, in their own words.
    #[test]
    fn words_of_many_engines() {
        let cases = [
            ("<Code>NoSuchBucket</Code>", "There is no bucket \"files\" at s3.example.com."),
            (
                "Forbidden: No such key: GK31c2f218a2e44f485b94239e",
                "s3.example.com does not know the access key.",
            ),
            ("<Code>InvalidAccessKeyId</Code>", "s3.example.com does not know the access key."),
            ("<Code>SignatureDoesNotMatch</Code>", "The secret key does not belong to the access key."),
            ("Forbidden: Invalid signature", "The secret key does not belong to the access key."),
            ("<Code>RequestTimeTooSkewed</Code>", "The clock of this server is wrong."),
            ("<Code>AuthorizationHeaderMalformed</Code>", "The region is not the one of bucket \"files\"."),
            (
                "Received redirect without LOCATION, this normally indicates an incorrectly configured region",
                "The region is not the one of bucket \"files\".",
            ),
            (
                "<Code>AccessDenied</Code>",
                "The keys do not allow this in bucket \"files\" at s3.example.com.",
            ),
            (
                "Server returned non-2xx status code: 502 Bad Gateway: ",
                "s3.example.com is not able to serve right now (502).",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(said(text), expected, "{text}");
        }
    }

    #[test]
    fn the_unknown_is_one_short_line() {
        let reason = said(&format!("{}\nsecond line", "ü".repeat(500)));
        assert!(reason.len() < 300 && !reason.contains('\n'), "{reason}");
    }
}
