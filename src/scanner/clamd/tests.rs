//! The protocol against scanners that answer well, badly and not at all.

use std::io::{Seek, Write};

use tokio::net::TcpListener;

use super::*;

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
    for (answer, expected) in [
        ("stream: Heuristics.Encrypted.PDF FOUND", Obstacle::Encrypted),
        ("stream: Heuristics.Encrypted.Zip FOUND", Obstacle::Encrypted),
        ("stream: Heuristics.Broken.Media.JPEG.TooShort FOUND", Obstacle::Damaged),
    ] {
        let seen = verdict(answer);
        assert!(
            matches!(seen, Err(ScanError::Unscannable(obstacle)) if obstacle == expected),
            "{answer}: {seen:?}"
        );
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
    let scanned = scan(&address, Patience::default(), FileSource::new(file(size))).await;
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
    let scanned = scan(&address, Patience::default(), FileSource::new(file(1_000_000))).await;
    fake.await.unwrap();
    assert!(matches!(scanned, Err(ScanError::AboveLimit(_))), "{scanned:?}");
}

#[tokio::test]
async fn a_scanner_that_hangs_is_given_up() {
    // Takes the connection, reads nothing, says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = ScannerAddress::Tcp(listener.local_addr().unwrap().to_string());
    for size in [10, 20_000_000] {
        let scanned = scan(&address, SOON, FileSource::new(file(size))).await;
        assert!(matches!(scanned, Err(ScanError::Late(_))), "{size}: {scanned:?}");
    }
    assert!(matches!(ping(&address, SOON).await, Err(ScanError::Late(_))));
}

#[tokio::test]
async fn a_scanner_that_is_down_or_gone_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap().to_string();
    drop(listener);
    for address in [ScannerAddress::Tcp(closed), ScannerAddress::Unix("/nowhere/clamd.ctl".into())] {
        assert!(matches!(
            scan(&address, SOON, FileSource::new(file(10))).await,
            Err(ScanError::Unreachable(_))
        ));
        assert!(ping(&address, SOON).await.is_err());
    }
}
