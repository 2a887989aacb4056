//! The body of an upload form. The first byte is the size of the pieces in which it arrives.

use actix_web::{
    dev::Payload,
    error::PayloadError,
    http::header::{CONTENT_TYPE, HeaderMap, HeaderValue},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use stillage::web::multipart::{FIELDS_MAX, GuardedForm, MAX_FILES, Part};

/// What the seeds use.
const BOUNDARY: &str = "multipart/form-data; boundary=B";

/// Any body comes to an end, in parts that are no longer than what was sent, the same ones in whatever pieces it
/// arrives, and nothing can be read after it.
///
/// # Panics
/// When that does not hold.
pub fn check(data: &[u8]) {
    let Some((&size, body)) = data.split_first() else { return };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build() else { return };
    runtime.block_on(async {
        let parts = read(body, usize::from(size).max(1)).await;
        let sent: usize = parts.iter().map(|(_, value)| value.len()).sum();
        assert!(sent <= body.len(), "{sent} of {}", body.len());
        assert_eq!(parts, read(body, usize::MAX).await, "in pieces, and at once");
    });
}

/// The name and the bytes of every part.
async fn read(body: &[u8], size: usize) -> Vec<(String, Vec<u8>)> {
    let pieces: Vec<Result<Bytes, PayloadError>> =
        body.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(BOUNDARY));
    let payload = Payload::Stream { payload: stream::iter(pieces).boxed_local() };
    let mut form = GuardedForm::new(&headers, payload, None, &["number", "notes"]);
    let mut parts = Vec::new();
    while let Ok(Some(part)) = form.next().await {
        match part {
            Part::Field(name, value) => parts.push((name.to_owned(), value.into_bytes())),
            Part::File(name) => {
                assert!(!name.is_empty(), "a file without a name is no file");
                let mut bytes = Vec::new();
                while let Ok(Some(some)) = form.chunk().await {
                    bytes.extend_from_slice(&some);
                }
                parts.push((name, bytes));
            }
        }
    }
    let fields = parts.iter().filter(|(name, _)| ["number", "notes"].contains(&name.as_str()));
    assert!(fields.map(|(_, value)| value.len()).sum::<usize>() <= FIELDS_MAX);
    assert!(matches!(form.next().await, Ok(None)), "the end is the end");
    assert!(matches!(form.chunk().await, Ok(None)), "of the last file, too");
    assert!(form.drain().await.len() <= MAX_FILES);
    parts
}
