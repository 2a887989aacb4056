//! A proxy for what can go wrong between the server and what it depends on. Its behaviour is changed while it runs, and
//! holds for the connections that exist as well as for new ones.

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixStream},
    runtime::Runtime,
    sync::watch,
};

/// Where the connections lead.
#[derive(Clone, Debug)]
pub enum Upstream {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// What happens to bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// All goes through.
    Open,
    /// Connections are reset, and new ones as soon as they are made.
    Reset,
    /// Nothing goes through in either direction; it goes on when the way is open again.
    Silent,
    /// Each piece of an answer comes so much later.
    Late(Duration),
    /// A `COMMIT` of PostgreSQL's protocol reaches the server and is done; then the connection is reset without the
    /// answer.
    CommitUnanswered,
    /// The connection is reset when a `COMMIT` comes, before the server sees it.
    CommitLost,
    /// Requests go through whole; their answers end in a reset after so many bytes.
    AnswerCut(usize),
    /// Every request is answered with this HTTP status and body, and the connection closed.
    Answers(u16, &'static str),
    /// Answers that are longer than 512 bytes and not XML come with one byte changed.
    Corrupt,
    /// What the server says after it is taken is replaced by this.
    Garbage(&'static [u8]),
    /// The answering side is closed after the first piece of an answer, the other one stays open.
    HalfClosed,
}

/// Dropping it closes all connections.
pub struct Proxy {
    pub address: SocketAddr,
    way: watch::Sender<Way>,
    /// How often the way was taken that ends a connection or changes bytes.
    hits: Arc<AtomicUsize>,
    runtime: Option<Runtime>,
}

impl Proxy {
    pub fn to(upstream: Upstream) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        // Bound the old way: this is called within other runtimes.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (way, seen) = watch::channel(Way::Open);
        let hits = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&hits);
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((client, _)) = listener.accept().await {
                let connection = Connection { way: seen.clone(), hits: Arc::clone(&counted) };
                let upstream = upstream.clone();
                // An error is a connection that ended, on either side.
                tokio::spawn(async move { drop(connection.serve(client, upstream).await) });
            }
        });
        Self { address, way, hits, runtime: Some(runtime) }
    }

    pub fn set(&self, way: Way) {
        self.way.send_replace(way);
    }

    pub fn hits(&self) -> usize {
        self.hits.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // A runtime may not be dropped within another one while it waits.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

struct Connection {
    way: watch::Receiver<Way>,
    hits: Arc<AtomicUsize>,
}

impl Connection {
    async fn serve(mut self, mut client: TcpStream, upstream: Upstream) -> io::Result<()> {
        let way = self.way.borrow_and_update().clone();
        match way {
            Way::Reset => return reset(&client),
            Way::Answers(..) => return self.answer(&mut client).await,
            _ => {}
        }
        // Upstream may be slow to take it, or never do: the fault comes first.
        match upstream {
            Upstream::Tcp(address) => self.pump(client, TcpStream::connect(address).await?).await,
            Upstream::Unix(path) => self.pump(client, UnixStream::connect(path).await?).await,
        }
    }

    async fn pump(&mut self, mut client: TcpStream, upstream: impl AsyncRead + AsyncWrite) -> io::Result<()> {
        let (mut from_server, mut to_server) = tokio::io::split(upstream);
        let (mut asked, mut told) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
        let (mut answered, mut commit_is_under_way, mut is_half_closed) = (0, false, false);
        loop {
            let way = self.way.borrow_and_update().clone();
            match way {
                Way::Reset => return self.hit(&client),
                Way::Answers(..) => return self.answer(&mut client).await,
                Way::Silent => {
                    self.way.changed().await.map_err(io::Error::other)?;
                    continue;
                }
                _ => {}
            }
            tokio::select! {
                _ = self.way.changed() => {}
                count = client.read(&mut asked) => {
                    let bytes = &asked[..count?];
                    if bytes.is_empty() {
                        return to_server.shutdown().await;
                    }
                    let is_commit = bytes.windows(8).any(|window| window == b"\0COMMIT\0" || window == b"\x0bCOMMIT\0");
                    match way {
                        Way::CommitLost if is_commit => return self.hit(&client),
                        Way::CommitUnanswered if is_commit => commit_is_under_way = true,
                        _ => {}
                    }
                    to_server.write_all(bytes).await?;
                }
                count = from_server.read(&mut told) => {
                    let bytes = &mut told[..count?];
                    if bytes.is_empty() {
                        return client.shutdown().await;
                    }
                    if commit_is_under_way {
                        return self.hit(&client);
                    }
                    match way {
                        Way::Late(by) => tokio::time::sleep(by).await,
                        Way::Corrupt if bytes.len() > 512 && !bytes.windows(5).any(|window| window == b"<?xml") => {
                            self.hits.fetch_add(1, Ordering::Relaxed);
                            if let Some(last) = bytes.last_mut() {
                                *last ^= 1;
                            }
                        }
                        Way::AnswerCut(after) => {
                            let left = bytes.len().min(after.saturating_sub(answered));
                            client.write_all(&bytes[..left]).await?;
                            answered += left;
                            if answered >= after {
                                return self.hit(&client);
                            }
                            continue;
                        }
                        Way::Garbage(instead) => {
                            self.hits.fetch_add(1, Ordering::Relaxed);
                            client.write_all(instead).await?;
                            return client.shutdown().await;
                        }
                        _ => {}
                    }
                    if is_half_closed {
                        continue;
                    }
                    client.write_all(bytes).await?;
                    if way == Way::HalfClosed {
                        self.hits.fetch_add(1, Ordering::Relaxed);
                        client.shutdown().await?;
                        is_half_closed = true;
                    }
                }
            }
        }
    }

    fn hit(&self, client: &TcpStream) -> io::Result<()> {
        self.hits.fetch_add(1, Ordering::Relaxed);
        reset(client)
    }

    /// Takes a request's head, or what there is of it, and answers.
    async fn answer(&self, client: &mut TcpStream) -> io::Result<()> {
        let Way::Answers(status, body) = *self.way.borrow() else { return Ok(()) };
        let mut head = vec![0; 64 * 1024];
        let _ = tokio::time::timeout(Duration::from_millis(500), client.read(&mut head)).await;
        self.hits.fetch_add(1, Ordering::Relaxed);
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status} Fault\r\nContent-Type: application/xml\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        client.write_all(answer.as_bytes()).await?;
        client.shutdown().await?;
        // What is still being sent would turn the close into a reset.
        let drained = async { while client.read(&mut head).await.is_ok_and(|count| count > 0) {} };
        let _ = tokio::time::timeout(Duration::from_secs(2), drained).await;
        Ok(())
    }
}

/// The connection ends with a reset instead of an orderly end.
fn reset(client: &TcpStream) -> io::Result<()> {
    client.set_zero_linger()
}
