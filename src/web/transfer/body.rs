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

use super::check::{Check, Report};

/// Bytes read in one hop. Two chunks at most are in memory per download.
pub const CHUNK: u64 = 256 * 1024;

pub struct FileBody {
    file: Arc<File>,
    /// Where the next chunk starts, and how many bytes are still to be read from there.
    offset: u64,
    unread: u64,
    /// How many bytes the client is still owed.
    unsent: u64,
    /// Bytes that were read when the file was opened and go out first.
    first: Option<Bytes>,
    reading: Option<JoinHandle<io::Result<Read>>>,
    /// Of a whole file: its check, unless a read has it, and the bytes that were read before and are not in it yet.
    check: Option<Check>,
    unchecked: Bytes,
    /// What is done before a damaged file breaks off.
    report: Option<Report>,
}

struct Read {
    chunk: Bytes,
    check: Option<Check>,
}

impl FileBody {
    /// `length` bytes of `file` from `offset`, of which `head`, the file's first bytes, may hold some already.
    /// A file that turns out to be shorter breaks the connection, so that nobody takes a part for the whole.
    pub fn new(file: File, head: Vec<u8>, offset: u64, length: u64) -> Self {
        let begin = offset.min(head.len() as u64) as usize;
        let end = (offset + length).min(head.len() as u64) as usize;
        let first = Bytes::from(head).slice(begin..end);
        let known = first.len() as u64;
        Self {
            file: Arc::new(file),
            offset: offset + known,
            unread: length - known,
            unsent: length,
            first: (known > 0).then_some(first),
            reading: None,
            check: None,
            unchecked: Bytes::new(),
            report: None,
        }
    }

    /// Has all bytes checked before the last chunk is sent. For whole files of more than their first bytes; smaller
    /// ones were checked when they were opened.
    pub fn checked(mut self, check: Check) -> Self {
        if self.unread > 0 {
            self.unchecked = self.first.clone().unwrap_or_default();
            self.check = Some(check);
        }
        self
    }

    fn read_ahead(&mut self) {
        let length = self.unread.min(CHUNK);
        if length == 0 {
            return;
        }
        let (file, offset) = (Arc::clone(&self.file), self.offset);
        self.offset += length;
        self.unread -= length;
        let (mut check, unchecked) = (self.check.take(), std::mem::take(&mut self.unchecked));
        self.reading = Some(tokio::task::spawn_blocking(move || {
            let mut chunk = vec![0; length as usize];
            file.read_exact_at(&mut chunk, offset)?;
            if let Some(check) = &mut check {
                check.update(&unchecked);
                check.update(&chunk);
            }
            Ok(Read { chunk: chunk.into(), check })
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
        if let Some(report) = &mut this.report {
            ready!(report.as_mut().poll(cx));
            this.report = None;
            return Poll::Ready(Some(Err(damaged())));
        }
        if this.reading.is_none() {
            this.read_ahead();
        }
        if let Some(first) = this.first.take() {
            this.unsent -= first.len() as u64;
            return Poll::Ready(Some(Ok(first)));
        }
        let Some(reading) = &mut this.reading else { return Poll::Ready(None) };
        let read = ready!(Pin::new(reading).poll(cx));
        this.reading = None;
        let read = read.map_err(io::Error::other).flatten().inspect_err(|error| {
            tracing::error!(%error, "a download broke off");
        });
        let Read { chunk, check } = match read {
            Ok(read) => read,
            Err(error) => return Poll::Ready(Some(Err(error))),
        };
        if this.unread == 0 {
            this.report = check.and_then(Check::finish);
            if this.report.is_some() {
                return self.poll_next(cx);
            }
        } else {
            this.check = check;
            this.read_ahead();
        }
        this.unsent -= chunk.len() as u64;
        Poll::Ready(Some(Ok(chunk)))
    }
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the file does not match its SHA-256")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use actix_web::body::to_bytes;

    use super::*;

    #[actix_web::test]
    async fn any_part_comes_whole_whatever_was_read_before() {
        let bytes: Vec<u8> = (0..700_000u32).map(|n| (n % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let parts =
            [(0, 700_000), (0, 1), (10, 5), (262_143, 2), (262_144, 1), (300_000, 400_000), (699_999, 1)];
        for head in [0, 10, 262_144] {
            for (offset, length) in parts {
                let body = FileBody::new(file.try_clone().unwrap(), bytes[..head].to_vec(), offset, length);
                let sent = to_bytes(body).await.unwrap();
                assert_eq!(sent, bytes[offset as usize..][..length as usize], "{head} {offset} {length}");
            }
        }
    }

    #[actix_web::test]
    async fn a_file_that_is_too_short_breaks_the_answer() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"short").unwrap();
        assert!(to_bytes(FileBody::new(file, Vec::new(), 0, 100)).await.is_err());
    }
}
