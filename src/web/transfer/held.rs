//! Answers that take a place for as long as they are on their way.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
};
use bytes::Bytes;

use crate::domain::slots::Slot;

struct Held {
    body: BoxBody,
    _slot: Slot,
}

/// The answer, which gives the place back when it is sent or dropped.
pub(in crate::web) fn holding(answer: HttpResponse, slot: Slot) -> HttpResponse {
    answer.map_body(|_, body| Held { body, _slot: slot }.boxed())
}

impl MessageBody for Held {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}
