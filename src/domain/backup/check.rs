//! The drill: proves a backup without restoring it into service.

use std::{fs::File, io::BufReader, path::Path};

use super::{Entry, Manifest, Report, digest, name_in};
use crate::{
    blocking,
    db::{self, dump},
    error::{Error, Result},
};

/// Reads every byte of the backup in `folder` and compares it with its manifest. With the address of a
/// database, its rows are also loaded there, in a schema of their own within a transaction that is taken back.
/// `progress` is called with the number of files done and the number in all.
///
/// # Errors
/// [`Error::Conflict`] when the folder holds no backup at all. What does not hold is a problem of the report.
pub async fn check(
    folder: &Path,
    database_url: Option<String>,
    progress: impl Fn(usize, usize) + Send + 'static,
) -> Result<Report> {
    let folder = folder.to_owned();
    blocking::run(move || {
        let manifest = Manifest::read(&folder)?;
        let total = manifest.files.len();
        let mut report = Report::default();
        report.problems.extend(
            manifest
                .missing
                .iter()
                .map(|file| format!("{}: not in the backup: {}", file.stored_name, file.reason)),
        );
        match entry(&folder, &manifest.database) {
            Some(problem) => report.problems.push(problem),
            None => report.problems.extend(
                database_url
                    .and_then(|url| rows(&folder, &manifest, &url).err())
                    .map(|error| format!("{}: {}", manifest.database.path, in_full(&error))),
            ),
        }
        for (done, file) in manifest.files.iter().enumerate() {
            progress(done, total);
            let problem = match name_in(&file.path) {
                Some(_) => entry(&folder, file),
                None => Some(format!("{}: no file of a backup has such a path", file.path)),
            };
            match problem {
                Some(problem) => report.problems.push(problem),
                None => {
                    report.files += 1;
                    report.bytes += file.size;
                }
            }
        }
        progress(total, total);
        Ok(report)
    })
    .await
}

/// What is wrong with one file of the backup.
pub(super) fn entry(folder: &Path, entry: &Entry) -> Option<String> {
    let found = match File::open(folder.join(&entry.path)).and_then(digest) {
        Ok(found) => found,
        Err(error) => return Some(format!("{}: {error}", entry.path)),
    };
    match found {
        (size, _) if size != entry.size => {
            Some(format!("{}: has {size} bytes, not {}", entry.path, entry.size))
        }
        (_, sha256) if sha256 != entry.sha256 => {
            Some(format!("{}: its SHA-256 is not that of the manifest", entry.path))
        }
        _ => None,
    }
}

fn rows(folder: &Path, manifest: &Manifest, url: &str) -> Result<()> {
    same_schema(manifest)?;
    let file = File::open(folder.join(&manifest.database.path)).map_err(Error::internal)?;
    dump::try_out(&mut db::dedicated(url)?, &mut BufReader::new(file))
}

/// # Errors
/// Only a program of the same schema can read the rows.
pub(super) fn same_schema(manifest: &Manifest) -> Result<()> {
    let ours = dump::schema_version()?;
    if manifest.schema == ours {
        return Ok(());
    }
    Err(Error::conflict(
        "other_version",
        format!(
            "The backup was made by Stillage {} with the schema {}, this one has {ours}. Restore it with that \
             version, then upgrade.",
            manifest.version, manifest.schema
        ),
    ))
}

/// An operator reads this at the console: the cause counts.
fn in_full(error: &Error) -> String {
    match error {
        Error::Internal(cause) => format!("{cause:#}"),
        other => other.to_string(),
    }
}
