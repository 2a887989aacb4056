//! What goes into the archive of a batch: its available files under names that are good everywhere, and
//! `manifest.csv`. Which bytes an archive is made of is `web::transfer`'s business.
//!
//! Everything that is said about the files is read before the first byte moves, in keyset pages, so that the archive
//! is one moment's and its length is known; that costs some 300 bytes of memory for each file. A file that is known
//! to be missing, damaged or locked away is left out and named in [`LEFT_OUT`]; one that turns out to be gone
//! while the archive is sent breaks it off, so that nobody takes it for whole. So does the loss of the right to it, which
//! is asked for again with each file, and every few seconds within a large one.

use std::{fmt::Write as _, fs::File, sync::Arc};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;
use uuid::Uuid;

use super::{
    access::{Action, Actor, Resource},
    archive_names::Names,
    attachments,
    audit::{self, Subject},
    batches::{cut_to_page, not_in_trash, visible},
    csv::{cell, one_line},
    files,
    limits::{LimitKey, Permit},
    recheck::{self, Watch},
};
use crate::{
    app::App,
    characters::made_visible,
    db::{
        self,
        attachments::Found,
        batch_files::{By, Filter, Order},
        ledger::{self, Op, Part},
    },
    error::{Error, Result},
};

/// The list of what is inside, last in the archive.
pub const MANIFEST: &str = "manifest.csv";
/// Names what could not be put in; only there when there is something.
pub const LEFT_OUT: &str = "NOT IN THIS ARCHIVE.txt";
/// Rows that are read in one hop.
const PAGE: usize = 1000;

/// An archive that is about to be sent.
pub struct Archive {
    /// What the archive is called: the batch's number.
    pub filename: String,
    pub made_at: DateTime<Utc>,
    pub files: Vec<Entry>,
    /// Small files that are made here: their names and contents, after all others.
    pub texts: Vec<(&'static str, String)>,
    /// Whether it may go on.
    pub watch: Watch,
    /// The place it takes among those on their way; none where it is only looked at.
    pub permit: Option<Permit>,
}

impl Archive {
    /// Bytes of its files.
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}

/// A file of the batch in the archive.
pub struct Entry {
    pub id: Uuid,
    pub name: String,
    pub size: u64,
    pub sha256: Vec<u8>,
    pub modified: DateTime<Utc>,
}

/// Why an archive is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To know what it would be: HEAD.
    Look,
    /// To have it; goes into the trail.
    Take,
}

/// The archive of a batch, or of the chosen files in it.
///
/// # Errors
/// [`Error::NotFound`] when none of the chosen files is in the batch, [`Error::Invalid`] when none is named,
/// [`Error::Conflict`] when the batch is in the trash, [`Error::TooMany`] when the actor has too many on their way.
pub async fn open(
    app: &App,
    actor: &Actor,
    batch: Uuid,
    chosen: Option<Vec<Uuid>>,
    purpose: Purpose,
) -> Result<Archive> {
    let (by, ids) = (actor.clone(), chosen.clone());
    let (number, site) = app
        .db
        .run(move |conn| {
            let batch = visible(conn, &by, Action::See, batch)?;
            not_in_trash(&batch)?;
            if ids.is_some_and(|ids| ids.is_empty()) {
                return Err(files::none_named());
            }
            Ok((batch.number, batch.site_id))
        })
        .await?;
    let keys = Vec::from_iter(LimitKey::of(actor));
    let permit = (purpose == Purpose::Take).then(|| app.limits.archives.acquire(&keys)).transpose()?;
    let is_chosen = chosen.is_some();
    let contents = contents(app, batch, chosen, Reader::Colleague).await?;
    if is_chosen && contents.is_empty() {
        return Err(Error::NotFound);
    }
    let watch = Watch::of(actor, Action::See, Resource::Site(site));
    let (archive, parts) = contents.finish(&number, app.clock.now(), watch);
    if purpose == Purpose::Take {
        let details = json!({ "files": archive.files.len(), "bytes": archive.bytes(), "chosen": is_chosen });
        let at = archive.made_at;
        recheck::transaction(app, actor, move |conn, actor| {
            visible(conn, &actor, Action::See, batch)?;
            ledger::record(conn, at, Op::Download, site, &parts)?;
            audit::record(conn, at, &actor, "batch.archive", Subject::Batch(batch), details)
        })
        .await?;
    }
    Ok(Archive { permit, ..archive })
}

