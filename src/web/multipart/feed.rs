//! How a request's body gets to the parser: one piece at a time, and the next one only when the parser has used up
//! what it had.
//!
//! actix-multipart tops its buffer up at every look. After each slice that it hands out, the buffer is shared with
//! that slice, so that topping up copies all of it: a body of near-boundaries (`\r--`) costs a copy of 64 KiB for
//! every three bytes. Fed like this, every byte is copied once.

use std::{
    cell::Cell,
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use actix_multipart::MultipartError;
use actix_web::{dev::Payload, error::PayloadError};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use tokio::{
    task::{coop, yield_now},
    time::{Instant, timeout, timeout_at},
};

use super::{malformed, unreadable};
use crate::error::Result;

/// Bytes that the parser gets at once: at most half of what its buffer holds, so that a part's head always fits. The
/// worker thread is given up after each piece.
pub(super) const PIECE: usize = 32 * 1024;
/// A client that sends nothing for so long has gone.
const IDLE: Duration = Duration::from_secs(60);

/// The body, and the end from which the parser takes its pieces.
pub(super) struct Feed {
    payload: Payload,
    /// What came and is not with the parser yet.
    left: Bytes,
    /// How the body ended, once it did.
    end: Option<std::result::Result<(), PayloadError>>,
    tray: Rc<Tray>,
}

/// The parser's end: one piece, or nothing for now.
struct Tray {
    piece: Cell<Option<Bytes>>,
    has_ended: Cell<bool>,
}

pub(super) struct Pieces(Rc<Tray>);

impl Stream for Pieces {
    type Item = std::result::Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.0.piece.take() {
            Some(piece) => Poll::Ready(Some(Ok(piece))),
            None if self.0.has_ended.get() => Poll::Ready(None),
            // Nothing has to wake the parser: it is asked again when there is another piece.
            None => Poll::Pending,
        }
    }
}

impl Feed {
    pub fn new(payload: Payload) -> (Self, Pieces) {
        let tray = Rc::new(Tray { piece: Cell::new(None), has_ended: Cell::new(false) });
        let pieces = Pieces(Rc::clone(&tray));
        (Self { payload, left: Bytes::new(), end: None, tray }, pieces)
    }

    /// The parser's next item; feeds it at most `most` bytes until it has one.
    ///
    /// # Errors
    /// The body cannot be read, stops coming, or has no item within `most` bytes.
    pub async fn until<T>(
        &mut self,
        parser: &mut (impl Stream<Item = std::result::Result<T, MultipartError>> + Unpin),
        most: usize,
    ) -> Result<Option<T>> {
        let mut fed = 0;
        loop {
            // A piece may hold thousands of items, all of them ready.
            coop::consume_budget().await;
            if let Poll::Ready(item) = now(parser).await {
                return item.transpose().map_err(unreadable);
            }
            if fed > most || self.tray.has_ended.get() {
                return Err(malformed("The form cannot be read. Send it again."));
            }
            fed += self.give().await?;
        }
    }

    /// Gives the parser its next piece and returns that one's size.
    async fn give(&mut self) -> Result<usize> {
        let piece = match timeout(IDLE, self.piece()).await {
            Ok(piece) => piece.map_err(unreadable)?,
            Err(_) => {
                self.end = Some(Ok(()));
                return Err(malformed(
                    "Nothing came for a minute. Check the connection and send the files again.",
                ));
            }
        };
        let size = piece.as_ref().map_or(0, Bytes::len);
        self.tray.has_ended.set(piece.is_none());
        self.tray.piece.set(piece);
        yield_now().await;
        Ok(size)
    }

    /// The next bytes, [`PIECE`] at most. Small chunks that are there already come together, since the parser looks
    /// at all it has for each piece.
    async fn piece(&mut self) -> std::result::Result<Option<Bytes>, PayloadError> {
        while self.left.is_empty() {
            match self.end.take() {
                Some(end) => {
                    self.end = Some(Ok(()));
                    return end.map(|()| None);
                }
                None => {
                    let next = self.payload.next().await;
                    self.keep(next);
                }
            }
        }
        if self.left.len() >= PIECE {
            return Ok(Some(self.left.split_to(PIECE)));
        }
        let mut gathered = BytesMut::from(std::mem::take(&mut self.left));
        while gathered.len() < PIECE && self.end.is_none() {
            let Poll::Ready(next) = now(&mut self.payload).await else { break };
            self.keep(next);
            let some = self.left.len().min(PIECE - gathered.len());
            gathered.extend_from_slice(&self.left.split_to(some));
        }
        Ok(Some(gathered.freeze()))
    }

    fn keep(&mut self, next: Option<std::result::Result<Bytes, PayloadError>>) {
        match next {
            Some(Ok(bytes)) => self.left = bytes,
            Some(Err(error)) => self.end = Some(Err(error)),
            None => self.end = Some(Ok(())),
        }
    }

    /// Reads what is left of the body and forgets it, at most `most` bytes until `deadline`.
    pub async fn drain(&mut self, most: u64, deadline: Instant) {
        let mut drained = 0;
        while drained < most {
            match timeout_at(deadline.min(Instant::now() + IDLE), self.piece()).await {
                Ok(Ok(Some(piece))) => drained += piece.len() as u64,
                Ok(Ok(None) | Err(_)) | Err(_) => return,
            }
            yield_now().await;
        }
    }
}

/// What a stream has at this moment.
async fn now<S: Stream + Unpin>(stream: &mut S) -> Poll<Option<S::Item>> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *stream).poll_next(cx))).await
}
