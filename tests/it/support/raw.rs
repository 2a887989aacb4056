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

    /// Everything up to the end of the connection, which the request has asked to be closed.
    pub fn answer(mut self) -> String {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).expect("an answer, not a broken connection");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Says no more and hangs up.
    pub fn hang_up(self) {
        self.0.shutdown(Shutdown::Both).unwrap();
    }
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