/// Reads what is known of the files of a batch, or of the chosen ones. Whoever calls has decided that they may go out.
pub(super) async fn contents(
    app: &App,
    batch: Uuid,
    chosen: Option<Vec<Uuid>>,
    reader: Reader,
) -> Result<Contents> {
    let order = Order { by: By::Name, reversed: false };
    let mut filter = Filter { ids: chosen, order, ..Filter::default() };
    let mut contents = Contents::new(reader);
    loop {
        let asked = filter.clone();
        let (rows, next) = app
            .db
            .run(move |conn| {
                let mut rows = db::batch_files::page(conn, batch, &asked, PAGE as i64 + 1)?;
                let next = cut_to_page(&mut rows, PAGE, |found| order.place_of(&found.row));
                Ok((rows, next))
            })
            .await?;
        rows.into_iter().for_each(|found| contents.add(found));
        let Some(place) = next else { break };
        filter.after = Some(place);
    }
    Ok(contents)
}

/// Who reads what is said about the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    Colleague,
    /// Is told neither who works here nor what cannot be had.
    Visitor,
}

/// An archive while its rows are read.
pub(super) struct Contents {
    reader: Reader,
    names: Names,
    /// For the ledger.
    parts: Vec<Part>,
    files: Vec<Entry>,
    manifest: String,
    left_out: String,
}

impl Contents {
    fn new(reader: Reader) -> Self {
        let mut names = Names::default();
        // A file of the batch that bears one of these names gets a number.
        names.give(MANIFEST);
        names.give(LEFT_OUT);
        let by = if reader == Reader::Colleague { "uploaded_by," } else { "" };
        Self {
            reader,
            names,
            parts: Vec::new(),
            files: Vec::new(),
            manifest: format!("name,size,sha256,{by}uploaded_at\r\n"),
            left_out: String::new(),
        }
    }

    fn is_empty(&self) -> bool {
        self.files.is_empty() && self.left_out.is_empty()
    }

    fn add(&mut self, found: Found) {
        let Found { row, uploader, .. } = found;
        if row.state != "available" {
            if self.reader == Reader::Colleague {
                // Writing to a String cannot fail.
                let _ = write!(self.left_out, "{} ({})\r\n", made_visible(&row.original_name), row.state);
            }
            return;
        }
        ledger::add(&mut self.parts, &row);
        let name = self.names.give(&row.original_name);
        let by = if self.reader == Reader::Colleague { cell(&uploader) + "," } else { String::new() };
        let _ = write!(
            self.manifest,
            "{},{},{},{by}{}\r\n",
            cell(&name),
            row.size_bytes,
            hex::encode(&row.sha256),
            row.uploaded_at.to_rfc3339_opts(SecondsFormat::Secs, true),
        );
        self.files.push(Entry {
            id: row.id,
            name,
            size: row.size_bytes as u64,
            sha256: row.sha256,
            modified: row.uploaded_at,
        });
    }

    /// The archive, and its files for the ledger.
    pub(super) fn finish(self, number: &str, made_at: DateTime<Utc>, watch: Watch) -> (Archive, Vec<Part>) {
        let mut texts = Vec::new();
        if !self.left_out.is_empty() {
            let heading = "These files of the batch cannot be handed out now. Tell an admin.\r\n\r\n";
            texts.push((LEFT_OUT, format!("{heading}{}", self.left_out)));
        }
        texts.push((MANIFEST, self.manifest));
        let filename = Names::default().give(&format!("{number}.zip"));
        (Archive { filename, made_at, files: self.files, texts, watch, permit: None }, self.parts)
    }
}

/// Opens the bytes of a file in an archive, if that may go on.
///
/// # Errors
/// The right to the archive is gone; the file is gone, has another size, is small and damaged, or the store does not
/// answer: the archive must break off.
pub async fn open_entry(app: &Arc<App>, entry: &Entry, watch: &Watch) -> Result<File> {
    let opened = attachments::open_listed(app, entry.id, watch).await;
    opened.map(|opened| opened.file).inspect_err(|error| {
        tracing::error!(attachment = %entry.id, ?error, "an archive breaks off");
    })
}
