//! Files that turn out bad after they were stored: scanned again, locked away, looked at by an admin, released or
//! moved to the trash. What is locked away is kept, but nobody gets its bytes, nor anything that was made of them.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::{
    access::{Action, Actor, Resource, authorize},
    attachments, audit,
    audit::Subject,
    batches::cut_to_page,
    previews, recheck,
};
use crate::{
    app::App,
    db::{self, attachments::AttachmentRow, quarantine::Locked},
    error::{Error, Result},
    scanner::{ScanError, Scanner, Verdict},
};

pub use crate::db::quarantine::{Refused, Scope};

/// Files taken from the database in one step.
const STEP: i64 = 100;
/// Files at the scanner at once; uploads need its other places.
const AT_ONCE: usize = 4;
/// Lines of each list on one of the admin's pages.
pub const PAGE: usize = 50;

/// What another look at many files found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rescanned {
    pub files: u64,
    pub clean: u64,
    pub infected: u64,
    /// Files without a verdict: no copy could be read, or the scanner did not take them.
    pub unscanned: u64,
    pub findings: Vec<Finding>,
}

/// A file that is not clean, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub attachment: Uuid,
    pub filename: String,
    /// `infected` or `unscanned`
    pub state: &'static str,
    pub reason: String,
}

impl Rescanned {
    /// Whether every file was seen and is clean.
    pub fn is_clean(&self) -> bool {
        self.infected + self.unscanned == 0
    }

    fn add(&mut self, row: &AttachmentRow, seen: Seen) {
        self.files += 1;
        let (state, reason) = match seen {
            Seen::Clean => {
                self.clean += 1;
                return;
            }
            Seen::Infected(found) => {
                self.infected += 1;
                ("infected", found)
            }
            Seen::Not(reason) => {
                self.unscanned += 1;
                ("unscanned", reason)
            }
        };
        let filename = row.original_name.clone();
        self.findings.push(Finding { attachment: row.id, filename, state, reason });
    }
}

/// What came of one file.
enum Seen {
    Clean,
    Infected(String),
    /// No verdict, and why.
    Not(String),
}

/// How many files and bytes [`rescan`] would go through.
pub async fn size_of(app: &App, scope: Scope) -> Result<(i64, i64)> {
    app.db.run(move |conn| db::quarantine::size_of(conn, &scope)).await
}

/// Has stored files scanned again and locks away what is bad. `progress` hears of each file's bytes.
///
/// # Errors
/// [`Error::Conflict`] when no scanner is configured; [`Error::Unavailable`] when it does not answer, or no longer:
/// what was seen until then holds.
pub async fn rescan(
    app: &Arc<App>,
    actor: &Actor,
    scope: Scope,
    mut progress: impl FnMut(u64) + Send,
) -> Result<Rescanned> {
    authorize(actor, Action::Administer, Resource::System)?;
    let scanner = app.scanner.clone().ok_or_else(|| {
        Error::conflict("scanner_off", "There is no malware scanner; CLAMAV_ADDRESS names one.")
    })?;
    scanner.ping().await.map_err(unavailable)?;
    let (mut all, mut after) = (Rescanned::default(), None);
    loop {
        let within = scope.clone();
        let files = app.db.run(move |conn| db::quarantine::within(conn, &within, after, STEP)).await?;
        let Some(last) = files.last() else { return Ok(all) };
        after = Some(last.id);
        let mut looks = stream::iter(files)
            .map(|row| {
                let scanner = &scanner;
                async move { look(app, scanner, actor, &row).await.map(|seen| (row, seen)) }
            })
            .buffer_unordered(AT_ONCE);
        while let Some(looked) = looks.next().await {
            let (row, seen) = looked?;
            progress(row.size_bytes.unsigned_abs());
            all.add(&row, seen);
        }
    }
}

/// Has one file scanned, from whichever copy is sound, and records what it is.
async fn look(app: &Arc<App>, scanner: &Scanner, actor: &Actor, row: &AttachmentRow) -> Result<Seen> {
    let id = row.id;
    let Some(located) = app.db.run(move |conn| db::attachments::locate(conn, id)).await? else {
        return Ok(Seen::Not("It is gone.".to_owned()));
    };
    let opened = match attachments::open_readable(app, located.into()).await {
        Ok(opened) => opened,
        Err(Error::Internal(cause)) => {
            tracing::error!(error = ?cause, attachment = %row.id, "a file cannot be read to be scanned");
            return Ok(Seen::Not("It cannot be read; the log has the details.".to_owned()));
        }
        Err(error) => return Ok(Seen::Not(error.to_string())),
    };
    match scanner.scan(opened.file, row.size_bytes.unsigned_abs()).await {
        Ok(Verdict::Clean) => {
            if row.scan != "clean" {
                app.db.run(move |conn| db::quarantine::set_scan(conn, id, "clean")).await?;
            }
            Ok(Seen::Clean)
        }
        Ok(Verdict::Infected(found)) => {
            lock_away(app, actor, row, &found).await?;
            Ok(Seen::Infected(found))
        }
        Err(ScanError::AboveLimit(_) | ScanError::NotCovered { .. }) => {
            Ok(Seen::Not("It is larger than the scanner takes.".to_owned()))
        }
        Err(error @ ScanError::Unreachable(_)) => Err(unavailable(error)),
        Err(error) => Ok(Seen::Not(error.to_string())),
    }
}

