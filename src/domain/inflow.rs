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
/// nothing, small enough that hundreds of uploads fit in memory.
const CHUNK: usize = 256 * 1024;

pub(super) struct Inflow {
    app: Arc<App>,
    kind: &'static Type,
    head: Vec<u8>,
    head_checked: bool,
    /// Whether the type is refused as soon as enough bytes are there.
    checks_early: bool,
    gathered: Vec<Bytes>,
    gathered_size: usize,
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
            gathered: Vec::new(),
            gathered_size: 0,
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
        self.gathered_size += bytes.len();
        self.gathered.push(bytes);
        if self.gathered_size >= CHUNK { self.flush().await } else { Ok(()) }
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
        let chunks = std::mem::take(&mut self.gathered);
        self.gathered_size = 0;
        let app = Arc::clone(&self.app);
        self.writing = Some(tokio::task::spawn_blocking(move || append(&app, staging, &chunks)));
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

fn append(app: &App, staging: Option<Staging>, chunks: &[Bytes]) -> Result<Staging> {
    let mut staging = match staging {
        Some(staging) => staging,
        None => app.store.stage().map_err(refuse)?,
    };
    for chunk in chunks {
        staging.write(chunk).map_err(refuse)?;
    }
    Ok(staging)
}
