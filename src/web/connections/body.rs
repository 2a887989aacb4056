//! The body of an answer, which tells its connection when it is over.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::Bytes;

use super::Connection;

/// A request that is being received or answered, until it is dropped.
pub struct UnderWay {
    connection: Option<Connection>,
    /// Bytes of the answer so far.
    bytes: u64,
}

impl UnderWay {
    pub fn new(connection: Option<Connection>) -> Self {
        Self { connection, bytes: 0 }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            connection.answered(self.bytes);
        }
    }
}

/// The body of any answer.
pub struct Delivered {
    body: BoxBody,
    under_way: UnderWay,
}

impl Delivered {
    pub fn new(body: BoxBody, under_way: UnderWay) -> Self {
        Self { body, under_way }
    }
}

impl MessageBody for Delivered {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let next = ready!(Pin::new(&mut self.body).poll_next(cx));
        if let Some(Ok(bytes)) = &next {
            self.under_way.bytes += bytes.len() as u64;
        }
        Poll::Ready(next)
    }
}
