//! What a scanner is tried with: the EICAR test virus at the end of a ZIP archive of any size, and archives nested deeper
//! than clamd ever follows. Both are made while they are sent.
//!
//! Real signatures know EICAR only as a whole file of 68 bytes or at the beginning of one, so that it cannot simply be
//! appended to a long file. In a ZIP archive (APPNOTE 6.3.10) it may be: whoever unpacks reads the directory at the very
//! end, which says where each file begins. A scanner that finds it has read the archive to its end.

use bytes::Bytes;

/// Length of what is sent at once, in bytes.
const PIECE: usize = 128 * 1024;
/// Bytes that the structure of the archive takes at most; no sample is smaller.
pub const SMALLEST: u64 = 1024;
/// Archives in one another. clamd allows at most 100 for `MaxRecursion`.
const DEPTH: usize = 120;
/// What the filling is made of. One `Bytes` would be a shared buffer; this one is in the program.
static ZEROS: [u8; PIECE] = [0; PIECE];

/// The EICAR test virus, put together so that this program is not found itself.
fn eicar() -> Vec<u8> {
    [r"X5O!P%@AP[4\PZX54(P^)7CC)7}", "$EICAR-STANDARD-ANTIVIRUS", "-TEST-FILE!$H+H*"].concat().into_bytes()
}

/// An archive of `size` bytes with the test file at its end, piece by piece.
pub fn infected_at_the_end(size: u64) -> impl Iterator<Item = Bytes> + Send {
    let (first, last) = (Member::stored("first.txt", b"first"), Member::stored("eicar.com", &eicar()));
    let tail_length = last.local().len() + END + first.central(0).len() + last.central(0).len();
    let begin = first.local();
    let gap = size.max(SMALLEST) - (begin.len() + tail_length) as u64;
    let at = begin.len() as u64 + gap;
    let tail = finish(&last.local(), &[first.central(0), last.central(at as u32)], at as u32);
    let whole = (0..gap / PIECE as u64).map(|_| Bytes::from_static(&ZEROS));
    let rest = Bytes::from_static(&ZEROS[..(gap % PIECE as u64) as usize]);
    let begin = std::iter::once(Bytes::from(begin));
    begin.chain(whole).chain([rest, Bytes::from(tail)]).filter(|piece| !piece.is_empty())
}

/// Archives nested deeper than clamd's `MaxRecursion` can allow.
pub fn nested() -> Bytes {
    let mut inner = Member::stored("innermost.txt", b"innermost");
    for _ in 0..DEPTH {
        inner = Member::stored("inner.zip", &finish(&inner.local(), &[inner.central(0)], 0));
    }
    inner.content.into()
}

/// A file in an archive, not compressed.
struct Member {
    name: &'static str,
    content: Vec<u8>,
}

impl Member {
    fn stored(name: &'static str, content: &[u8]) -> Self {
        Self { name, content: content.to_vec() }
    }

    /// What both headers say of it (4.4.2 to 4.4.11): version 2.0, no flags, stored, a date, the sum, sizes, lengths.
    fn described(&self) -> Vec<u8> {
        let length = (self.content.len() as u32).to_le_bytes();
        let mut bytes = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
        bytes.extend(crc32fast::hash(&self.content).to_le_bytes());
        bytes.extend(length);
        bytes.extend(length);
        bytes.extend((self.name.len() as u16).to_le_bytes());
        bytes.extend([0, 0]);
        bytes
    }

    /// Its local header and its bytes (4.3.7).
    fn local(&self) -> Vec<u8> {
        [b"PK\x03\x04", self.described().as_slice(), self.name.as_bytes(), self.content.as_slice()].concat()
    }

    /// Its entry in the directory (4.3.12).
    fn central(&self, offset: u32) -> Vec<u8> {
        // The version that made it in front; comment, disk and attributes are empty.
        let (made_by, empty, offset) = ([20, 0], [0; 10], offset.to_le_bytes());
        let described = self.described();
        [b"PK\x01\x02".as_slice(), &made_by, described.as_slice(), &empty, &offset, self.name.as_bytes()]
            .concat()
    }
}

/// Length of the record that ends an archive, in bytes.
const END: usize = 22;

/// The last local file, which begins at `offset`, the directory and the record that ends it (4.3.16).
fn finish(local: &[u8], directory: &[Vec<u8>], offset: u32) -> Vec<u8> {
    let count = (directory.len() as u16).to_le_bytes();
    let directory = directory.concat();
    let length = (directory.len() as u32).to_le_bytes();
    let begin = (offset + local.len() as u32).to_le_bytes();
    [local, directory.as_slice(), b"PK\x05\x06", &[0; 4], &count, &count, &length, &begin, &[0, 0]].concat()
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use super::*;

    #[test]
    fn sample_has_the_size_asked_for_and_the_test_file_at_its_end() {
        for size in [SMALLEST, 5000, PIECE as u64 * 3 + 7] {
            let bytes: Vec<u8> = infected_at_the_end(size).flatten().collect();
            assert_eq!(bytes.len() as u64, size);
            let at = bytes.windows(68).position(|window| window == eicar()).unwrap();
            assert!(bytes.len() - at < 400);
            let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
            let mut found = Vec::new();
            archive.by_name("eicar.com").unwrap().read_to_end(&mut found).unwrap();
            assert_eq!(found, eicar());
        }
    }

    #[test]
    fn nested_archives_are_deeper_than_clamd_follows() {
        let (mut bytes, mut depth) = (nested().to_vec(), 0);
        while let Ok(mut archive) = zip::ZipArchive::new(Cursor::new(bytes.clone())) {
            bytes.clear();
            archive.by_index(0).unwrap().read_to_end(&mut bytes).unwrap();
            depth += 1;
        }
        assert_eq!((depth, bytes.as_slice()), (DEPTH, b"innermost".as_slice()));
    }
}
