//! Answers to what is no HTTP: a malformed head, one that is too large or never ends, a broken chunk.
//!
//! Actix answers the first three itself, before any middleware, with a bare status: no request id, none of our headers,
//! no body. It offers no way to change that (`actix-http` 3.20, `h1/dispatcher.rs`: `poll_request` queues
//! `Response::bad_request()`, `poll_head_timer` sends the 408). After a broken chunk it hangs up without an answer, unless
//! the handler happens to have one at that very moment.
//!
//! So the connection keeps such a bare answer back for the moment, and once the dispatcher has ended, its result says
//! whether it was one: then our own answer is sent in its place. In every other case the bytes were those of a handler,
//! and are sent on as they are. Nothing that a handler sends is ever replaced.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, SystemTime},
};

use actix_http::error::DispatchError;
use actix_web::{
    Error,
    body::MessageBody,
    dev::{Service, ServiceFactory, ServiceRequest, ServiceResponse, fn_factory, fn_service},
    http::{StatusCode, header::HttpDate},
    middleware::Next,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
};
use uuid::Uuid;

use super::middleware::{self, REQUEST_ID, request_id};
use crate::app::App;

/// Longest head of a bare answer, in bytes: status, length, connection and date.
const BARE_HEAD: usize = 256;
/// After our answer, what the client still sends is read and dropped for this long, so that it reads the answer and no
/// reset connection.
const LINGER: Duration = Duration::from_secs(5);

/// A client's connection, shared with the task that answers once the dispatcher has ended.
#[derive(Clone)]
pub struct Connection(Rc<RefCell<Inner>>);

struct Inner {
    stream: TcpStream,
    /// What looks like a bare answer and was not sent yet.
    kept: Vec<u8>,
    /// Whether any request reached a handler.
    was_asked: bool,
    /// The id of a request that has no answer yet.
    unanswered: Option<String>,
    /// Whether the dispatcher has ended the connection in good order.
    was_shut_down: bool,
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        let inner =
            Inner { stream, kept: Vec::new(), was_asked: false, unanswered: None, was_shut_down: false };
        Self(Rc::new(RefCell::new(inner)))
    }

    pub fn with_stream(&self, work: impl FnOnce(&TcpStream)) {
        work(&self.0.borrow().stream);
    }
}

impl Inner {
    /// Sends what was kept back, as far as the client takes it.
    fn poll_release(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.kept.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.kept))?;
            self.kept.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut inner = self.0.borrow_mut();
        ready!(inner.poll_release(cx))?;
        match bare_answer(buf) {
            // All of it: the dispatcher has written everything before.
            Some(0) => {
                inner.kept = buf.to_vec();
                Poll::Ready(Ok(buf.len()))
            }
            at => Pin::new(&mut inner.stream).poll_write(cx, &buf[..at.unwrap_or(buf.len())]),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.borrow_mut();
        inner.was_shut_down = true;
        if !inner.was_asked && !inner.kept.is_empty() {
            // The dispatcher's own: no handler was asked.
            return Poll::Ready(Ok(()));
        }
        ready!(inner.poll_release(cx))?;
        Pin::new(&mut inner.stream).poll_shutdown(cx)
    }
}

/// Where in `buf` a bare answer begins that ends with it.
fn bare_answer(buf: &[u8]) -> Option<usize> {
    if !buf.ends_with(b"\r\n\r\n") {
        return None;
    }
    let from = buf.len().saturating_sub(BARE_HEAD);
    let at = from + memchr::memmem::rfind(&buf[from..], b"HTTP/1.")?;
    status_of(&buf[at..]).map(|_| at)
}

/// The status of a bare answer: one of those that the dispatcher gives, without a request id.
fn status_of(head: &[u8]) -> Option<StatusCode> {
    let status = StatusCode::from_bytes(head.get(9..12)?).ok()?;
    let is_own =
        [StatusCode::BAD_REQUEST, StatusCode::REQUEST_TIMEOUT, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE];
    let is_bare = memchr::memmem::find(head, REQUEST_ID.as_str().as_bytes()).is_none();
    (is_bare && is_own.contains(&status)).then_some(status)
}

