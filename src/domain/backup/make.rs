//! Makes a backup while the server runs.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, BufWriter, Seek, Write},
    path::Path,
};

use diesel::PgConnection;
use serde_json::json;
use uuid::Uuid;

use super::{DUMP, Entry, FILES, FORMAT, Fresh, MANIFEST, Manifest, Missing, Report, path_of};
use crate::{
    app::App,
    blocking,
    db::{self, dump, dump::Stored, settings},
    domain::{
        access::{Action, Actor, Resource, authorize},
        audit::{self, Subject},
    },
    error::{Error, Result},
    storage::{LocalStore, key},
};

/// Backs everything up into `folder`, which is made if it is not there. Rows are those of one moment; every file
/// they name is copied, if the folder does not hold it already, and its SHA-256 checked on the way.
/// `progress` is called with the number of files done and the number in all.
///
/// # Errors
/// The folder cannot be written, or the database does not answer. A file that the store cannot give whole is a
/// problem of the report instead.
pub async fn make(
    app: &App,
    actor: &Actor,
    folder: &Path,
    progress: impl Fn(usize, usize) + Send + 'static,
) -> Result<Report> {
    authorize(actor, Action::Administer, Resource::System)?;
    let (url, store, made_at) = (app.database_url.clone(), app.store.clone(), app.clock.now());
    let folder = folder.to_owned();
    let report = blocking::run(move || {
        let files = folder.join(FILES).join(key::BATCHES);
        fs::create_dir_all(&files).map_err(Error::internal)?;
        let _alone = lock(&folder)?;
        let (fresh_dump, mut list, total, store_id) = rows(&url, &folder)?;
        let (report, entries, missing) = copy_files(&store, &folder, &mut list, total, progress)?;
        let (size, sha256) = fresh_dump.digest();
        let manifest = Manifest {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            made_at,
            schema: dump::schema_version()?,
            store_id,
            database: Entry { path: DUMP.to_owned(), size, sha256 },
            files: entries,
            missing,
        };
        fresh_dump.keep().map_err(Error::internal)?;
        let mut fresh = Fresh::create(folder.join(MANIFEST)).map_err(Error::internal)?;
        serde_json::to_writer_pretty(BufWriter::new(&mut fresh), &manifest).map_err(Error::internal)?;
        fresh.keep().map_err(Error::internal)?;
        Ok(report)
    })
    .await?;
    let (actor, now) = (actor.clone(), app.clock.now());
    let details = json!({ "files": report.files, "bytes": report.bytes, "problems": report.problems.len() });
    app.db
        .transaction(move |conn| audit::record(conn, now, &actor, "backup.make", Subject::System, details))
        .await?;
    Ok(report)
}

/// Two backups into one folder at once would take each other's files away.
fn lock(folder: &Path) -> Result<File> {
    let file = File::create(folder.join(".lock")).map_err(Error::internal)?;
    file.try_lock().map_err(|_| {
        Error::conflict("backup_running", "Another backup into this folder is under way. Wait for it.")
    })?;
    Ok(file)
}

/// The dump, not yet under its name, and the list of files as of the same moment, a line of JSON each.
fn rows(url: &str, folder: &Path) -> Result<(Fresh, File, usize, Uuid)> {
    let mut dump = Fresh::create(folder.join(DUMP)).map_err(Error::internal)?;
    let mut list = tempfile::tempfile_in(folder).map_err(Error::internal)?;
    // Outside the pool: a dump may take longer than a page's statement may.
    let mut conn = db::dedicated(url)?;
    let (total, store_id) =
        conn.build_transaction().read_only().repeatable_read().run(|conn| -> Result<(usize, Uuid)> {
            let mut out = BufWriter::new(&mut dump);
            dump::write(conn, &mut out)?;
            out.flush().map_err(Error::internal)?;
            let store_id = settings::get(conn, "store_id")?.ok_or(Error::NotFound)?;
            Ok((write_list(conn, &mut list)?, store_id))
        })?;
    list.rewind().map_err(Error::internal)?;
    Ok((dump, list, total, store_id))
}

fn write_list(conn: &mut PgConnection, list: &mut File) -> Result<usize> {
    const STEP: i64 = 5000;
    let mut out = BufWriter::new(list);
    let (mut after, mut total) = (Uuid::nil(), 0);
    loop {
        let step = dump::stored_after(conn, after, STEP)?;
        let Some(last) = step.last() else { break };
        (after, total) = (last.id, total + step.len());
        for file in step {
            serde_json::to_writer(&mut out, &file).map_err(Error::internal)?;
            out.write_all(b"\n").map_err(Error::internal)?;
        }
    }
    out.flush().map_err(Error::internal)?;
    Ok(total)
}

fn copy_files(
    store: &LocalStore,
    folder: &Path,
    list: &mut File,
    total: usize,
    progress: impl Fn(usize, usize),
) -> Result<(Report, Vec<Entry>, Vec<Missing>)> {
    let (mut report, mut entries, mut missing) = (Report::default(), Vec::new(), Vec::new());
    for (done, line) in BufReader::new(list).lines().enumerate() {
        progress(done, total);
        let line = line.map_err(Error::internal)?;
        let file: Stored = serde_json::from_str(&line).map_err(Error::internal)?;
        let entry = Entry {
            path: path_of(&file.stored_name),
            size: file.size_bytes as u64,
            sha256: hex::encode(&file.sha256),
        };
        match copy(store, folder, &file.stored_name, &entry)? {
            Copied::Fresh => report.copied += 1,
            Copied::WasThere => {}
            Copied::No(reason) => {
                report.problems.push(format!("{}: {reason}", file.stored_name));
                missing.push(Missing { stored_name: file.stored_name, reason });
                continue;
            }
        }
        report.files += 1;
        report.bytes += entry.size;
        entries.push(entry);
    }
    progress(total, total);
    Ok((report, entries, missing))
}

enum Copied {
    Fresh,
    WasThere,
    /// Not in the backup, and why.
    No(String),
}

fn copy(store: &LocalStore, folder: &Path, stored_name: &str, entry: &Entry) -> Result<Copied> {
    let target = folder.join(&entry.path);
    if fs::symlink_metadata(&target).is_ok_and(|meta| meta.is_file() && meta.len() == entry.size) {
        return Ok(Copied::WasThere);
    }
    let mut file = match store.open_published(stored_name) {
        Ok(Some((file, _))) => file,
        Ok(None) => return Ok(Copied::No("the store does not have it".to_owned())),
        Err(error) => return Ok(Copied::No(error.to_string())),
    };
    let mut fresh = Fresh::create(target).map_err(Error::internal)?;
    io::copy(&mut file, &mut fresh).map_err(Error::internal)?;
    if fresh.digest() != (entry.size, entry.sha256.clone()) {
        return Ok(Copied::No("its bytes no longer match its SHA-256".to_owned()));
    }
    fresh.keep().map_err(Error::internal)?;
    Ok(Copied::Fresh)
}
