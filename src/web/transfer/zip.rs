//! The ZIP format (PKWARE APPNOTE 6.3.10) as far as an archive of stored files needs it, written from front to end:
//! nothing is compressed, checksums follow the data in descriptors, ZIP64 appears where a number needs it. It does
//! no I/O: each call returns the bytes that come next. Besides them only the directory is kept, about 100 bytes and the
//! name for each file.
//!
//! Own code because the length of the whole must be known before it is sent ([`length`]), because no crate writes
//! from an async body without a thread that is parked on it, and because one that finishes the archive when it is
//! dropped would make a broken-off one look whole.

use chrono::{DateTime, Datelike, Timelike, Utc};

/// Bit 3: sizes and checksum follow the data; bit 11: the name is UTF-8.
const FLAGS: u16 = 1 << 3 | 1 << 11;
const STORED: u16 = 0;
const VERSION: u16 = 20;
const VERSION_ZIP64: u16 = 45;
/// Made on Unix, so that the mode below counts.
const MADE_BY: u16 = 3 << 8 | VERSION_ZIP64;
/// A plain file that everybody may read and its owner may write.
const MODE: u32 = 0o100_644 << 16;
const MAX_16: u16 = u16::MAX;
const MAX_32: u32 = u32::MAX;

/// An archive in the making.
#[derive(Default)]
pub struct Zip {
    offset: u64,
    entries: u64,
    /// The records of the directory, which comes last.
    directory: Vec<u8>,
}

/// A file whose data come next.
pub struct Open {
    name: String,
    modified: DateTime<Utc>,
    size: u64,
    offset: u64,
}

impl Zip {
    /// What stands before a file's data. Exactly `size` bytes of data must follow, then [`end`](Self::end).
    pub fn begin(&mut self, name: &str, modified: DateTime<Utc>, size: u64) -> (Open, Vec<u8>) {
        let is_large = needs_64(size);
        let mut bytes = Vec::with_capacity(64 + name.len());
        put32(&mut bytes, 0x0403_4b50);
        put16(&mut bytes, if is_large { VERSION_ZIP64 } else { VERSION });
        put16(&mut bytes, FLAGS);
        put16(&mut bytes, STORED);
        put_time(&mut bytes, modified);
        put32(&mut bytes, 0);
        // With a ZIP64 field here, the descriptor has sizes of eight bytes (4.3.9.2).
        let size_32 = if is_large { MAX_32 } else { 0 };
        put32(&mut bytes, size_32);
        put32(&mut bytes, size_32);
        put16(&mut bytes, name.len() as u16);
        let extra = [if is_large { field_64(&[0, 0]) } else { Vec::new() }, field_time(modified)].concat();
        put16(&mut bytes, extra.len() as u16);
        bytes.extend(name.as_bytes());
        bytes.extend(extra);
        let open = Open { name: name.to_owned(), modified, size, offset: self.offset };
        self.offset += bytes.len() as u64 + size;
        (open, bytes)
    }

    /// What stands after a file's data; `crc` is their CRC-32.
    pub fn end(&mut self, open: Open, crc: u32) -> Vec<u8> {
        let Open { name, modified, size, offset } = open;
        let mut bytes = Vec::with_capacity(24);
        put32(&mut bytes, 0x0807_4b50);
        put32(&mut bytes, crc);
        for _ in 0..2 {
            if needs_64(size) { put64(&mut bytes, size) } else { put32(&mut bytes, size as u32) }
        }
        self.offset += bytes.len() as u64;
        self.entries += 1;

        let mut large = Vec::new();
        if needs_64(size) {
            large.extend([size, size]);
        }
        if needs_64(offset) {
            large.push(offset);
        }
        let version = if large.is_empty() { VERSION } else { VERSION_ZIP64 };
        let extra = [if large.is_empty() { Vec::new() } else { field_64(&large) }, field_time(modified)];
        let extra = extra.concat();
        let directory = &mut self.directory;
        put32(directory, 0x0201_4b50);
        put16(directory, MADE_BY);
        put16(directory, version);
        put16(directory, FLAGS);
        put16(directory, STORED);
        put_time(directory, modified);
        put32(directory, crc);
        put32(directory, clamp_32(size));
        put32(directory, clamp_32(size));
        put16(directory, name.len() as u16);
        put16(directory, extra.len() as u16);
        // No comment, the first disk, no internal attributes.
        for _ in 0..3 {
            put16(directory, 0);
        }
        put32(directory, MODE);
        put32(directory, clamp_32(offset));
        directory.extend(name.as_bytes());
        directory.extend(extra);
        bytes
    }