fn unavailable(error: ScanError) -> Error {
    Error::Unavailable {
        message: format!("The malware scanner does not answer: {error}.").into(),
        retry_after: Duration::from_secs(10),
    }
}

async fn lock_away(app: &Arc<App>, actor: &Actor, row: &AttachmentRow, found: &str) -> Result<()> {
    let (id, actor, now, found) = (row.id, actor.clone(), app.clock.now(), found.to_owned());
    tracing::warn!(attachment = %id, found, "malware was found in a stored file, which is locked away");
    app.db
        .transaction(move |conn| {
            let Some(row) = db::attachments::find_for_update(conn, id)? else { return Ok(()) };
            if row.state == "purged" || row.scan == "infected" {
                return Ok(());
            }
            db::quarantine::lock_away(conn, id)?;
            let details = json!({
                "filename": row.original_name, "found": found, "sha256": hex::encode(&row.sha256),
            });
            let subject = Subject::Attachment { id, batch: row.batch_id };
            audit::record(conn, now, &actor, "attachment.quarantine", subject, details)
        })
        .await?;
    previews::forget(app, id).await
}

/// What the admin's page shows.
pub struct Overview {
    pub locked: Vec<Held>,
    /// Uploads that were refused because of malware, the latest first.
    pub refused: Vec<Refused>,
    /// Where the next pages start, if there are any.
    pub more_locked: Option<Uuid>,
    pub more_refused: Option<i64>,
    /// Whether there is a scanner at all.
    pub has_scanner: bool,
}

/// A file that is locked away, since when and why.
pub struct Held {
    pub file: Locked,
    pub since: Option<DateTime<Utc>>,
    pub found: String,
}

/// [`PAGE`] files that are locked away and as many refused uploads, after a place in each list.
pub async fn overview(
    app: &App,
    actor: &Actor,
    locked_after: Option<Uuid>,
    refused_before: Option<i64>,
) -> Result<Overview> {
    authorize(actor, Action::Administer, Resource::System)?;
    let has_scanner = app.scanner.is_some();
    app.db
        .run(move |conn| {
            let mut files = db::quarantine::locked(conn, locked_after, PAGE as i64 + 1)?;
            let more_locked = cut_to_page(&mut files, PAGE, |file| file.id);
            let mut refused = db::quarantine::refused(conn, refused_before, PAGE as i64 + 1)?;
            let more_refused = cut_to_page(&mut refused, PAGE, |refused| refused.id);
            let ids: Vec<Uuid> = files.iter().map(|file| file.id).collect();
            let mut verdicts = HashMap::new();
            for (id, at, details) in db::quarantine::verdicts(conn, &ids)? {
                verdicts.entry(id).or_insert((at, details));
            }
            let held = |file: Locked| {
                let verdict = verdicts.remove(&file.id);
                let found = verdict.as_ref().and_then(|(_, details)| details["found"].as_str());
                Held {
                    found: found.unwrap_or_default().to_owned(),
                    since: verdict.as_ref().map(|(at, _)| *at),
                    file,
                }
            };
            let locked = files.into_iter().map(held).collect();
            Ok(Overview { locked, refused, more_locked, more_refused, has_scanner })
        })
        .await
}

/// Makes a file that was locked away one like every other again, and returns its name. A later scan that still finds
/// something locks it away once more.
///
/// # Errors
/// [`Error::NotFound`] for what does not exist, [`Error::Conflict`] for what is not locked away.
pub async fn release(app: &App, actor: &Actor, id: Uuid) -> Result<String> {
    let (clock, now) = (app.clock.clone(), app.clock.now());
    recheck::admin(app, actor, move |conn, actor| {
        let row = db::attachments::find_for_update(conn, id)?.ok_or(Error::NotFound)?;
        locked_away(&row)?;
        db::quarantine::release(conn, id)?;
        previews::order(conn, &clock, id, &row.content_type)?;
        let subject = Subject::Attachment { id, batch: row.batch_id };
        let details = json!({ "filename": row.original_name });
        audit::record(conn, now, &actor, "attachment.release", subject, details)?;
        Ok(row.original_name)
    })
    .await
}

/// Moves a file that was locked away to the trash, and returns its name. Coming back, it is locked away again.
///
/// # Errors
/// As [`release`].
pub async fn trash(app: &App, actor: &Actor, id: Uuid) -> Result<String> {
    authorize(actor, Action::Administer, Resource::System)?;
    let row = app.db.run(move |conn| db::attachments::find(conn, id)).await?.ok_or(Error::NotFound)?.row;
    locked_away(&row)?;
    Ok(attachments::trash(app, actor, id).await?.row.original_name)
}

fn locked_away(row: &AttachmentRow) -> Result<()> {
    match row.state.as_str() {
        "quarantined" => Ok(()),
        "purged" => Err(Error::NotFound),
        _ => Err(Error::conflict("not_quarantined", "This file is not locked away.")),
    }
}
