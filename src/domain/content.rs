//! What a file may be, and whether it is what its name says.
//!
//! To allow another type, add a line to [`TYPES`]: its extensions, its media type as sniffed from its first
//! bytes, and how its whole is checked. Some are taken only where an admin turned them on
//! (`domain::settings`); their checks are in `extra`.

mod extra;

use std::{
    borrow::Cow,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
};

use self::extra::{Format, Wrong};
use crate::{
    error::{Error, Refusal, Result},
    storage::key,
};

/// One allowed type of file.
#[derive(Debug)]
pub struct Type {
    /// In lower case, without the dot.
    pub extensions: &'static [&'static str],
    /// Served as `Content-Type`; never what the client said.
    pub media_type: &'static str,
    check: Check,
}

#[derive(Debug, Clone, Copy)]
enum Check {
    Jpeg,
    Png,
    /// The first bytes are all that is asked for: encrypted and odd PDFs are kept as they are.
    FirstBytes,
    /// A type that admins turn on.
    Extra(Format),
}

pub const TYPES: &[Type] = &[
    Type { extensions: &["jpg", "jpeg"], media_type: "image/jpeg", check: Check::Jpeg },
    Type { extensions: &["png"], media_type: "image/png", check: Check::Png },
    Type { extensions: &["pdf"], media_type: "application/pdf", check: Check::FirstBytes },
    Type { extensions: &["webp"], media_type: "image/webp", check: Check::Extra(Format::Webp) },
    Type { extensions: &["heic", "heif"], media_type: "image/heic", check: Check::Extra(Format::Heic) },
    Type { extensions: &["csv"], media_type: "text/csv", check: Check::Extra(Format::Csv) },
    Type {
        extensions: &["xlsx"],
        media_type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        check: Check::Extra(Format::Office("xl/workbook.xml")),
    },
    Type {
        extensions: &["docx"],
        media_type: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        check: Check::Extra(Format::Office("word/document.xml")),
    },
    Type { extensions: &["txt"], media_type: "text/plain", check: Check::Extra(Format::Text) },
];

/// How many first bytes tell the type.
pub const HEAD: usize = 64;

/// Most pixels of a picture. Above this, a preview would take gigabytes.
const MAX_PIXELS: u64 = 100_000_000;

/// The keys of the types that admins turn on.
pub type Extras = [&'static str];

/// The types that are taken only when they are turned on.
pub fn extras() -> impl Iterator<Item = &'static Type> {
    TYPES.iter().filter(|kind| kind.is_extra())
}

/// Those that are taken, with these turned on.
fn taken(extras: &Extras) -> impl Iterator<Item = &'static Type> {
    TYPES.iter().filter(|kind| !kind.is_extra() || extras.contains(&kind.key()))
}

/// Every allowed extension, for forms and messages.
pub fn extensions(extras: &Extras) -> impl Iterator<Item = &'static str> {
    taken(extras).flat_map(|kind| kind.extensions.iter().copied())
}

/// The type that the name claims.
///
/// # Errors
/// [`Refusal::UnsupportedType`] when it is not an allowed one.
pub fn claimed_by(filename: &str, extras: &Extras) -> Result<&'static Type> {
    let extension = key::extension(filename);
    let known = extension
        .as_deref()
        .and_then(|extension| taken(extras).find(|kind| kind.extensions.contains(&extension)));
    known.ok_or_else(|| {
        let allowed = extensions(extras).collect::<Vec<_>>().join(", ");
        let said =
            extension.map_or("Files without an extension".to_owned(), |e| format!("Files of type .{e}"));
        unsupported(format!("{said} are not taken. Allowed are: {allowed}."))
    })
}

impl Type {
    /// Its first extension stands for it.
    pub fn key(&self) -> &'static str {
        self.extensions[0]
    }

    pub fn is_extra(&self) -> bool {
        matches!(self.check, Check::Extra(_))
    }

    /// Compares the first bytes with what the name claims.
    ///
    /// # Errors
    /// [`Refusal::UnsupportedType`] when the content is something else.
    pub fn check_head(&self, head: &[u8]) -> Result<()> {
        let sniffed = infer::get(head).map(|kind| kind.mime_type());
        // `infer` takes `%PDF`; the standard (ISO 32000) asks for `%PDF-`.
        let is_claimed = match self.check {
            Check::Extra(format) => format.begins(head),
            Check::FirstBytes | Check::Jpeg | Check::Png => {
                sniffed == Some(self.media_type)
                    && (self.media_type != "application/pdf" || head.starts_with(b"%PDF-"))
            }
        };
        if is_claimed {
            return Ok(());
        }
        let extension = self.extensions[0].to_uppercase();
        Err(unsupported(match sniffed {
            Some(other) if other != self.media_type => format!(
                "The name says {extension}, but the content is {other}. Save it as a real {extension} and send that."
            ),
            _ => format!(
                "The name says {extension}, but the content is not. Save it as a real {extension} and send that."
            ),
        }))
    }

    /// Checks the whole file without decoding it, and returns the width and height of a picture in pixels.
    ///
    /// # Errors
    /// [`Refusal::UnreadableImage`] when a picture's header or end is broken, or it has more than 100 megapixels;
    /// [`Refusal::UnsupportedType`] when a file of an extra type is not one.
    pub fn check_whole(&self, file: impl Read + Seek) -> Result<Option<(u32, u32)>> {
        let mut reader = BufReader::with_capacity(64 * 1024, file);
        let size = match self.check {
            Check::FirstBytes => return Ok(None),
            Check::Extra(format) => return self.check_extra(format, &mut reader).map(|()| None),
            Check::Jpeg => walk_jpeg(&mut reader),
            Check::Png => walk_png(&mut reader),
        };
        checked_size(size)
    }

    fn check_extra(&self, format: Format, reader: &mut (impl BufRead + Seek)) -> Result<()> {
        format.check(reader).map_err(|wrong| match wrong {
            Wrong::Content(why) => {
                let extension = self.key().to_uppercase();
                unsupported(format!(
                    "The name says {extension}, but {why}. Save it as a real {extension} and send that."
                ))
            }
            Wrong::Io(error) => Error::internal(error),
        })
    }
}

