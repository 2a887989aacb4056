//! Takes over the files of an older system: a flat folder of `{uuid}_{name}`, and a CSV that says which batch each
//! belongs to. Every file goes through the same checks as an upload and keeps its stored name, and with it its old
//! address. What is there is skipped, so that a second run goes on where the first one ended.

mod map;
mod place;

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Serialize;

use self::{map::Map, place::Placing};
use super::access::{Action, Actor, Resource, authorize};
use crate::{
    app::App,
    blocking, db,
    error::{Error, Refusal, Result},
};

/// Names asked for in one step.
const STEP: usize = 1000;

/// What is to be imported, and how.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub folder: PathBuf,
    pub map: Option<PathBuf>,
    /// Where batches are made that are not there yet; the default site if it is not said.
    pub site: Option<String>,
    /// The account that is named where the uploader has none; the first admin if it is not said.
    pub account: Option<String>,
    pub dry_run: bool,
}

/// Something that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unplaced {
    pub name: String,
    pub reason: String,
}

impl Unplaced {
    fn new(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { name: name.into(), reason: reason.into() }
    }
}

/// What an import came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    pub dry_run: bool,
    /// Files in the folder.
    pub files: usize,
    pub imported: usize,
    pub bytes: u64,
    /// Skipped, because a row has their stored name.
    pub already_there: usize,
    pub batches_made: usize,
    pub notes: Vec<String>,
    pub unplaced: Vec<Unplaced>,
}

/// Imports what can be, and says what cannot.
///
/// # Errors
/// The folder or the CSV cannot be read, the site or the account is not known, or something broke that the next file
/// would meet too (the storage, the database, the scanner): then a second run goes on.
pub async fn run(
    app: &Arc<App>,
    actor: &Actor,
    wanted: Wanted,
    progress: impl Fn(usize, usize),
) -> Result<Report> {
    authorize(actor, Action::Administer, Resource::System)?;
    if let Some(scanner) = &app.scanner
        && !wanted.dry_run
    {
        scanner.ping().await.map_err(|error| {
            Error::Internal(anyhow::anyhow!("nothing was imported, since nothing can be scanned: {error}"))
        })?;
    }
    let (folder, map) = (wanted.folder.clone(), wanted.map.clone());
    let (map, listing) = blocking::run(move || {
        let map = map.as_deref().map(Map::read).transpose()?.unwrap_or_default();
        Ok((map, list(&folder)?))
    })
    .await?;
    let mut report = Report { dry_run: wanted.dry_run, files: listing.files.len(), ..Report::default() };
    let taken = taken(app, listing.files.iter().chain(map.rows.keys())).await?;
    let mut placing = Placing::begin(app, actor, wanted).await?;
    let total = listing.files.len();
    for (done, name) in listing.files.iter().enumerate() {
        progress(done, total);
        if taken.contains(name) {
            report.already_there += 1;
            continue;
        }
        let Some(entry) = map.rows.get(name) else {
            // A row that was refused has been told already.
            if !map.refused.iter().any(|refused| &refused.name == name) {
                report.unplaced.push(Unplaced::new(name, "no row of the CSV says to which batch it belongs"));
            }
            continue;
        };
        match placing.place(name, entry).await {
            Ok(size) => {
                report.imported += 1;
                report.bytes += size;
            }
            Err(error) => report.unplaced.push(Unplaced::new(name, reason(error)?)),
        }
    }
    progress(total, total);
    let gone = map.rows.keys().filter(|name| !listing.files.contains(*name) && !taken.contains(*name));
    report
        .unplaced
        .extend(gone.map(|name| Unplaced::new(name, "the CSV names it, but the folder has no such file")));
    report.unplaced.extend(listing.refused);
    report.unplaced.extend(map.refused);
    report.notes = map.notes;
    report.batches_made = placing.batches_made();
    Ok(report)
}

/// What a folder holds.
struct Listing {
    files: BTreeSet<String>,
    refused: Vec<Unplaced>,
}

fn list(folder: &Path) -> Result<Listing> {
    let unusable = |error: std::io::Error| {
        Error::invalid("folder", format!("The folder {} cannot be read: {error}.", folder.display()))
    };
    let mut listing = Listing { files: BTreeSet::new(), refused: Vec::new() };
    for entry in fs::read_dir(folder).map_err(unusable)? {
        let entry = entry.map_err(unusable)?;
        // Of the entry itself: a symbolic link is not followed.
        let kind = entry.file_type().map_err(unusable)?;
        let name = match entry.file_name().into_string() {
            Ok(name) if kind.is_file() => {
                listing.files.insert(name);
                continue;
            }
            Ok(name) => name,
            Err(name) => {
                listing.refused.push(Unplaced::new(name.to_string_lossy(), "its name is not UTF-8"));
                continue;
            }
        };
        let reason = if kind.is_symlink() {
            "a symbolic link, which is not followed"
        } else if kind.is_dir() {
            "a folder; only the files of one folder are taken"
        } else {
            "not a file"
        };
        listing.refused.push(Unplaced::new(name, reason));
    }
    Ok(listing)
}

async fn taken(app: &App, names: impl Iterator<Item = &String>) -> Result<HashSet<String>> {
    let names: Vec<String> = names.cloned().collect();
    let mut taken = HashSet::new();
    for step in names.chunks(STEP) {
        let step = step.to_vec();
        taken.extend(app.db.run(move |conn| db::imports::taken_names(conn, &step)).await?);
    }
    Ok(taken)
}

/// Why one file was not taken, in words for a list.
///
/// # Errors
/// What the next file would meet too.
fn reason(error: Error) -> Result<String> {
    Ok(match error {
        Error::Refused(refusal) => match refusal {
            Refusal::StorageUnavailable { .. } => return Err(refusal.into()),
            Refusal::EmptyFile => "it is empty".to_owned(),
            Refusal::UnreadableImage { reason } => format!("the picture cannot be read: {reason}"),
            Refusal::Infected { found } => format!("malware was found in it: {found}"),
            Refusal::ScannerUnavailable { reason } => reason.into_owned(),
            Refusal::Unscannable { reason } => reason.to_owned(),
            Refusal::BatchClosed => "its batch is closed and takes no files".to_owned(),
            other => other.to_string(),
        },
        Error::Invalid(_) | Error::Conflict { .. } => error.to_string(),
        other => return Err(other),
    })
}
