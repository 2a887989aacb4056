//! The types that admins can turn on, each with its own check. They are handed out as downloads only, so a check
//! has to tell that the content is what the name says, not that a viewer is safe with it.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use super::read;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Webp,
    Heic,
    Csv,
    Text,
    /// Office Open XML; the name of its main part.
    Office(&'static str),
}

/// Why a file is not what its name says, or could not be read.
#[derive(Debug)]
pub(super) enum Wrong {
    Content(&'static str),
    Io(io::Error),
}

impl From<io::Error> for Wrong {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof { CUT_OFF } else { Self::Io(error) }
    }
}

const CUT_OFF: Wrong = Wrong::Content("it is cut off");
const BROKEN: Wrong = Wrong::Content("its structure is broken");

/// What text files begin with that are something else, in lower case.
const NOT_PLAIN: [&[u8]; 8] =
    [b"%pdf-", b"{\\rtf", b"<!doctype", b"<html", b"<script", b"<?xml", b"<svg", b"#!"];

/// Largest directory of an Office file; such files have tens of parts.
const DIRECTORY_MAX: u64 = 4 * 1024 * 1024;

impl Format {
    /// Whether a file of this format can begin so.
    pub fn begins(self, head: &[u8]) -> bool {
        match self {
            Self::Webp => head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP"),
            Self::Heic => is_heic(head),
            Self::Csv | Self::Text => is_plain(head),
            Self::Office(_) => head.starts_with(b"PK\x03\x04"),
        }
    }

    /// Checks the whole file.
    pub fn check(self, file: &mut (impl BufRead + Seek)) -> Result<(), Wrong> {
        match self {
            Self::Webp => webp(file),
            Self::Heic => heic(file),
            Self::Csv => text(file, true),
            Self::Text => text(file, false),
            Self::Office(main) => office(file, main),
        }
    }
}

/// The brands of the file type box (ISO/IEC 23008-12, annex B); AVIF shares the container and is none of these.
fn is_heic(head: &[u8]) -> bool {
    let Some((length, rest)) = head.split_first_chunk::<4>() else { return false };
    let end = (u32::from_be_bytes(*length) as usize).min(head.len());
    if !rest.starts_with(b"ftyp") {
        return false;
    }
    let mut brands = head.get(8..12).into_iter().chain(head.get(16..end).unwrap_or(&[]).chunks_exact(4));
    brands.any(|brand| matches!(brand, b"heic" | b"heix" | b"heim" | b"heis"))
}

fn is_plain(head: &[u8]) -> bool {
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start().to_ascii_lowercase();
    !head.iter().copied().any(is_control) && !NOT_PLAIN.iter().any(|begin| text.starts_with(begin))
}

/// Bytes that no text has, whatever its eight-bit encoding.
fn is_control(byte: u8) -> bool {
    matches!(byte, 0..=8 | 0x0B | 0x0E..=0x1F | 0x7F)
}

fn text(file: &mut impl BufRead, has_columns: bool) -> Result<(), Wrong> {
    let mut in_first_line = true;
    let (mut began, mut separated) = (false, false);
    loop {
        let bytes = file.fill_buf()?;
        if bytes.is_empty() {
            break;
        }
        for &byte in bytes {
            if is_control(byte) {
                return Err(Wrong::Content("it holds more than text; save it as UTF-8"));
            }
            if in_first_line {
                separated |= matches!(byte, b',' | b';' | b'\t');
                in_first_line = !(began && matches!(byte, b'\n' | b'\r'));
                began |= !byte.is_ascii_whitespace();
            }
        }
        let length = bytes.len();
        file.consume(length);
    }
    if has_columns && !separated { Err(Wrong::Content("its first line has no columns")) } else { Ok(()) }
}

/// Walks the chunks of a WebP (RFC 9649, 2.3). Bytes behind the container do not matter.
fn webp(file: &mut (impl BufRead + Seek)) -> Result<(), Wrong> {
    let length = length_of(file)?;
    let [_, _, _, _, s1, s2, s3, s4, ..] = read::<12>(file)?;
    let end = 8 + u64::from(u32::from_le_bytes([s1, s2, s3, s4]));
    if end > length {
        return Err(CUT_OFF);
    }
    let (mut at, mut has_picture) = (12, false);
    while at + 8 <= end {
        let [kind @ .., l1, l2, l3, l4] = read::<8>(file)?;
        let payload = u64::from(u32::from_le_bytes([l1, l2, l3, l4]));
        match &kind {
            b"VP8 " | b"VP8L" | b"ANMF" if payload > 0 => has_picture = true,
            b"VP8X" if at == 12 => {}
            _ if at == 12 => return Err(BROKEN),
            _ => {}
        }
        at += 8 + payload + payload % 2;
        if at > end + 1 {
            return Err(CUT_OFF);
        }
        file.seek(SeekFrom::Start(at))?;
    }
    if has_picture { Ok(()) } else { Err(BROKEN) }
}

