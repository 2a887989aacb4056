//! What a client says of the bytes that it sends with one request (tus 1.0.0, checksum extension).

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// A checksum that the bytes must have, while they are counted into it.
pub struct Checksum {
    state: State,
    expected: Vec<u8>,
}

enum State {
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Checksum {
    /// The algorithms, by their names in the protocol.
    pub const ALGORITHMS: &str = "sha256,sha1";

    /// `None` for an algorithm that is not offered.
    pub fn new(algorithm: &str, expected: Vec<u8>) -> Option<Self> {
        let state = match algorithm {
            "sha1" => State::Sha1(Sha1::new()),
            "sha256" => State::Sha256(Sha256::new()),
            _ => return None,
        };
        Some(Self { state, expected })
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Sha1(hash) => hash.update(bytes),
            State::Sha256(hash) => hash.update(bytes),
        }
    }

    pub(super) fn matches(self) -> bool {
        let found = match self.state {
            State::Sha1(hash) => hash.finalize().to_vec(),
            State::Sha256(hash) => hash.finalize().to_vec(),
        };
        found == self.expected
    }
}
