//! The way of a file into a bucket: in one request, or in equal parts. What is not the file that was promised is
//! never completed.

use bytes::BytesMut;
use futures_util::TryStreamExt;
use object_store::{
    MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, path::Path,
};
use sha2::{Digest, Sha256};

use super::{ByteStream, Identity, ObjectStorage, Placing, Result, StorageError, explain, key};

/// Files up to this size go in one request, larger ones in parts of at least this size.
const PART: u64 = 16 * 1024 * 1024;
/// What S3 allows.
const PARTS_MAX: u64 = 10_000;

impl ObjectStorage {
    /// Keeps a head of the audit trail. What was kept for this seal before stays.
    ///
    /// # Errors
    /// [`StorageError::Taken`] when that was something else.
    pub async fn put_head(&self, seal: i64, text: Vec<u8>) -> Result<()> {
        let key = key::audit_head(seal);
        match self.s3.get(&key).await {
            Ok(kept) => {
                let kept = self.told(kept.bytes().await)?;
                if kept == text { Ok(()) } else { Err(StorageError::Taken) }
            }
            Err(object_store::Error::NotFound { .. }) => {
                self.told(self.s3.put(&key, text.into()).await.map(drop))
            }
            Err(error) => self.told(Err(error)),
        }
    }

    /// Sends a file. Where one is already, a [new](Placing::New) one is not sent: the caller looks at what is
    /// there.
    pub(super) async fn send(
        &self,
        key: &Path,
        what: Identity,
        bytes: ByteStream,
        placing: Placing,
    ) -> Result<()> {
        // Asked first, although each way is guarded: some engines ignore put-if-absent, and some break the
        // connection over a large body that they do not want.
        if placing == Placing::New && self.head(key).await?.is_some() {
            return Ok(());
        }
        if what.size <= PART {
            self.put_whole(key, what, bytes, placing).await
        } else {
            self.put_parts(key, what, bytes).await
        }
    }

    async fn put_whole(
        &self,
        key: &Path,
        what: Identity,
        mut bytes: ByteStream,
        placing: Placing,
    ) -> Result<()> {
        let (mut chunks, mut size, mut hash) = (Vec::new(), 0, Sha256::new());
        while let Some(chunk) = bytes.try_next().await? {
            size += chunk.len() as u64;
            if size > what.size {
                return Err(StorageError::Mismatch);
            }
            hash.update(&chunk);
            chunks.push(chunk);
        }
        if (Identity { size, sha256: hash.finalize().into() }) != what {
            return Err(StorageError::Mismatch);
        }
        let payload: PutPayload = chunks.into_iter().collect();
        let mode = if placing == Placing::New { PutMode::Create } else { PutMode::Overwrite };
        let put = self.s3.put_opts(key, payload.clone(), PutOptions::from(mode)).await;
        match put {
            // Somebody was here before, most likely we: what is there is looked at next.
            Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
            Err(error) if explain::is_not_implemented(&error) => {
                // An engine without put-if-absent; keys are never given twice.
                let options = PutOptions::from(PutMode::Overwrite);
                self.told(self.s3.put_opts(key, payload, options).await).map(drop)
            }
            other => self.told(other).map(drop),
        }
    }

    async fn put_parts(&self, key: &Path, what: Identity, bytes: ByteStream) -> Result<()> {
        let mut upload = self.told(self.s3.put_multipart(key).await)?;
        let sent = self.send_parts(&mut *upload, what, bytes).await;
        let done = match sent {
            Ok(()) => self.told(upload.complete().await).map(drop),
            Err(error) => Err(error),
        };
        if done.is_err()
            && let Err(error) = upload.abort().await
        {
            tracing::warn!(%error, %key, "the parts of an upload stay in the bucket");
        }
        done
    }

    async fn send_parts(
        &self,
        upload: &mut dyn MultipartUpload,
        what: Identity,
        mut bytes: ByteStream,
    ) -> Result<()> {
        // R2 wants all parts but the last to have one size.
        let part = part_size(what.size) as usize;
        let (mut buffer, mut size, mut hash) = (BytesMut::new(), 0, Sha256::new());
        while let Some(mut chunk) = bytes.try_next().await? {
            size += chunk.len() as u64;
            hash.update(&chunk);
            while buffer.len() + chunk.len() >= part {
                buffer.extend_from_slice(&chunk.split_to(part - buffer.len()));
                self.told(upload.put_part(buffer.split().freeze().into()).await)?;
            }
            buffer.extend_from_slice(&chunk);
        }
        if (Identity { size, sha256: hash.finalize().into() }) != what {
            return Err(StorageError::Mismatch);
        }
        if !buffer.is_empty() {
            self.told(upload.put_part(buffer.freeze().into()).await)?;
        }
        Ok(())
    }
}

/// As many whole MiB as a file of this size needs to fit into the parts that S3 allows.
fn part_size(size: u64) -> u64 {
    size.div_ceil(PARTS_MAX).next_multiple_of(1024 * 1024).max(PART)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_equal_and_few_enough() {
        let tib = 1 << 40;
        for size in [PART + 1, 1 << 30, 160_000_000_000, 200_000_000_000, tib] {
            let part = part_size(size);
            assert!(part >= PART && size.div_ceil(part) <= PARTS_MAX, "{size}");
        }
        assert_eq!(part_size(1 << 30), PART);
    }
}