    /// The directory, with which the archive is whole.
    pub fn finish(self) -> Vec<u8> {
        let (start, length) = (self.offset, self.directory.len() as u64);
        let mut bytes = self.directory;
        let count_16 = u16::try_from(self.entries).unwrap_or(MAX_16);
        if count_16 == MAX_16 || needs_64(start) || needs_64(length) {
            put32(&mut bytes, 0x0606_4b50);
            put64(&mut bytes, 44);
            put16(&mut bytes, MADE_BY);
            put16(&mut bytes, VERSION_ZIP64);
            put32(&mut bytes, 0);
            put32(&mut bytes, 0);
            put64(&mut bytes, self.entries);
            put64(&mut bytes, self.entries);
            put64(&mut bytes, length);
            put64(&mut bytes, start);
            put32(&mut bytes, 0x0706_4b50);
            put32(&mut bytes, 0);
            put64(&mut bytes, start + length);
            put32(&mut bytes, 1);
        }
        put32(&mut bytes, 0x0605_4b50);
        put16(&mut bytes, 0);
        put16(&mut bytes, 0);
        put16(&mut bytes, count_16);
        put16(&mut bytes, count_16);
        put32(&mut bytes, clamp_32(length));
        put32(&mut bytes, clamp_32(start));
        put16(&mut bytes, 0);
        bytes
    }
}

/// How many bytes an archive of files with these names and sizes has.
pub fn length<'a>(files: impl IntoIterator<Item = (&'a str, u64)>) -> u64 {
    let mut zip = Zip::default();
    for (name, size) in files {
        let (open, _) = zip.begin(name, DateTime::UNIX_EPOCH, size);
        zip.end(open, 0);
    }
    zip.offset + zip.finish().len() as u64
}

fn needs_64(number: u64) -> bool {
    number >= u64::from(MAX_32)
}

fn clamp_32(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(MAX_32)
}

/// The ZIP64 field (4.5.3): only the numbers that do not fit elsewhere, in their order.
fn field_64(numbers: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 + 8 * numbers.len());
    put16(&mut bytes, 0x0001);
    put16(&mut bytes, 8 * numbers.len() as u16);
    numbers.iter().for_each(|&number| put64(&mut bytes, number));
    bytes
}

/// The moment in UTC, as Info-ZIP keeps it, for the other one has no time zone. Its 32 bits end in 2106 when taken
/// as unsigned.
fn field_time(at: DateTime<Utc>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(9);
    put16(&mut bytes, 0x5455);
    put16(&mut bytes, 5);
    bytes.push(1);
    put32(&mut bytes, at.timestamp().clamp(0, i64::from(MAX_32)) as u32);
    bytes
}

/// MS-DOS time and date (4.4.6), here in UTC.
fn put_time(bytes: &mut Vec<u8>, at: DateTime<Utc>) {
    let time = at.hour() << 11 | at.minute() << 5 | (at.second() / 2);
    let year = (at.year() - 1980).clamp(0, 127) as u32;
    let date = year << 9 | at.month() << 5 | at.day();
    put16(bytes, time as u16);
    put16(bytes, date as u16);
}

fn put16(bytes: &mut Vec<u8>, number: u16) {
    bytes.extend(number.to_le_bytes());
}

fn put32(bytes: &mut Vec<u8>, number: u32) {
    bytes.extend(number.to_le_bytes());
}

