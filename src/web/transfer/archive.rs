//! Archives on their way out, in constant memory: chunks are read and summed on blocking threads, one at a time, and
//! no thread waits while the client is slow. A client that goes away drops the body, and with it everything.

use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc, vec};

use actix_web::{HttpRequest, HttpResponse, body::SizedStream, http::Method, http::header, web};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream;

use super::{
    body::CHUNK,
    check::Check,
    disposition,
    zip::{self, Open, Zip},
};
use crate::{
    app::App,
    blocking,
    domain::{
        archive::{self, Archive, Entry, Purpose},
        recheck::Watch,
    },
    error::{Error, Result},
    web::{
        connections,
        error::WebResult,
        extract::{self, CurrentUser, Parts, Posted},
    },
};

/// `GET /batches/{id}/archive.zip`
pub async fn of_batch(req: HttpRequest, app: Parts, by: CurrentUser, path: web::Path<String>) -> WebResult {
    let purpose = if *req.method() == Method::HEAD { Purpose::Look } else { Purpose::Take };
    let archive = archive::open(&app, &by.actor, extract::id(&path)?, None, purpose).await?;
    Ok(answer(&req, &app, archive))
}

/// `POST /batches/{id}/archive.zip`
pub async fn of_chosen(req: HttpRequest, app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    let (batch, ids) = (extract::id(&path)?, form.fields.ids("ids"));
    let archive = archive::open(&app, &form.by.actor, batch, Some(ids), Purpose::Take).await?;
    Ok(answer(&req, &app, archive))
}

/// The archive on its way; its permit is given back when the last byte is delivered, or the client is gone.
pub(in crate::web) fn answer(req: &HttpRequest, app: &Parts, mut archive: Archive) -> HttpResponse {
    let files = archive.files.iter().map(|file| (file.name.as_str(), file.size));
    let texts = archive.texts.iter().map(|(name, text)| (*name, text.len() as u64));
    let length = zip::length(files.chain(texts));
    if let Some(permit) = archive.permit.take() {
        connections::hold(req, permit);
    }
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/zip"))
        .insert_header((header::CONTENT_DISPOSITION, disposition::value("attachment", &archive.filename)))
        .body(SizedStream::new(length, body(Arc::clone(app), archive)))
}

/// The bytes of an archive. An error ends it short of its length, which breaks the connection.
fn body(app: Arc<App>, archive: Archive) -> impl stream::Stream<Item = io::Result<Bytes>> {
    let sending = Sending {
        app,
        zip: Zip::default(),
        files: archive.files.into_iter(),
        texts: archive.texts.into_iter(),
        made_at: archive.made_at,
        reading: None,
        watch: archive.watch,
    };
    stream::try_unfold(Some(sending), |sending| async {
        let Some(mut sending) = sending else { return Ok(None) };
        match sending.next().await.map_err(io::Error::other)? {
            Some(bytes) => Ok(Some((bytes, Some(sending)))),
            None => Ok(Some((Bytes::from(sending.zip.finish()), None))),
        }
    })
}

struct Sending {
    app: Arc<App>,
    zip: Zip,
    files: vec::IntoIter<Entry>,
    texts: vec::IntoIter<(&'static str, String)>,
    made_at: DateTime<Utc>,
    reading: Option<Reading>,
    watch: Watch,
}

/// A file of which a part is sent.
struct Reading {
    open: Open,
    file: Arc<File>,
    sum: crc32fast::Hasher,
    check: Check,
    at: u64,
    size: u64,
}

impl Sending {
    /// The next bytes before the directory, or `None` when there are no more.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        if let Some(reading) = self.reading.take() {
            self.watch
                .ask(&self.app)
                .await
                .inspect_err(|error| tracing::warn!(%error, "an archive breaks off"))?;
            return self.go_on(reading, Vec::new()).await.map(Some);
        }
        if let Some(entry) = self.files.next() {
            let (open, head) = self.zip.begin(&entry.name, entry.modified, entry.size);
            let size = entry.size;
            let file = archive::open_entry(&self.app, &entry, &self.watch).await?;
            let sum = crc32fast::Hasher::new();
            let check = Check::new(&self.app, entry.id, entry.sha256);
            let reading = Reading { open, file: Arc::new(file), sum, check, at: 0, size };
            return self.go_on(reading, head).await.map(Some);
        }
        let Some((name, text)) = self.texts.next() else { return Ok(None) };
        let (open, mut bytes) = self.zip.begin(name, self.made_at, text.len() as u64);
        bytes.extend(text.as_bytes());
        bytes.extend(self.zip.end(open, crc32fast::hash(text.as_bytes())));
        Ok(Some(bytes.into()))
    }

    /// Adds the next chunk of a file to `bytes`, and what ends it if that was the last.
    async fn go_on(&mut self, mut reading: Reading, mut bytes: Vec<u8>) -> Result<Bytes> {
        let (file, at) = (Arc::clone(&reading.file), reading.at);
        let length = (reading.size - at).min(CHUNK);
        let (mut sum, mut check) = (reading.sum, reading.check);
        (bytes, sum, check) = blocking::run(move || {
            let begin = bytes.len();
            bytes.resize(begin + length as usize, 0);
            file.read_exact_at(&mut bytes[begin..], at).map_err(|error| {
                tracing::error!(%error, "an archive breaks off");
                Error::internal(error)
            })?;
            sum.update(&bytes[begin..]);
            check.update(&bytes[begin..]);
            Ok((bytes, sum, check))
        })
        .await?;
        reading.at += length;
        if reading.at < reading.size {
            (reading.sum, reading.check) = (sum, check);
            self.reading = Some(reading);
        } else {
            if let Some(report) = check.finish() {
                report.await;
                return Err(Error::internal(anyhow::anyhow!("a file does not match its SHA-256")));
            }
            bytes.extend(self.zip.end(reading.open, sum.finalize()));
        }
        Ok(bytes.into())
    }
}