/// Lets a connection know its requests: whether one is waiting for its answer, and that one's id.
pub async fn track<B: MessageBody>(req: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, Error> {
    let connection = req.conn_data::<Connection>().cloned();
    if let Some(connection) = &connection {
        let mut inner = connection.0.borrow_mut();
        inner.was_asked = true;
        inner.unanswered = Some(request_id(&req));
    }
    let answer = next.call(req).await;
    if let Some(connection) = &connection {
        connection.0.borrow_mut().unanswered = None;
    }
    answer
}

/// Serves connections with `http`, and answers what it cannot read.
pub fn answering<F>(
    http: F,
    app: Arc<App>,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()>
where
    F: ServiceFactory<
            (Connection, Option<SocketAddr>),
            Config = (),
            Response = (),
            Error = DispatchError,
            InitError = (),
        >,
    F::Service: 'static,
    F::Future: 'static,
{
    fn_factory(move || {
        let (http, app) = (http.new_service(()), Arc::clone(&app));
        async move {
            let http = Rc::new(http.await?);
            Ok(fn_service(move |stream| serve(Rc::clone(&http), Arc::clone(&app), stream)))
        }
    })
}

async fn serve<H>(http: Rc<H>, app: Arc<App>, stream: TcpStream) -> Result<(), DispatchError>
where
    H: Service<(Connection, Option<SocketAddr>), Response = (), Error = DispatchError>,
{
    let peer = stream.peer_addr().ok();
    let connection = Connection::new(stream);
    poll_fn(|cx| http.poll_ready(cx)).await?;
    let ended = {
        let mut dispatcher = pin!(http.call((connection.clone(), peer)));
        poll_fn(|cx| {
            let ended = dispatcher.as_mut().poll(cx);
            if ended.is_pending() {
                // It goes on: what was kept back is a handler's. A broken connection is noticed by the dispatcher.
                let _ = connection.0.borrow_mut().poll_release(cx);
            }
            ended
        })
        .await
    };
    let refusal = refusal(&mut connection.0.borrow_mut(), &ended);
    if let Some(refusal) = refusal {
        refusal.log(peer);
        let answer = refusal.answer(&app);
        // Who has gone needs no answer.
        let _ = tokio::time::timeout(LINGER, say_goodbye(&connection, &answer)).await;
        return Ok(());
    }
    ended
}

/// Sends the last answer of a connection and waits until the client has ended it, too.
// The dispatcher is gone: nobody else borrows the connection.
#[expect(clippy::await_holding_refcell_ref, reason = "the only one left who uses the connection")]
async fn say_goodbye(connection: &Connection, answer: &[u8]) -> io::Result<()> {
    let stream = &mut connection.0.borrow_mut().stream;
    stream.write_all(answer).await?;
    stream.shutdown().await?;
    let mut rest = [0; 4096];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

/// Why a connection ends with an answer of ours.
struct Refusal {
    status: StatusCode,
    request_id: String,
    /// For the log.
    cause: String,
}

fn refusal(inner: &mut Inner, ended: &Result<(), DispatchError>) -> Option<Refusal> {
    let bare = status_of(&inner.kept);
    let new = |status, cause| Refusal { status, request_id: Uuid::now_v7().to_string(), cause };
    match ended {
        Err(DispatchError::Parse(error)) => bare.map(|status| new(status, error.to_string())),
        // It gave up on a connection without ending it, with a request in hand: a chunk cannot be read.
        Ok(()) if !inner.was_shut_down => inner.unanswered.take().map(|request_id| Refusal {
            status: StatusCode::BAD_REQUEST,
            request_id,
            cause: "a chunk of the body cannot be read".to_owned(),
        }),
        // The head's time was over.
        Ok(()) if !inner.was_asked => bare.map(|status| new(status, "no whole head in time".to_owned())),
        _ => None,
    }
}

impl Refusal {
    /// The same line as for every other refused request.
    fn log(&self, peer: Option<SocketAddr>) {
        let (request_id, status, cause) =
            (self.request_id.as_str(), self.status.as_u16(), self.cause.as_str());
        let peer = peer.map(tracing::field::display);
        tracing::info!(request_id, route = "unknown", status, reason = "unreadable", cause, peer, "refused");
    }

    /// The whole answer. Nobody knows which form was asked for.
    fn answer(&self, app: &App) -> Vec<u8> {
        let reason = self.status.canonical_reason().unwrap_or_default();
        let what = match self.status {
            StatusCode::REQUEST_TIMEOUT => "The request took too long to arrive. Send it again.",
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
                "The address or the headers are too large. Delete the cookies for this site and try again."
            }
            _ => "The request cannot be read: it is not HTTP. Send it again, or try another program.",
        };
        let body = format!(
            "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{reason}</title>\n<h1>{reason}</h1>\n\
             <p>{what}</p>\n<p>Request {}</p>\n</html>\n",
            self.request_id
        );
        let mut head = format!(
            "HTTP/1.1 {} {reason}\r\ncontent-length: {}\r\nconnection: close\r\ndate: {}\r\n\
             content-type: text/html; charset=utf-8\r\n{REQUEST_ID}: {}\r\n",
            self.status.as_u16(),
            body.len(),
            HttpDate::from(SystemTime::from(app.clock.now())),
            self.request_id,
        );
        for (name, value) in middleware::defaults(&app.config) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        format!("{head}\r\n{body}").into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &str =
        "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\ndate: Tue, 01 Dec 2026 03:00:00 GMT\r\n\r\n";

    #[test]
    fn bare_answer_is_found_at_the_end_only() {
        assert_eq!(bare_answer(BARE.as_bytes()), Some(0));
        let after = format!("HTTP/1.1 200 OK\r\nx-request-id: 1\r\ncontent-length: 4\r\n\r\nbody{BARE}");
        assert_eq!(bare_answer(after.as_bytes()), Some(after.len() - BARE.len()));
        assert_eq!(bare_answer(BARE.replace("1.1 400 Bad Request", "1.0 431 Too Large").as_bytes()), Some(0));
        for other in [
            "",
            "\r\n\r\n",
            "HTTP/1.\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nx-request-id: 1\r\n\r\n",
            &format!("{BARE}more"),
        ] {
            assert_eq!(bare_answer(other.as_bytes()), None, "{other:?}");
        }
    }
}
