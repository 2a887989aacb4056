//! Forms as `multipart/form-data` (RFC 7578), read part by part within bounds, and never past a CSRF token that is
//! still to be proven. Whatever such a form is sent for, it is read here.

mod feed;
mod head;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, fmt::Display, time::Duration};

use actix_multipart::{Field, Multipart};
use actix_web::{
    dev::Payload,
    http::header::{self, HeaderMap, HeaderValue},
};
use bytes::Bytes;
use tokio::time::Instant;

use self::{feed::Feed, head::Head};
use super::csrf;
use crate::error::{Error, Refusal, Result};

/// Files in one request.
pub const MAX_FILES: usize = 50;
/// Parts of any kind in one request.
const MAX_PARTS: usize = 1000;
/// All fields of a request together that are no files, names and heads included, in bytes. Those that nobody asks
/// for count too.
pub const FIELDS_MAX: usize = 256 * 1024;
/// How far the next part may be: no more is read in search of it, in bytes.
const HEAD_MAX: usize = 256 * 1024;
/// Of what is not wanted, so much is still read before the answer, and for so long: a client that is still
/// sending would see a broken connection instead of the answer.
const DRAIN_BYTES: u64 = 256 * 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(300);

/// One part of a form.
#[derive(Debug)]
pub enum Part {
    /// A field that the reader knows, and its value.
    Field(&'static str, String),
    /// A file of this name begins; [`GuardedForm::chunk`] returns its bytes.
    File(String),
}

/// A form on its way in.
pub struct GuardedForm {
    parser: Multipart,
    feed: Feed,
    /// The CSRF token that the form's first field has to bring; `None` once it is proven.
    expected_token: Option<String>,
    /// Fields that are returned; others are counted and left out.
    known: &'static [&'static str],
    /// Those of them, and the token, that came.
    seen: Vec<&'static str>,
    /// The file that is being read.
    file: Option<Field>,
    parts: usize,
    field_bytes: usize,
    /// What may still be read for nothing.
    drain_bytes: u64,
    drain_time: Duration,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// After the last part.
    Ended,
    /// After an error; nothing can be read any more.
    Broken,
}

