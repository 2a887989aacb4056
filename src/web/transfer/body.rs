//! A part of a file as the body of an answer: read in large chunks on blocking threads, one ahead of the
//! socket, so that memory stays constant and the disk is never waited for twice.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use tokio::task::JoinHandle;

/// Bytes read in one hop. Two chunks at most are in memory per download.
pub const CHUNK: u64 = 256 * 1024;

pub struct FileBody {
    file: Arc<File>,
    /// Where the next chunk starts, and how many bytes are still to be read from there.
    offset: u64,
    unread: u64,
    /// How many bytes the client is still owed.
    unsent: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileBody {
    /// `length` bytes of `file` from `offset`. A file that turns out to be shorter breaks the connection, so
    /// that nobody takes a part for the whole.
    pub fn new(file: File, offset: u64, length: u64) -> Self {
        Self { file: Arc::new(file), offset, unread: length, unsent: length, reading: None }
    }

    fn read_ahead(&mut self) {
        let length = self.unread.min(CHUNK);
        if length == 0 {
            return;
        }
        let (file, offset) = (Arc::clone(&self.file), self.offset);
        self.offset += length;
        self.unread -= length;
        self.reading = Some(tokio::task::spawn_blocking(move || {
            let mut chunk = vec![0; length as usize];
            file.read_exact_at(&mut chunk, offset)?;
            Ok(chunk.into())
        }));
    }
}

impl MessageBody for FileBody {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.unsent)
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let this = &mut *self;
        if this.reading.is_none() {
            this.read_ahead();
        }
        let Some(reading) = &mut this.reading else { return Poll::Ready(None) };
        let read = ready!(Pin::new(reading).poll(cx));
        this.reading = None;
        this.read_ahead();
        let chunk = read.map_err(io::Error::other).flatten();
        match &chunk {
            Ok(chunk) => this.unsent -= chunk.len() as u64,
            Err(error) => tracing::error!(%error, "a download broke off"),
        }
        Poll::Ready(Some(chunk))
    }
}
