//! Requests that no client library would send, byte by byte.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

pub struct Raw(TcpStream);

impl Raw {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self(stream)
    }

    /// Writes all of it; fails when the server hangs up meanwhile.
    pub fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("the server takes what is sent");
    }

    /// The whole answer, however long the server then keeps the connection.
    pub fn answer(mut self) -> String {
        let (mut bytes, mut buffer) = (Vec::new(), [0; 64 * 1024]);
        while !is_whole(&bytes) {
            let read = self.0.read(&mut buffer).expect("an answer, not a broken connection");
            assert!(read > 0, "the answer breaks off: {}", String::from_utf8_lossy(&bytes));
            bytes.extend(&buffer[..read]);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Says no more and hangs up.
    pub fn hang_up(self) {
        self.0.shutdown(Shutdown::Both).unwrap();
    }
}

/// Whether head and body are there, going by `Content-Length`.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_lowercase();
    let Some((head, _)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    answer.len() >= head.len() + 4 + length.unwrap_or(0)
}

/// The status of an answer.
pub fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
}

/// Sends one request and returns the whole answer.
pub fn exchange(address: SocketAddr, request: &str) -> String {
    let mut raw = Raw::connect(address);
    raw.send(request.as_bytes());
    raw.answer()
}
