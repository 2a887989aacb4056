//! Bytes on their way to a staged file, in constant memory: the first ones are compared with the type that the
//! name claims, all are hashed and written in chunks on blocking threads while the next chunk gathers.

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinHandle;

use super::{
    content::{HEAD, Type},
    intake::refuse,
};
use crate::{
    app::App,
    blocking,
    error::{Error, Result},
    storage::{Staged, Staging},
};

/// How many bytes gather before they go to a blocking thread together: large enough that the hop costs
/// nothing, small enough that hundreds of uploads fit in memory. While one chunk is written, the next gathers, so
/// that an upload holds at most twice this.
const CHUNK: usize = 256 * 1024;

/// Bytes of a chunk in one buffer of their own. Slices as they come in share the buffers of the connection and of the
/// form's parser: one of three bytes can keep 64 KiB in memory.
#[derive(Default)]
struct Chunk(Vec<u8>);

impl Chunk {
    /// Copies what fits from the front of `bytes` and returns the rest. The capacity grows to [`CHUNK`] and no
    /// further.
    fn fill<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (fits, rest) = bytes.split_at(bytes.len().min(CHUNK - self.0.len()));
        let needed = self.0.len() + fits.len();
        if needed > self.0.capacity() {
            let capacity = (self.0.capacity() * 2).clamp(needed, CHUNK);
            self.0.reserve_exact(capacity - self.0.len());
        }
        self.0.extend_from_slice(fits);
        rest
    }

    fn is_full(&self) -> bool {
        self.0.len() == CHUNK
    }
}

pub(super) struct Inflow {
    app: Arc<App>,
    kind: &'static Type,
    head: Vec<u8>,
    head_checked: bool,
    /// Whether the type is refused as soon as enough bytes are there.
    checks_early: bool,
    gathered: Chunk,
    size: u64,
    /// The staged file, with a blocking thread that writes to it; `None` before the first chunk of a new one.
    writing: Option<JoinHandle<Result<Staging>>>,
    at_rest: Option<Staging>,
}

impl Inflow {
    /// A new file; its staged file is made with the first chunk.
    pub fn new(app: &Arc<App>, kind: &'static Type) -> Self {
        Self {
            app: Arc::clone(app),
            kind,
            head: Vec::new(),
            head_checked: false,
            checks_early: true,
            gathered: Chunk::default(),
            size: 0,
            writing: None,
            at_rest: None,
        }
    }

    /// One that goes on behind what is staged; `head` are the first bytes of that. Bytes that may yet turn out
    /// not to be what was sent do not check early.
    pub fn resume(
        app: &Arc<App>,
        kind: &'static Type,
        staging: Staging,
        head: Vec<u8>,
        checks_early: bool,
    ) -> Self {
        Self {
            head_checked: head.len() == HEAD,
            head,
            checks_early,
            size: staging.size(),
            at_rest: Some(staging),
            ..Self::new(app, kind)
        }
    }

    pub fn kind(&self) -> &'static Type {
        self.kind
    }

    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Takes the next bytes. While one chunk is hashed and written, the next gathers.
    ///
    /// # Errors
    /// The type is not what the name says, or the store does not take the bytes.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.size += bytes.len() as u64;
        if !self.head_checked {
            let missing = HEAD - self.head.len();
            self.head.extend_from_slice(&bytes[..bytes.len().min(missing)]);
            if self.checks_early && self.head.len() == HEAD {
                self.check_head()?;
            }
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            rest = self.gathered.fill(rest);
            if self.gathered.is_full() {
                self.flush().await?;
            }
        }
        Ok(())
    }

    fn check_head(&mut self) -> Result<()> {
        self.head_checked = true;
        self.kind.check_head(&self.head)
    }

    /// Compares the first bytes with the type if they can be compared by now.
    pub fn check_so_far(&mut self) -> Result<()> {
        if !self.head_checked && self.head.len() == HEAD { self.check_head() } else { Ok(()) }
    }

    /// The same for a file that is whole, however short it is.
    pub fn check_all(&mut self) -> Result<()> {
        if self.head_checked { Ok(()) } else { self.check_head() }
    }

    async fn flush(&mut self) -> Result<()> {
        let staging = self.settled().await?;
        let chunk = std::mem::take(&mut self.gathered);
        let app = Arc::clone(&self.app);
        self.writing = Some(tokio::task::spawn_blocking(move || append(&app, staging, &chunk)));
        Ok(())
    }

    /// The staged file once nothing writes to it; `None` before the first chunk of a new one.
    async fn settled(&mut self) -> Result<Option<Staging>> {
        match self.writing.take() {
            Some(writing) => writing.await.map_err(Error::internal)?.map(Some),
            None => Ok(self.at_rest.take()),
        }
    }

    /// Does something with the staged file when all bytes so far are in it.
    ///
    /// # Errors
    /// What `work` returns, or a failure to write; the staged file is closed then.
    pub async fn pause(
        &mut self,
        work: impl FnOnce(&mut Staging) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        self.flush().await?;
        let Some(mut staging) = self.settled().await? else { return Ok(()) };
        let staging = blocking::run(move || {
            work(&mut staging)?;
            Ok(staging)
        })
        .await?;
        self.size = staging.size();
        self.at_rest = Some(staging);
        Ok(())
    }

    /// Ends the file: all bytes durable and hashed.
    pub async fn close(mut self) -> Result<Staged> {
        let staging = self.settled().await?;
        let (app, gathered) = (self.app, self.gathered);
        blocking::run(move || append(&app, staging, &gathered)?.finish().map_err(refuse)).await
    }
}

fn append(app: &App, staging: Option<Staging>, chunk: &Chunk) -> Result<Staging> {
    let mut staging = match staging {
        Some(staging) => staging,
        None => app.store.stage().map_err(refuse)?,
    };
    staging.write(&chunk.0).map_err(refuse)?;
    Ok(staging)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_of_any_size_take_no_more_than_one_chunk() {
        for slice in [1, 3, 1000, 32 * 1024, 3 * CHUNK] {
            let (sent, mut chunk, mut written) = (vec![7; slice], Chunk::default(), 0);
            while written < 4 * CHUNK {
                let mut rest = &sent[..];
                while !rest.is_empty() {
                    rest = chunk.fill(rest);
                    assert!(chunk.0.capacity() <= CHUNK, "{} of slices of {slice}", chunk.0.capacity());
                    if chunk.is_full() {
                        written += std::mem::take(&mut chunk).0.len();
                    }
                }
            }
        }
    }
}
