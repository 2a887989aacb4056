//! clamd's protocol, as far as it is needed: `PING`, `VERSION` and `INSTREAM` with NUL-ended words (clamd(8)), one command
//! per connection.

use std::{
    fs::File,
    future::Future,
    io::{self, Read},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};

use super::{Obstacle, Patience, ScanError, Verdict};
use crate::config::ScannerAddress;

/// A piece of a file: one hop to the disk, one length on the wire.
const PIECE: usize = 128 * 1024;
/// Longest answer that is read, in bytes.
const ANSWER_MAX: u64 = 4096;
/// Prefix of the names that clamd gives to its own limits when `AlertExceedsMax` is on: not all was read.
const LIMIT_NAMES: &str = "Heuristics.Limits.Exceeded";
/// Prefixes of the names of what clamd cannot look into, when `AlertEncrypted` or `AlertBrokenMedia` and its kin are on.
/// Nothing harmful was found.
const OBSTACLE_NAMES: [(&str, Obstacle); 2] =
    [("Heuristics.Encrypted.", Obstacle::Encrypted), ("Heuristics.Broken.", Obstacle::Damaged)];

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub async fn ping(address: &ScannerAddress, patience: Patience) -> Result<(), ScanError> {
    let mut stream = connect(address, patience.connect).await?;
    send(&mut stream, b"zPING\0", patience.connect).await?;
    match answer(&mut stream, patience.connect).await?.as_str() {
        "PONG" => Ok(()),
        other => Err(ScanError::Unclear(other.to_owned())),
    }
}

pub async fn version(address: &ScannerAddress, patience: Patience) -> Result<String, ScanError> {
    let mut stream = connect(address, patience.connect).await?;
    send(&mut stream, b"zVERSION\0", patience.connect).await?;
    answer(&mut stream, patience.connect).await
}

/// What is sent to be scanned, piece by piece.
pub trait Source: Send {
    /// The next bytes; empty at the end.
    fn next(&mut self) -> impl Future<Output = Result<Bytes, ScanError>> + Send;
}

pub async fn scan(
    address: &ScannerAddress,
    patience: Patience,
    source: impl Source,
) -> Result<Verdict, ScanError> {
    let mut stream = connect(address, patience.connect).await?;
    // clamd says why before it hangs up in the middle of a file; that is worth more than a broken pipe.
    let (broken, answered) = match send_all(&mut stream, patience, source).await {
        Ok(()) => (None, answer(&mut stream, patience.verdict).await?),
        Err(ScanError::BrokeOff(error)) => match answer(&mut stream, patience.connect).await {
            Ok(answered) => (Some(error), answered),
            Err(_) => return Err(ScanError::BrokeOff(error)),
        },
        Err(other) => return Err(other),
    };
    match (verdict(&answered)?, broken) {
        // Clean, but not of the whole.
        (Verdict::Clean, Some(error)) => Err(ScanError::BrokeOff(error)),
        (verdict, _) => Ok(verdict),
    }
}

/// A connection that nothing is asked on. It ends with the clamd that took it, or when that tires of waiting
/// (`CommandReadTimeout`).
pub struct Line(Box<dyn Stream>);

/// How a [`Line`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// clamd said that it waited too long; it goes on running.
    Tired,
    /// clamd stopped, or the network broke.
    Lost,
}

impl Line {
    pub async fn open(address: &ScannerAddress, patience: Patience) -> Result<Self, ScanError> {
        connect(address, patience.connect).await.map(Self)
    }

    pub async fn ended(&mut self) -> Ended {
        let mut word = [0; 64];
        match self.0.read(&mut word).await {
            Ok(length) if length > 0 => Ended::Tired,
            Ok(_) | Err(_) => Ended::Lost,
        }
    }
}

async fn connect(address: &ScannerAddress, patience: Duration) -> Result<Box<dyn Stream>, ScanError> {
    let connecting = async {
        Ok::<Box<dyn Stream>, io::Error>(match address {
            ScannerAddress::Tcp(place) => Box::new(TcpStream::connect(place.as_str()).await?),
            ScannerAddress::Unix(path) => Box::new(UnixStream::connect(path).await?),
        })
    };
    match tokio::time::timeout(patience, connecting).await {
        Ok(connected) => connected.map_err(|error| ScanError::Unreachable(error.into())),
        Err(_) => Err(ScanError::Late("take a connection")),
    }
}

