//! The body of an upload form. The first byte is the size of the pieces in which it arrives.

use actix_multipart::Multipart;
use actix_web::{
    error::PayloadError,
    http::header::{CONTENT_TYPE, HeaderMap, HeaderValue},
};
use bytes::Bytes;
use futures_util::stream;
use stillage::web::transfer::upload::{Sent, filename_of, small};

/// What the seeds use.
const BOUNDARY: &str = "multipart/form-data; boundary=B";

/// Any body comes to an end, in parts that are no longer than what was sent, and nothing can be read after it.
///
/// # Panics
/// When that does not hold.
pub fn check(data: &[u8]) {
    let Some((&size, body)) = data.split_first() else { return };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build() else { return };
    let pieces: Vec<Result<Bytes, PayloadError>> =
        body.chunks(usize::from(size).max(1)).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(BOUNDARY));
    runtime.block_on(async {
        let mut sent = Sent::new(Multipart::new(&headers, stream::iter(pieces)));
        let mut read = 0;
        while let Ok(Some(mut part)) = sent.next().await {
            if filename_of(&part.field).is_some_and(|name| name.is_empty()) {
                panic!("a file without a name is no file");
            }
            match small(&mut part).await {
                Ok(value) => read += value.len(),
                Err(_) => {
                    let _ = sent.skip(&mut part).await;
                }
            }
        }
        assert!(read <= body.len(), "{read} of {}", body.len());
        assert!(matches!(sent.next().await, Ok(None)), "the end is the end");
        assert!(sent.drain().await.is_empty());
    });
}