fn put64(bytes: &mut Vec<u8>, number: u64) {
    bytes.extend(number.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> DateTime<Utc> {
        "2026-05-12T09:14:03Z".parse().unwrap()
    }

    /// A number in the last `bytes` from `index` on.
    fn le(bytes: &[u8]) -> u64 {
        bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
    }

    /// What the end of an archive says: entries, length of the directory, its start.
    fn ending(bytes: &[u8]) -> (u64, u64, u64) {
        let end = &bytes[bytes.len() - 22..];
        assert_eq!(le(&end[..4]), 0x0605_4b50);
        let small = (le(&end[10..12]), le(&end[12..16]), le(&end[16..20]));
        let Some(locator) = bytes.len().checked_sub(22 + 20) else { return small };
        if le(&bytes[locator..locator + 4]) != 0x0706_4b50 {
            return small;
        }
        let record = &bytes[locator - 56..locator];
        assert_eq!(le(&record[..4]), 0x0606_4b50);
        (le(&record[32..40]), le(&record[40..48]), le(&record[48..56]))
    }

    /// An archive without its data: what the directory says, and how long the whole would be.
    fn pretend(files: &[(&str, u64)]) -> (Vec<u8>, u64) {
        let mut zip = Zip::default();
        let mut sent = 0;
        for (name, size) in files {
            let (open, head) = zip.begin(name, at(), *size);
            let tail = zip.end(open, 7);
            sent += head.len() as u64 + size + tail.len() as u64;
        }
        let start = sent;
        let directory = zip.finish();
        assert_eq!(ending(&directory).2, start, "the directory starts where it is said to");
        let whole = sent + directory.len() as u64;
        (directory, whole)
    }

    #[test]
    fn small_archives_have_nothing_of_zip64() {
        let (directory, whole) = pretend(&[("a.pdf", 10), ("b.pdf", 0xFFFF_FFFE - 200)]);
        assert_eq!(ending(&directory).0, 2);
        assert_eq!(le(&directory[6..8]), 20, "version needed");
        assert!(!directory.windows(4).any(|four| le(four) == 0x0606_4b50));
        assert_eq!(whole, length([("a.pdf", 10), ("b.pdf", 0xFFFF_FFFE - 200)]));
    }

    #[test]
    fn sizes_and_places_beyond_4_gib() {
        const LARGE: u64 = 5 << 30;
        let files = [("small.pdf", 1), ("large.bin", LARGE), ("after.pdf", 2)];
        let (directory, whole) = pretend(&files);
        let (entries, bytes, start) = ending(&directory);
        assert_eq!(entries, 3);
        assert!(start > LARGE);
        assert_eq!(whole, length(files));

        let first = 46 + 9 + 9;
        assert_eq!(le(&directory[first + 20..first + 24]), 0xFFFF_FFFF, "the size is in the extra field");
        let extra = first + 46 + 9;
        assert_eq!((le(&directory[extra..extra + 2]), le(&directory[extra + 2..extra + 4])), (1, 16));
        assert_eq!(le(&directory[extra + 4..extra + 12]), LARGE);
        assert_eq!(le(&directory[extra + 12..extra + 20]), LARGE);

        let third = extra + 20 + 9;
        assert_eq!(le(&directory[third + 20..third + 24]), 2);
        assert_eq!(le(&directory[third + 42..third + 46]), 0xFFFF_FFFF, "the place is in the extra field");
        let extra = third + 46 + 9;
        assert_eq!((le(&directory[extra..extra + 2]), le(&directory[extra + 2..extra + 4])), (1, 8));
        assert!(le(&directory[extra + 4..extra + 12]) > LARGE);
        assert_eq!(extra + 12 + 9, bytes as usize, "nothing else is in the directory");
    }

    #[test]
    fn more_entries_than_16_bits_count() {
        for count in [65_534u64, 65_535, 65_536, 70_000] {
            let names: Vec<String> = (0..count).map(|n| format!("{n}.pdf")).collect();
            let files: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 1)).collect();
            let (directory, whole) = pretend(&files);
            assert_eq!(ending(&directory).0, count);
            let has_64 = directory[directory.len() - 42..][..4] == 0x0706_4b50u32.to_le_bytes();
            assert_eq!(has_64, count >= 65_535, "{count}");
            assert_eq!(whole, length(files));
        }
    }

    #[test]
    fn the_moment_is_kept() {
        let mut zip = Zip::default();
        let (_, head) = zip.begin("a", at(), 1);
        assert_eq!(le(&head[10..12]), 9 << 11 | 14 << 5 | 1);
        assert_eq!(le(&head[12..14]), 46 << 9 | 5 << 5 | 12);
        assert_eq!(le(&head[30 + 1 + 5..30 + 1 + 9]) as i64, at().timestamp());
    }
}
