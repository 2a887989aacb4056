//! clamd's protocol, as far as it is needed: `PING`, `VERSION` and `INSTREAM` with NUL-ended words (clamd(8)), one command
//! per connection.

use std::{
    fs::File,
    future::Future,
    io::{self, Read},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};

use super::{Patience, ScanError, Verdict};
use crate::config::ScannerAddress;

/// A piece of a file: one hop to the disk, one length on the wire.
const PIECE: usize = 128 * 1024;
/// Longest answer that is read, in bytes.
const ANSWER_MAX: u64 = 4096;
/// Names that clamd gives to its own limits when `AlertExceedsMax` is on: nothing was found, but not all was read.
const LIMIT_NAMES: &str = "Heuristics.Limits.Exceeded";

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

pub async fn scan(address: &ScannerAddress, patience: Patience, file: File) -> Result<Verdict, ScanError> {
    let mut stream = connect(address, patience.connect).await?;
    // clamd says why before it hangs up in the middle of a file; that is worth more than a broken pipe.
    let (broken, answered) = match send_file(&mut stream, patience, file).await {
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

async fn connect(address: &ScannerAddress, patience: Duration) -> Result<Box<dyn Stream>, ScanError> {
    let connecting = async {
        Ok::<Box<dyn Stream>, io::Error>(match address {
            ScannerAddress::Tcp(place) => Box::new(TcpStream::connect(place.as_str()).await?),
            ScannerAddress::Unix(path) => Box::new(UnixStream::connect(path).await?),
        })
    };
    match tokio::time::timeout(patience, connecting).await {
        Ok(connected) => connected.map_err(ScanError::Unreachable),
        Err(_) => Err(ScanError::Late("take a connection")),
    }
}

async fn send_file(stream: &mut Box<dyn Stream>, patience: Patience, file: File) -> Result<(), ScanError> {
    send(stream, b"zINSTREAM\0", patience.send).await?;
    let mut file = file;
    loop {
        let (rest, piece) = tokio::task::spawn_blocking(move || read_piece(file))
            .await
            .map_err(io::Error::other)
            .flatten()
            .map_err(ScanError::File)?;
        file = rest;
        // Its length in network order, then the bytes; a length of zero ends the file.
        send(stream, &(piece.len() as u32).to_be_bytes(), patience.send).await?;
        if piece.is_empty() {
            return within(patience.send, "take a file", stream.flush()).await;
        }
        send(stream, &piece, patience.send).await?;
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
        Ok(done) => done.map_err(ScanError::BrokeOff),
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
        Some(name) if !name.is_empty() => Ok(Verdict::Infected(name.to_owned())),
        _ => Err(unclear()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use tokio::net::TcpListener;

    use super::*;
    use crate::scanner::Scanner;

    #[test]
    fn only_clamds_own_words_are_clean() {
        assert_eq!(verdict("stream: OK").unwrap(), Verdict::Clean);
        for (answer, name) in [
            ("stream: Win.Test.EICAR_HDB-1 FOUND", "Win.Test.EICAR_HDB-1"),
            ("stream: a name with FOUND FOUND", "a name with FOUND"),
        ] {
            assert_eq!(verdict(answer).unwrap(), Verdict::Infected(name.to_owned()));
        }
        for limit in
            ["INSTREAM size limit exceeded. ERROR", "stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND"]
        {
            assert!(matches!(verdict(limit), Err(ScanError::AboveLimit(_))), "{limit}");
        }
        for odd in [
            "",
            "OK",
            "stream: OK ",
            "stream: OK\n",
            "Stream: OK",
            "stream:OK",
            "1: stream: OK",
            "stream: FOUND",
            "stream:  FOUND extra",
            "UNKNOWN COMMAND",
            "stream: Can't allocate memory ERROR",
            "PONG",
            "INSTREAM: Error reading data. ERROR",
            "<html>",
            "stream: OK, stream: X FOUND.",
        ] {
            assert!(matches!(verdict(odd), Err(ScanError::Unclear(_))), "{odd:?}");
        }
    }

    const SOON: Patience = Patience {
        connect: Duration::from_millis(300),
        send: Duration::from_millis(300),
        verdict: Duration::from_millis(300),
    };

    fn file(size: usize) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![7; size]).unwrap();
        file.rewind().unwrap();
        file
    }

    /// Reads a whole command and says what the file was.
    async fn take_file(stream: &mut TcpStream) -> Vec<u8> {
        let mut command = [0; 10];
        stream.read_exact(&mut command).await.unwrap();
        assert_eq!(&command, b"zINSTREAM\0");
        let mut bytes = Vec::new();
        loop {
            let length = stream.read_u32().await.unwrap() as usize;
            if length == 0 {
                return bytes;
            }
            let start = bytes.len();
            bytes.resize(start + length, 0);
            stream.read_exact(&mut bytes[start..]).await.unwrap();
        }
    }

    /// A scan of `size` bytes by somebody who takes the file and answers this.
    async fn scan_answered(size: usize, words: &'static [u8]) -> Result<Verdict, ScanError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = ScannerAddress::Tcp(listener.local_addr().unwrap().to_string());
        let fake = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert_eq!(take_file(&mut stream).await, vec![7; size]);
            stream.write_all(words).await.unwrap();
        });
        let scanned = Scanner::new(address, Patience::default()).scan(file(size)).await;
        fake.await.unwrap();
        scanned
    }

    #[tokio::test]
    async fn a_file_arrives_whole_whatever_its_size() {
        for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE] {
            assert_eq!(scan_answered(size, b"stream: OK\0").await.unwrap(), Verdict::Clean, "{size}");
        }
    }

    #[tokio::test]
    async fn answers_that_are_not_whole_are_no_verdict() {
        let long = Box::leak(vec![b'x'; 100_000].into_boxed_slice());
        let odd: [&'static [u8]; 7] = [
            b"",
            b"stream: OK",
            b"stream: OK\n",
            b"stream: OK\0stream: X FOUND\0",
            b"\0stream: OK\0",
            b"\xff\xfe\0",
            long,
        ];
        for words in odd {
            let scanned = scan_answered(10, words).await;
            let is_none = matches!(scanned, Err(ScanError::Unclear(_) | ScanError::BrokeOff(_)));
            assert!(is_none, "{:?}", String::from_utf8_lossy(&words[..words.len().min(40)]));
        }
    }

    #[tokio::test]
    async fn a_limit_that_is_told_in_the_middle_of_a_file_is_heard() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = ScannerAddress::Tcp(listener.local_addr().unwrap().to_string());
        let fake = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut begin = vec![0; 1000];
            stream.read_exact(&mut begin).await.unwrap();
            stream.write_all(b"INSTREAM size limit exceeded. ERROR\0").await.unwrap();
            // As clamd does: no more is read, and both sides learn of it.
            stream.shutdown().await.unwrap();
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.unwrap();
        });
        let scanned = Scanner::new(address, Patience::default()).scan(file(1_000_000)).await;
        fake.await.unwrap();
        assert!(matches!(scanned, Err(ScanError::AboveLimit(_))), "{scanned:?}");
    }

    #[tokio::test]
    async fn a_scanner_that_hangs_is_given_up() {
        // Takes the connection, reads nothing, says nothing.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = ScannerAddress::Tcp(listener.local_addr().unwrap().to_string());
        let scanner = Scanner::new(address, SOON);
        for size in [10, 20_000_000] {
            let scanned = scanner.scan(file(size)).await;
            assert!(matches!(scanned, Err(ScanError::Late(_))), "{size}: {scanned:?}");
        }
        assert!(matches!(scanner.ping().await, Err(ScanError::Late(_))));
    }

    #[tokio::test]
    async fn a_scanner_that_is_down_or_gone_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = listener.local_addr().unwrap().to_string();
        drop(listener);
        for address in [ScannerAddress::Tcp(closed), ScannerAddress::Unix("/nowhere/clamd.ctl".into())] {
            let scanner = Scanner::new(address, SOON);
            assert!(matches!(scanner.scan(file(10)).await, Err(ScanError::Unreachable(_))));
            assert!(scanner.ping().await.is_err());
        }
    }
}