async fn send_all(
    stream: &mut Box<dyn Stream>,
    patience: Patience,
    mut source: impl Source,
) -> Result<(), ScanError> {
    send(stream, b"zINSTREAM\0", patience.send).await?;
    loop {
        let piece = source.next().await?;
        // Its length in network order, then the bytes; a length of zero ends the file.
        send(stream, &(piece.len() as u32).to_be_bytes(), patience.send).await?;
        if piece.is_empty() {
            return within(patience.send, "take a file", stream.flush()).await;
        }
        send(stream, &piece, patience.send).await?;
    }
}

/// A file, read on blocking threads. `None` after it could not be read.
pub struct FileSource(Option<File>);

impl FileSource {
    pub fn new(file: File) -> Self {
        Self(Some(file))
    }
}

impl Source for FileSource {
    async fn next(&mut self) -> Result<Bytes, ScanError> {
        let file = self
            .0
            .take()
            .ok_or_else(|| ScanError::File(io::Error::from(io::ErrorKind::UnexpectedEof).into()))?;
        let (file, piece) = tokio::task::spawn_blocking(move || read_piece(file))
            .await
            .map_err(io::Error::other)
            .flatten()
            .map_err(|error| ScanError::File(error.into()))?;
        self.0 = Some(file);
        Ok(piece.into())
    }
}

/// Pieces that are made while they are sent.
pub struct MadeSource<I>(pub I);

impl<I: Iterator<Item = Bytes> + Send> Source for MadeSource<I> {
    async fn next(&mut self) -> Result<Bytes, ScanError> {
        Ok(self.0.next().unwrap_or_default())
    }
}

/// The next bytes; none at the end.
fn read_piece(mut file: File) -> io::Result<(File, Vec<u8>)> {
    let mut piece = Vec::with_capacity(PIECE);
    file.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
    Ok((file, piece))
}

async fn send(stream: &mut Box<dyn Stream>, bytes: &[u8], patience: Duration) -> Result<(), ScanError> {
    within(patience, "take a file", stream.write_all(bytes)).await
}

/// One answer, up to its NUL and without it.
async fn answer(stream: &mut Box<dyn Stream>, patience: Duration) -> Result<String, ScanError> {
    let mut bytes = Vec::new();
    let read = within(patience, "answer", stream.take(ANSWER_MAX).read_to_end(&mut bytes)).await;
    // A clamd that reads no further resets the connection behind its answer; a whole answer counts all the same.
    if !bytes.ends_with(b"\0") {
        read?;
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    match text.strip_suffix('\0') {
        Some(whole) if !whole.contains('\0') => Ok(whole.to_owned()),
        // Cut off, or more than one answer: nothing to go by.
        _ => Err(ScanError::Unclear(text)),
    }
}

async fn within<T>(
    patience: Duration,
    doing: &'static str,
    io: impl Future<Output = io::Result<T>>,
) -> Result<T, ScanError> {
    match tokio::time::timeout(patience, io).await {
        Ok(done) => done.map_err(|error| ScanError::BrokeOff(error.into())),
        Err(_) => Err(ScanError::Late(doing)),
    }
}

/// What an answer to `INSTREAM` says.
fn verdict(answer: &str) -> Result<Verdict, ScanError> {
    let unclear = || ScanError::Unclear(answer.to_owned());
    if answer == "stream: OK" {
        return Ok(Verdict::Clean);
    }
    if answer.ends_with(" ERROR") {
        let is_limit = answer.contains("size limit exceeded");
        return Err(if is_limit { ScanError::AboveLimit(answer.to_owned()) } else { unclear() });
    }
    let name = answer.strip_prefix("stream: ").and_then(|rest| rest.strip_suffix(" FOUND"));
    match name {
        Some(name) if name.starts_with(LIMIT_NAMES) => Err(ScanError::AboveLimit(answer.to_owned())),
        Some(name) if !name.is_empty() => {
            match OBSTACLE_NAMES.iter().find(|(prefix, _)| name.starts_with(prefix)) {
                Some((_, obstacle)) => Err(ScanError::Unscannable(*obstacle)),
                None => Ok(Verdict::Infected(name.to_owned())),
            }
        }
        _ => Err(unclear()),
    }
}

#[cfg(test)]
mod tests;
