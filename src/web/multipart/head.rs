//! The head of a part: its name, and the name of its file as programs of all kinds write it.

use actix_multipart::Field;
use actix_web::http::header::{self, ContentDisposition, DispositionType, HeaderMap, HeaderValue};
use base64::{Engine, engine::general_purpose::STANDARD};
use encoding_rs::{Encoding, WINDOWS_1252};

/// Name of the field that carries files.
const FILES: &str = "files";

pub(super) struct Head {
    pub name: String,
    /// There for every part that is a file, whatever its field; empty for a file input without a choice.
    pub filename: Option<String>,
    /// Bytes of all its lines.
    pub size: usize,
}

impl Head {
    /// `None` for a part without a name, which a form cannot have (RFC 7578, 4.2).
    pub fn of(field: &Field) -> Option<Self> {
        let headers = field.headers();
        let disposition = disposition(headers)?;
        let size = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        Some(Self { name: disposition.get_name()?.to_owned(), filename: filename(&disposition), size })
    }

    /// The name of a file that was sent to be stored.
    pub fn stored_file(&self) -> Option<&str> {
        self.filename.as_deref().filter(|filename| self.name == FILES && !filename.is_empty())
    }
}

fn disposition(headers: &HeaderMap) -> Option<ContentDisposition> {
    let raw = headers.get(header::CONTENT_DISPOSITION)?;
    let read = if std::str::from_utf8(raw.as_bytes()).is_ok() {
        ContentDisposition::from_raw(raw)
    } else {
        // Programs on Windows write names in the code page of the machine, most often this one.
        let (text, _) = WINDOWS_1252.decode_without_bom_handling(raw.as_bytes());
        ContentDisposition::from_raw(&HeaderValue::from_bytes(text.as_bytes()).ok()?)
    };
    read.ok().filter(|read| matches!(read.disposition, DispositionType::FormData))
}

fn filename(disposition: &ContentDisposition) -> Option<String> {
    let extended = disposition.get_filename_ext().and_then(|name| String::from_utf8(name.value.clone()).ok());
    let plain = || {
        let name = disposition.get_filename()?;
        // Browsers encode these three, and only these (HTML, multipart/form-data encoding).
        let unescaped = || name.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n");
        Some(encoded_word(name).unwrap_or_else(unescaped))
    };
    extended.or_else(plain)
}

/// A name that is one encoded word, `=?charset?B?…?=` or `=?charset?Q?…?=` (RFC 2047), as .NET writes every name that
/// is not ASCII.
fn encoded_word(name: &str) -> Option<String> {
    let mut parts = name.strip_prefix("=?")?.strip_suffix("?=")?.splitn(3, '?');
    let (charset, encoding, text) = (parts.next()?, parts.next()?, parts.next()?);
    let bytes = match encoding {
        "B" | "b" => STANDARD.decode(text).ok()?,
        "Q" | "q" => percent_encoding::percent_decode_str(
            &text.replace('%', "%25").replace('_', " ").replace('=', "%"),
        )
        .collect(),
        _ => return None,
    };
    let decoded =
        Encoding::for_label(charset.as_bytes())?.decode_without_bom_handling_and_without_replacement(&bytes);
    decoded.map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderName;

    use super::*;

    fn name_in(disposition_line: &[u8]) -> Option<String> {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_bytes(disposition_line).unwrap();
        headers.insert(HeaderName::from_static("content-disposition"), value);
        filename(&disposition(&headers)?)
    }

    #[test]
    fn file_names_of_odd_clients_are_read() {
        let table: &[(&[u8], Option<&str>)] = &[
            (b"form-data; name=\"files\"; filename=\"a.pdf\"", Some("a.pdf")),
            (b"form-data; name=files; filename=a.pdf", Some("a.pdf")),
            (b"form-data; name=\"files\"; filename=\"a%22b%0D%0A.pdf\"", Some("a\"b\r\n.pdf")),
            (b"form-data; name=\"files\"; filename=\"Pr\xc3\xbcfung.pdf\"", Some("Prüfung.pdf")),
            // Windows-1252, where 0x80 is the euro sign.
            (b"form-data; name=\"files\"; filename=\"Pr\xfcfung 5 \x80.pdf\"", Some("Prüfung 5 €.pdf")),
            (b"form-data; name=files; filename=\"=?utf-8?B?UHLDvGZ1bmcucGRm?=\"", Some("Prüfung.pdf")),
            (
                b"form-data; name=files; filename=\"=?iso-8859-1?Q?Pr=FCfung_5%.pdf?=\"",
                Some("Prüfung 5%.pdf"),
            ),
            (b"form-data; name=files; filename=\"=?utf-8?B?***?=\"", Some("=?utf-8?B?***?=")),
            (
                b"form-data; name=files; filename=\"x\"; filename*=utf-8''Pr%C3%BCfung.pdf",
                Some("Prüfung.pdf"),
            ),
            (b"form-data; name=files; filename=\"x.pdf\"; filename*=utf-8''%ff", Some("x.pdf")),
            (b"form-data; name=\"files\"; filename=\"\"", Some("")),
            (b"form-data; name=\"files\"", None),
            (b"attachment; name=\"files\"; filename=\"a.pdf\"", None),
        ];
        for (line, name) in table {
            assert_eq!(name_in(line).as_deref(), *name, "{}", String::from_utf8_lossy(line));
        }
    }
}
