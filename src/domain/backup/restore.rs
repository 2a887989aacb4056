//! Brings a backup back into an empty place. Whatever lets somebody in by itself does not come back alive.

use std::{
    fs::{self, File},
    io::{self, BufReader},
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};
use diesel::{Connection, PgConnection};
use serde_json::json;
use uuid::Uuid;

use super::{Ended, Entry, Manifest, Report, check, name_in};
use crate::{
    blocking,
    clock::Clock,
    db::{self, dump},
    domain::{
        access::Actor,
        audit::{self, Subject},
        previews,
    },
    error::{Error, Result},
    storage::{LocalStore, MarkerPolicy},
};

/// Restores rows into the empty database at `database_url` and files into the empty store `store`, each file
/// verified by its SHA-256 on the way. `progress` is called with the number of files done and the number in all.
///
/// # Errors
/// [`Error::Conflict`] when there is no backup, when it was made with another schema, or when the place is not
/// empty: then nothing is changed. A file that does not match is a problem of the report and is not restored.
pub async fn restore(
    folder: &Path,
    database_url: String,
    store: PathBuf,
    progress: impl Fn(usize, usize) + Send + 'static,
) -> Result<Report> {
    let folder = folder.to_owned();
    blocking::run(move || {
        let manifest = Manifest::read(&folder)?;
        check::same_schema(&manifest)?;
        if let Some(problem) = check::entry(&folder, &manifest.database) {
            return Err(Error::conflict(
                "backup_damaged",
                format!("The backup's rows are damaged: {problem}."),
            ));
        }
        if fs::read_dir(&store).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(not_empty(format!("the folder {}", store.display())));
        }
        let ended = rows(&folder, &manifest, &database_url)?;

        let target = LocalStore::open(&store, manifest.store_id, MarkerPolicy::CreateIfMissing)
            .map_err(Error::internal)?;
        let mut report = Report { ended: Some(ended), ..Report::default() };
        let total = manifest.files.len();
        for (done, entry) in manifest.files.iter().enumerate() {
            progress(done, total);
            match file(&folder, &target, entry) {
                Ok(()) => {
                    report.files += 1;
                    report.copied += 1;
                    report.bytes += entry.size;
                }
                Err(problem) => report.problems.push(format!("{}: {problem}", entry.path)),
            }
        }
        report.problems.extend(
            manifest
                .missing
                .iter()
                .map(|file| format!("{}: not in the backup: {}", file.stored_name, file.reason)),
        );
        progress(total, total);
        Ok(report)
    })
    .await
}

fn rows(folder: &Path, manifest: &Manifest, url: &str) -> Result<Ended> {
    let mut conn = db::dedicated(url)?;
    if !dump::is_empty(&mut conn)? {
        return Err(not_empty("the database".to_owned()));
    }
    db::migrate::run(&mut conn)?;
    let dump = File::open(folder.join(&manifest.database.path)).map_err(Error::internal)?;
    conn.transaction(|conn| {
        dump::read(conn, &mut BufReader::new(dump))?;
        let clock = Clock::default();
        let ended = end_access(conn, manifest, clock.now())?;
        order_previews(conn, &clock)?;
        Ok(ended)
    })
}

/// What was revoked since the backup is as it was before; nobody knows what that is, so everything that lets somebody in
/// by itself ends. Sessions and links to a new password are in no backup.
fn end_access(conn: &mut PgConnection, manifest: &Manifest, now: DateTime<Utc>) -> Result<Ended> {
    let ended = Ended {
        shares: db::shares::revoke_all(conn, now)?,
        tokens: db::tokens::revoke_all(conn, now)?,
        as_of: manifest.made_at,
    };
    let details = json!({ "as_of": ended.as_of, "shares": ended.shares, "tokens": ended.tokens });
    audit::record(conn, now, &Actor::console(), "backup.restore", Subject::System, details)?;
    Ok(ended)
}

/// Pictures and texts of the files are in no backup; jobs make them again.
fn order_previews(conn: &mut PgConnection, clock: &Clock) -> Result<()> {
    const STEP: i64 = 1000;
    let mut after = Uuid::nil();
    loop {
        let step = dump::stored_after(conn, after, STEP)?;
        let Some(last) = step.last() else { return Ok(()) };
        after = last.id;
        for file in step {
            previews::order(conn, clock, file.id, &file.content_type)?;
        }
    }
}

/// Through staging, as every file comes in: hashed on the way, durable before it has its name.
fn file(folder: &Path, store: &LocalStore, entry: &Entry) -> anyhow::Result<()> {
    let name = name_in(&entry.path).ok_or_else(|| anyhow::anyhow!("no file of a backup has such a path"))?;
    let mut staging = store.stage()?;
    io::copy(&mut File::open(folder.join(&entry.path))?, &mut StagingWriter(&mut staging))?;
    let staged = staging.finish()?;
    anyhow::ensure!(
        staged.size == entry.size && hex::encode(staged.sha256) == entry.sha256,
        "its bytes do not match its SHA-256, so it was not restored"
    );
    store.publish(staged, name)?.confirm();
    Ok(())
}

struct StagingWriter<'a>(&'a mut crate::storage::Staging);

impl io::Write for StagingWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn not_empty(what: String) -> Error {
    Error::conflict(
        "not_empty",
        format!(
            "{what} is not empty. Restore into an empty database and an empty folder, so that nothing is overwritten."
        ),
    )
}