/// Walks the boxes of a HEIC (ISO/IEC 14496-12, 4.2) to the end of the file.
fn heic(file: &mut (impl BufRead + Seek)) -> Result<(), Wrong> {
    let length = length_of(file)?;
    let (mut at, mut has_meta, mut has_data) = (0, false, false);
    while at < length {
        let [s1, s2, s3, s4, kind @ ..] = read::<8>(file)?;
        let (size, header) = match u32::from_be_bytes([s1, s2, s3, s4]) {
            0 => (length - at, 8),
            1 => (u64::from_be_bytes(read::<8>(file)?), 16),
            size => (u64::from(size), 8),
        };
        if size < header || (at == 0 && &kind != b"ftyp") {
            return Err(BROKEN);
        }
        has_meta |= &kind == b"meta";
        has_data |= &kind == b"mdat";
        at = at.checked_add(size).filter(|&end| end <= length).ok_or(CUT_OFF)?;
        file.seek(SeekFrom::Start(at))?;
    }
    if has_meta && has_data { Ok(()) } else { Err(BROKEN) }
}

/// Reads the directory at the end of a ZIP (APPNOTE 4.3.12 and 4.3.16) for the parts that the format must have, and
/// for macros, which a document of this name cannot have.
fn office(file: &mut (impl BufRead + Seek), main: &str) -> Result<(), Wrong> {
    const END: usize = 22;
    let length = length_of(file)?;
    let tail_at = length.saturating_sub((END + usize::from(u16::MAX)) as u64);
    file.seek(SeekFrom::Start(tail_at))?;
    let mut tail = Vec::new();
    file.by_ref().take((END + usize::from(u16::MAX)) as u64).read_to_end(&mut tail)?;
    let end =
        (0..(tail.len() + 1).saturating_sub(END)).rev().find(|&at| tail[at..].starts_with(b"PK\x05\x06"));
    let end = end.ok_or(CUT_OFF)?;
    let number = |at: usize| {
        let bytes = tail.get(end + at..end + at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map(|bytes| u64::from(u32::from_le_bytes(bytes))).ok_or(BROKEN)
    };
    let (size, offset) = (number(12)?, number(16)?);
    if size > DIRECTORY_MAX || offset + size > tail_at + end as u64 {
        return Err(BROKEN);
    }
    file.seek(SeekFrom::Start(offset))?;
    let mut directory = Vec::new();
    file.by_ref().take(size).read_to_end(&mut directory)?;
    let names = names_in(&directory).ok_or(BROKEN)?;
    let has = |name: &[u8]| names.contains(&name);
    if names.iter().any(|name| name.to_ascii_lowercase().ends_with(b"vbaproject.bin")) {
        return Err(Wrong::Content("it holds macros"));
    }
    if has(b"[Content_Types].xml") && has(main.as_bytes()) {
        Ok(())
    } else {
        Err(Wrong::Content("it is a ZIP of something else"))
    }
}

/// The names in a ZIP's directory.
fn names_in(mut directory: &[u8]) -> Option<Vec<&[u8]>> {
    let mut names = Vec::new();
    while !directory.is_empty() {
        let (entry, rest) = directory.split_at_checked(46)?;
        if !entry.starts_with(b"PK\x01\x02") {
            return None;
        }
        let length = |at: usize| usize::from(u16::from_le_bytes([entry[at], entry[at + 1]]));
        let (name, rest) = rest.split_at_checked(length(28))?;
        directory = rest.get(length(30) + length(32)..)?;
        names.push(name);
    }
    Some(names)
}

/// The file's length; it is read from its beginning afterwards.
fn length_of(file: &mut impl Seek) -> io::Result<u64> {
    let length = file.seek(SeekFrom::End(0))?;
    file.rewind()?;
    Ok(length)
}

#[cfg(test)]
#[path = "extra_tests.rs"]
mod tests;
