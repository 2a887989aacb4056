//! What the child says: the length of a head (32 bits, little-endian), the length of a body, the head as JSON,
//! the body. The parent believes none of it: lengths are bounded and a head that is not known ends the talk.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::Reason;
use crate::storage::key::Preview;

/// Heads are short.
pub const HEAD_MAX: usize = 256;
pub const PREFIX: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Head {
    /// How many pages the document has.
    Pages(u32),
    /// A JPEG is the body.
    Picture { what: Preview, width: u32, height: u32 },
    /// Text is the body.
    Text,
    /// The last one: all was made.
    Done,
    /// The last one: the rest cannot be made.
    Stopped(Reason),
}

pub fn write(out: &mut impl Write, head: &Head, body: &[u8]) -> io::Result<()> {
    let head = serde_json::to_vec(head)?;
    for length in [head.len(), body.len()] {
        let length = u32::try_from(length).map_err(io::Error::other)?;
        out.write_all(&length.to_le_bytes())?;
    }
    out.write_all(&head)?;
    out.write_all(body)
}

/// The lengths of head and body.
pub fn lengths(prefix: [u8; PREFIX]) -> (usize, usize) {
    let [h1, h2, h3, h4, b1, b2, b3, b4] = prefix;
    (u32::from_le_bytes([h1, h2, h3, h4]) as usize, u32::from_le_bytes([b1, b2, b3, b4]) as usize)
}

/// The head, if it is one.
pub fn head(bytes: &[u8]) -> Option<Head> {
    serde_json::from_slice(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_come_back() {
        let heads = [
            Head::Pages(7),
            Head::Picture { what: Preview::Page(3), width: 10, height: 20 },
            Head::Picture { what: Preview::Thumbnail(320), width: 10, height: 20 },
            Head::Text,
            Head::Done,
            Head::Stopped(Reason::Encrypted),
        ];
        for sent in heads {
            let mut bytes = Vec::new();
            write(&mut bytes, &sent, b"body").unwrap();
            let (prefix, rest) = bytes.split_first_chunk().unwrap();
            let (length, body) = lengths(*prefix);
            assert!(length <= HEAD_MAX && body == 4);
            assert_eq!(head(&rest[..length]), Some(sent));
            assert_eq!(&rest[length..], b"body");
        }
        assert_eq!(head(b"{\"picture\":{}}"), None);
        assert_eq!(head(b"\xFF"), None);
    }
}
