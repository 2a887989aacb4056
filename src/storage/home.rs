//! What every home of files can do. Callers see names and bytes; which engine holds them is no business of
//! theirs. One suite of tests runs against each implementation.

use std::{ops::Range, pin::Pin};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use sha2::{Digest, Sha256};

use super::Result;

/// A file's bytes as they come.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// What a file is: nothing else may stand under its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub size: u64,
    pub sha256: [u8; 32],
}

/// A file that a home holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub name: String,
    pub size: u64,
}

/// Whether a file may take the place of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placing {
    /// Only where nothing is. The same bytes under the same name are a success.
    New,
    /// Over what is there, which is known to be bad.
    Over,
}

pub trait Home: Send + Sync {
    /// Stores `bytes` under `name`, durably, and proves that they arrived: only [`Identity`] `what` is ever
    /// seen there. Nothing is left of a failure.
    ///
    /// # Errors
    /// [`StorageError::Mismatch`](super::StorageError::Mismatch) when the bytes are not `what`, before or after;
    /// [`StorageError::Taken`](super::StorageError::Taken) when other bytes have the name; whatever the home
    /// suffers from.
    fn put(
        &self,
        name: &str,
        what: Identity,
        bytes: ByteStream,
        placing: Placing,
    ) -> impl Future<Output = Result<()>> + Send;

    /// The size of a file; `None` when it is not there.
    fn size(&self, name: &str) -> impl Future<Output = Result<Option<u64>>> + Send;

    /// The bytes of a file, or a part of them; `None` when it is not there.
    fn read(
        &self,
        name: &str,
        part: Option<Range<u64>>,
    ) -> impl Future<Output = Result<Option<ByteStream>>> + Send;

    /// Removes a file for good. One that is not there is a success.
    fn remove(&self, name: &str) -> impl Future<Output = Result<()>> + Send;

    /// Every file, in no order.
    fn list(&self) -> impl Future<Output = Result<Vec<Held>>> + Send;

    /// Reads a file whole and tells what it is; `None` when it is not there.
    fn identify(&self, name: &str) -> impl Future<Output = Result<Option<Identity>>> + Send {
        async move {
            match self.read(name, None).await? {
                Some(bytes) => identity_of(bytes).await.map(Some),
                None => Ok(None),
            }
        }
    }
}

/// Consumes a stream and tells what it was. Chunks are small enough to be hashed where they arrive.
pub async fn identity_of(mut bytes: ByteStream) -> Result<Identity> {
    let (mut hash, mut size) = (Sha256::new(), 0);
    while let Some(chunk) = bytes.try_next().await? {
        hash.update(&chunk);
        size += chunk.len() as u64;
    }
    Ok(Identity { size, sha256: hash.finalize().into() })
}

/// Bytes in memory as a stream.
pub fn bytes_of(bytes: impl Into<Bytes>) -> ByteStream {
    futures_util::stream::iter([Ok(bytes.into())]).boxed()
}
