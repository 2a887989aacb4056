//! The body of a request, which breaks off when its client is too slow. Only the time counts in which the server waits
//! for the client.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{dev::Payload, error::PayloadError};
use bytes::Bytes;
use futures_util::Stream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::pace::Pace;
use crate::config::Timeouts;

struct Paced {
    payload: Payload,
    pace: Pace,
    /// Since when the client is waited for, and what ends that.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    is_over: bool,
}

/// The same payload, which ends with an error when the client is too slow.
pub fn paced(payload: Payload, timeouts: &Timeouts) -> Payload {
    let paced = Paced { payload, pace: Pace::new(timeouts), waiting: None, is_over: false };
    Payload::Stream { payload: Box::pin(paced) }
}

impl Stream for Paced {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.is_over {
            return Poll::Ready(None);
        }
        let next = Pin::new(&mut this.payload).poll_next(cx);
        match next {
            Poll::Ready(next) => {
                if let Some((since, _)) = this.waiting.take() {
                    this.pace.waited(since.elapsed());
                }
                if let Some(Ok(bytes)) = &next {
                    this.pace.moved(bytes.len() as u64);
                }
                this.is_over = !matches!(next, Some(Ok(_)));
                Poll::Ready(next)
            }
            Poll::Pending => {
                let left = this.pace.left();
                let (_, deadline) = this.waiting.get_or_insert_with(|| {
                    let now = Instant::now();
                    (now, Box::pin(sleep_until(now + left)))
                });
                if deadline.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                this.is_over = true;
                let error = io::Error::new(io::ErrorKind::TimedOut, "the client sends too slowly");
                Poll::Ready(Some(Err(PayloadError::Incomplete(Some(error)))))
            }
        }
    }
}