impl GuardedForm {
    /// A form whose fields have the names in `known`, each at most once. `expected_token` is the CSRF token that its
    /// first field has to be, if nothing else has proven it.
    pub fn new(
        headers: &HeaderMap,
        payload: Payload,
        expected_token: Option<String>,
        known: &'static [&'static str],
    ) -> Self {
        let (feed, pieces) = Feed::new(payload);
        Self {
            parser: Multipart::new(&lenient(headers), pieces),
            feed,
            expected_token,
            known,
            seen: Vec::new(),
            file: None,
            parts: 0,
            field_bytes: 0,
            drain_bytes: DRAIN_BYTES,
            drain_time: DRAIN_TIME,
            state: State::Open,
        }
    }

    /// Reads up to the CSRF token if it is still to be proven, and not further: afterwards rights can be asked before
    /// anything else of the body is read.
    ///
    /// # Errors
    /// [`Error::Csrf`] for any form that does not begin with the right token.
    pub async fn prove(&mut self) -> Result<()> {
        if self.expected_token.is_none() {
            return Ok(());
        }
        let proven = self.read_token().await;
        if proven.is_err() {
            self.state = State::Broken;
        }
        proven.map_err(|error| {
            tracing::debug!(%error, "a form without its token");
            Error::Csrf
        })
    }

    async fn read_token(&mut self) -> Result<()> {
        let Some((head, mut field)) = self.head().await? else { return Err(Error::Csrf) };
        if head.name != csrf::FIELD {
            return Err(Error::Csrf);
        }
        self.seen.push(csrf::FIELD);
        let given = self.value(&head, &mut field).await?;
        let expected = self.expected_token.take().unwrap_or_default();
        csrf::check_token(&String::from_utf8_lossy(&given), &expected)
    }

    /// The next part; what is left of a file is skipped.
    ///
    /// # Errors
    /// [`Error::Csrf`] as for [`GuardedForm::prove`]; [`Refusal::Malformed`] for a form that cannot be read or is over
    /// a bound. Nothing can be read afterwards.
    pub async fn next(&mut self) -> Result<Option<Part>> {
        self.prove().await?;
        let next = self.read_part().await;
        match &next {
            Ok(Some(_)) => {}
            Ok(None) if self.state == State::Open => self.state = State::Ended,
            Ok(None) => {}
            Err(_) => self.state = State::Broken,
        }
        next
    }

    async fn read_part(&mut self) -> Result<Option<Part>> {
        loop {
            self.skip().await?;
            let Some((head, mut field)) = self.head().await? else { return Ok(None) };
            if let Some(filename) = head.stored_file() {
                self.file = Some(field);
                return Ok(Some(Part::File(filename.to_owned())));
            }
            if head.filename.is_some() {
                // A file under another name, or none chosen.
                self.file = Some(field);
                continue;
            }
            let known = self.known.iter().copied().chain([csrf::FIELD]).find(|&name| name == head.name);
            if let Some(name) = known {
                if self.seen.contains(&name) {
                    return Err(malformed(format!("The field {name} is there twice.")));
                }
                self.seen.push(name);
            }
            let value = self.value(&head, &mut field).await?;
            if let Some(name) = known.filter(|&name| name != csrf::FIELD) {
                let text =
                    String::from_utf8(value).map_err(|_| malformed("A field of the form is not text."))?;
                return Ok(Some(Part::Field(name, text)));
            }
        }
    }

    /// The head of the next part.
    async fn head(&mut self) -> Result<Option<(Head, Field)>> {
        if self.state != State::Open {
            return Ok(None);
        }
        if self.parts == MAX_PARTS {
            return Err(malformed(format!("The form has more than {MAX_PARTS} parts.")));
        }
        let Some(field) = self.feed.until(&mut self.parser, HEAD_MAX).await? else { return Ok(None) };
        self.parts += 1;
        let head = Head::of(&field).ok_or_else(|| malformed("A part of the form has no name."))?;
        Ok(Some((head, field)))
    }

    /// The whole value of a field that is no file.
    async fn value(&mut self, head: &Head, field: &mut Field) -> Result<Vec<u8>> {
        let mut value = Vec::new();
        self.count(head.size)?;
        while let Some(bytes) = self.feed.until(field, usize::MAX).await? {
            self.count(bytes.len())?;
            value.extend_from_slice(&bytes);
        }
        Ok(value)
    }

    fn count(&mut self, bytes: usize) -> Result<()> {
        self.field_bytes += bytes;
        if self.field_bytes > FIELDS_MAX {
            return Err(malformed(format!(
                "The fields of the form have more than {} kB.",
                FIELDS_MAX / 1024
            )));
        }
        Ok(())
    }

    /// The next bytes of the file that began; `None` at its end.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a body that breaks off or stops coming.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let Some(field) = &mut self.file else { return Ok(None) };
        let chunk = self.feed.until(field, usize::MAX).await;
        if !matches!(chunk, Ok(Some(_))) {
            self.file = None;
        }
        if chunk.is_err() {
            self.state = State::Broken;
        }
        chunk
    }

    /// Reads the rest of the file that began, within bounds for all that is skipped in this form.
    ///
    /// # Errors
    /// As [`GuardedForm::chunk`], and when too much would have to be read.
    pub async fn skip(&mut self) -> Result<()> {
        let begun = Instant::now();
        while let Some(bytes) = self.chunk().await? {
            self.drain_bytes = self.drain_bytes.saturating_sub(bytes.len() as u64);
            if self.drain_bytes == 0 || begun.elapsed() > self.drain_time {
                self.state = State::Broken;
                return Err(malformed("More was sent than can be skipped."));
            }
        }
        self.drain_time = self.drain_time.saturating_sub(begun.elapsed());
        Ok(())
    }

    /// Reads what is left of a request whose answer is known, within the same bounds, and returns the names of the
    /// first [`MAX_FILES`] files in it.
    pub async fn drain(&mut self) -> Vec<String> {
        let mut names = Vec::new();
        self.expected_token = None;
        while let Ok(Some(part)) = self.next().await {
            if let Part::File(name) = part
                && names.len() < MAX_FILES
            {
                names.push(name);
            }
        }
        if self.state == State::Broken {
            self.feed.drain(self.drain_bytes, Instant::now() + self.drain_time).await;
        }
        names
    }
}

/// The parser refuses a whole form for a name in another encoding than UTF-8, but only under the type of forms. Under
/// `multipart/mixed`, which has the same syntax (RFC 2046, 5.1), the heads are left to [`Head`].
fn lenient(headers: &HeaderMap) -> HeaderMap {
    const FORM: &str = "multipart/form-data";
    let mut only = HeaderMap::new();
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return only };
    let text = value.to_str().unwrap_or_default();
    let mixed = match text.get(..FORM.len()) {
        Some(start) if start.eq_ignore_ascii_case(FORM) => {
            HeaderValue::try_from(format!("multipart/mixed{}", &text[FORM.len()..])).ok()
        }
        _ => None,
    };
    only.insert(header::CONTENT_TYPE, mixed.unwrap_or_else(|| value.clone()));
    only
}

/// A form that cannot be read, and why.
pub fn malformed(reason: impl Into<Cow<'static, str>>) -> Error {
    Refusal::Malformed { reason: reason.into() }.into()
}

fn unreadable(error: impl Display) -> Error {
    tracing::debug!(%error, "unreadable multipart body");
    malformed("The upload broke off or cannot be read. Send it again.")
}