/// The width and height of a PNG that is not a file.
///
/// # Errors
/// As [`Type::check_whole`] of a picture.
pub fn png_size(bytes: &[u8]) -> Result<(u32, u32)> {
    checked_size(walk_png(&mut io::Cursor::new(bytes))).map(|size| size.unwrap_or_default())
}

fn checked_size(size: Result<(u32, u32), Broken>) -> Result<Option<(u32, u32)>> {
    match size {
        Ok((0, _) | (_, 0)) => Err(unreadable("it has no width or height")),
        Ok((w, h)) if u64::from(w) * u64::from(h) > MAX_PIXELS => {
            Err(unreadable("it has more than 100 megapixels"))
        }
        Ok(size) => Ok(Some(size)),
        Err(Broken::Header) => Err(unreadable("its header is broken")),
        Err(Broken::End) => Err(unreadable("its end is missing")),
        Err(Broken::Io(error)) => Err(Error::internal(error)),
    }
}

fn unsupported(reason: impl Into<Cow<'static, str>>) -> Error {
    Refusal::UnsupportedType { reason: reason.into() }.into()
}

fn unreadable(reason: &'static str) -> Error {
    Refusal::UnreadableImage { reason }.into()
}

/// Why a picture cannot be walked to its end.
#[derive(Debug)]
enum Broken {
    Header,
    End,
    Io(io::Error),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::End } else { Self::Io(error) }
    }
}

/// Walks the segments of a JPEG (ITU-T T.81, annex B) to its end marker and returns width and height. What
/// phones append behind the end marker does not matter.
fn walk_jpeg(reader: &mut (impl BufRead + Seek)) -> Result<(u32, u32), Broken> {
    if read::<2>(reader)? != [0xFF, 0xD8] {
        return Err(Broken::Header);
    }
    let mut size = None;
    let mut scanned = false;
    loop {
        match next_marker(reader)? {
            // End of image.
            0xD9 if scanned => return size.ok_or(Broken::Header),
            0xD9 => return Err(Broken::End),
            // Start of frame; C4, C8 and CC share the range but are tables.
            marker @ 0xC0..=0xCF if !matches!(marker, 0xC4 | 0xC8 | 0xCC) => {
                let [l1, l2, _precision, h1, h2, w1, w2] = read::<7>(reader)?;
                let length = u16::from_be_bytes([l1, l2]);
                if length < 8 {
                    return Err(Broken::Header);
                }
                let found = (u16::from_be_bytes([w1, w2]).into(), u16::from_be_bytes([h1, h2]).into());
                size.get_or_insert(found);
                reader.seek_relative(i64::from(length) - 7)?;
            }
            // Start of scan: its header, then coded data up to the next marker.
            0xDA => {
                skip_segment(reader)?;
                scanned = true;
            }
            // Restarts and TEM stand alone.
            0x01 | 0xD0..=0xD7 => {}
            0xC4 | 0xC8 | 0xCC | 0xDB..=0xFE => skip_segment(reader)?,
            _ => return Err(Broken::Header),
        }
    }
}

/// The next marker's code: bytes before it are coded data, `FF 00` is a stuffed byte, `FF FF` is fill.
fn next_marker(reader: &mut impl BufRead) -> Result<u8, Broken> {
    loop {
        if reader.skip_until(0xFF)? == 0 {
            return Err(Broken::End);
        }
        let mut code = 0xFF;
        while code == 0xFF {
            [code] = read::<1>(reader)?;
        }
        if code != 0 {
            return Ok(code);
        }
    }
}

fn skip_segment(reader: &mut (impl Read + Seek)) -> Result<(), Broken> {
    let length = u16::from_be_bytes(read::<2>(reader)?);
    let rest = length.checked_sub(2).ok_or(Broken::Header)?;
    Ok(reader.seek_relative(rest.into())?)
}

/// Walks the chunks of a PNG (ISO/IEC 15948) to `IEND` and returns width and height.
fn walk_png(reader: &mut (impl BufRead + Seek)) -> Result<(u32, u32), Broken> {
    if read::<8>(reader)? != *b"\x89PNG\r\n\x1a\n" {
        return Err(Broken::Header);
    }
    let mut size = None;
    let mut has_data = false;
    loop {
        let [l1, l2, l3, l4, kind @ ..] = read::<8>(reader)?;
        let mut length = u32::from_be_bytes([l1, l2, l3, l4]);
        match &kind {
            b"IHDR" if size.is_none() && length == 13 => {
                let [w1, w2, w3, w4, h1, h2, h3, h4] = read::<8>(reader)?;
                size = Some((u32::from_be_bytes([w1, w2, w3, w4]), u32::from_be_bytes([h1, h2, h3, h4])));
                length -= 8;
            }
            _ if size.is_none() => return Err(Broken::Header),
            b"IDAT" => has_data = true,
            b"IEND" if has_data => {
                read::<4>(reader)?;
                return size.ok_or(Broken::Header);
            }
            b"IEND" => return Err(Broken::End),
            _ => {}
        }
        // A seek may leave the file, so the checksum behind the chunk is read: it must be there.
        reader.seek(SeekFrom::Current(length.into()))?;
        read::<4>(reader)?;
    }
}

fn read<const N: usize>(reader: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
