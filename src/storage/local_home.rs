//! The local store as a home like any other: streams in and out on blocking threads.

use std::{fs::File, io::Read, ops::Range, os::unix::fs::FileExt, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{ByteStream, Held, Home, Identity, LocalStore, Placing, Result, Staged, Staging, StorageError};

/// Bytes read or written in one hop to a blocking thread.
const CHUNK: usize = 1024 * 1024;

impl Home for Arc<LocalStore> {
    async fn put(&self, name: &str, what: Identity, bytes: ByteStream, placing: Placing) -> Result<()> {
        let staged = spool(self, what, bytes).await?;
        let (store, name) = (Arc::clone(self), name.to_owned());
        hop(move || {
            let there = store.open_published(&name)?;
            match (there, placing) {
                (Some((file, _)), Placing::New) => {
                    return if identity_of_file(file)? == what { Ok(()) } else { Err(StorageError::Taken) };
                }
                (None, Placing::New) => {}
                // Whatever stands there, a folder or a pipe too.
                (_, Placing::Over) => drop(store.set_aside(&name)?),
            }
            store.publish(staged, &name)?.confirm();
            Ok(())
        })
        .await
    }

    async fn size(&self, name: &str) -> Result<Option<u64>> {
        let (store, name) = (Arc::clone(self), name.to_owned());
        hop(move || store.size_of(&name)).await
    }

    async fn read(&self, name: &str, part: Option<Range<u64>>) -> Result<Option<ByteStream>> {
        let (store, name) = (Arc::clone(self), name.to_owned());
        let Some((file, size)) = hop(move || store.open_published(&name)).await? else { return Ok(None) };
        Ok(Some(stream_file(file, part.unwrap_or(0..size))))
    }

    async fn remove(&self, name: &str) -> Result<()> {
        let (store, name) = (Arc::clone(self), name.to_owned());
        hop(move || store.remove_published(&name)).await
    }

    async fn list(&self) -> Result<Vec<Held>> {
        let store = Arc::clone(self);
        hop(move || {
            let found = store.list_published()?;
            found.map(|found| found.map(|found| Held { name: found.name, size: found.size })).collect()
        })
        .await
    }
}

/// Writes a stream to the store's staging folder and checks it; nothing is left when it is not `what`.
pub async fn spool(store: &Arc<LocalStore>, what: Identity, mut bytes: ByteStream) -> Result<Staged> {
    let begin = Arc::clone(store);
    let mut staging = hop(move || begin.stage()).await?;
    let (mut gathered, mut length) = (Vec::new(), 0);
    while let Some(chunk) = bytes.try_next().await? {
        length += chunk.len();
        gathered.push(chunk);
        if length >= CHUNK {
            staging = append(staging, std::mem::take(&mut gathered)).await?;
            length = 0;
            if staging.size() > what.size {
                return Err(StorageError::Mismatch);
            }
        }
    }
    staging = append(staging, gathered).await?;
    let staged = hop(move || staging.finish()).await?;
    if staged.identity() == what { Ok(staged) } else { Err(StorageError::Mismatch) }
}

async fn append(mut staging: Staging, chunks: Vec<Bytes>) -> Result<Staging> {
    hop(move || {
        for chunk in chunks {
            staging.write(&chunk)?;
        }
        Ok(staging)
    })
    .await
}

/// A part of a file as a stream. A file that turns out to be shorter ends it with an error.
pub fn stream_file(file: File, part: Range<u64>) -> ByteStream {
    stream::try_unfold((Arc::new(file), part), |(file, part)| async move {
        let length = (part.end.saturating_sub(part.start)).min(CHUNK as u64) as usize;
        if length == 0 {
            return Ok(None);
        }
        let (reader, offset) = (Arc::clone(&file), part.start);
        let chunk = hop(move || {
            let mut chunk = vec![0; length];
            reader.read_exact_at(&mut chunk, offset).map_err(StorageError::io("read a file"))?;
            Ok(Bytes::from(chunk))
        })
        .await?;
        Ok(Some((chunk, (file, offset + length as u64..part.end))))
    })
    .boxed()
}

fn identity_of_file(mut file: File) -> Result<Identity> {
    use sha2::{Digest, Sha256};
    let (mut hash, mut size, mut chunk) = (Sha256::new(), 0, vec![0; CHUNK]);
    loop {
        let read = file.read(&mut chunk).map_err(StorageError::io("read a file"))?;
        if read == 0 {
            return Ok(Identity { size, sha256: hash.finalize().into() });
        }
        hash.update(&chunk[..read]);
        size += read as u64;
    }
}

async fn hop<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let doing = "finish what it began";
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| StorageError::io(doing)(std::io::Error::other(error)))?
}
