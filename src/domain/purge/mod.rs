//! The end of what is in the trash: after its days, or when an admin says so ([`asked`]).
//!
//! ```text
//! begun   rows locked; hold, years and tombstone looked at once more; from here on nothing brings the file back
//!   │     ── no row, no connection is held ──
//!   │     bytes, copies and previews removed, the folder made durable, the store's marker looked at again
//! ended   the row is "purged"; copies, previews and text are forgotten; the event is written
//! ```
//!
//! Whatever ends in between is taken up again by the next run: each step can be repeated. A batch goes the same way,
//! and between its beginning and its end its files do, a few at a time.

pub mod asked;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use diesel::PgConnection;
use serde_json::json;
use uuid::Uuid;

use super::{
    access::Actor,
    audit::{self, Subject},
    copies, maintenance, orders, previews, retention, settings,
};
use crate::{
    app::App,
    blocking,
    db::{
        self,
        attachments::{AttachmentRow, LIVING},
        batches::{BatchRow, Change},
        purge::Place,
    },
    error::{Error, Result},
};

/// Files that go together: their rows are locked for a moment, and one sync of the folder serves all.
const STEP: i64 = 100;

/// The job of that, in the audit log.
const EMPTYING: &str = "Empty the trash";

/// Which tombstones are meant.
#[derive(Clone, Copy, Debug)]
pub enum Tombstone {
    /// In the trash since then, or longer.
    UpTo(DateTime<Utc>),
    /// This very one: what was restored and deleted again has another.
    At(DateTime<Utc>),
}

impl Tombstone {
    fn fits(self, trashed_at: DateTime<Utc>) -> bool {
        match self {
            Self::UpTo(latest) => trashed_at <= latest,
            Self::At(meant) => trashed_at == meant,
        }
    }
}

/// What went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    pub files: usize,
    pub bytes: i64,
    pub batches: usize,
}

/// Purges everything whose days in the trash are over, and ends what was begun.
///
/// # Errors
/// The store is not there, or something could not be removed: the next run takes it up again.
pub async fn due(app: &Arc<App>) -> Result<Purged> {
    settings::fresh(app).await;
    let now = app.clock.now();
    let latest = now.checked_sub_signed(retention::trash_time(app)).unwrap_or(DateTime::UNIX_EPOCH);
    up_to(app, latest, None).await
}

/// Purges everything that is in the trash since `latest` or longer and that nothing keeps, as long as the order of the
/// admin `by` stands.
///
/// # Errors
/// As [`due`].
pub async fn up_to(app: &Arc<App>, latest: DateTime<Utc>, by: Option<Uuid>) -> Result<Purged> {
    maintenance::check(app).await?;
    let now = app.clock.now();
    let which = Tombstone::UpTo(latest);
    let (mut purged, mut failures) = (Purged::default(), Failures::default());
    let (batches, files) =
        app.db.run(|conn| Ok((db::purge::begun_batches(conn)?, db::purge::begun_files(conn)?))).await?;
    for batch in batches {
        failures.note(self::batch(app, batch, which, &mut purged).await);
    }
    for step in files.chunks(STEP as usize) {
        failures.note(self::files(app, step.to_vec(), which, &mut purged).await);
    }
    let mut after: Option<Place> = None;
    loop {
        let step = app.db.run(move |conn| db::purge::due_batches(conn, latest, now, after, STEP)).await?;
        let Some(last) = step.last() else { break };
        after = Some(*last);
        if !orders::stands(app, by, EMPTYING).await? {
            return Ok(purged);
        }
        for (_, id) in step {
            failures.note(self::batch(app, id, which, &mut purged).await);
        }
    }
    after = None;
    loop {
        let step = app.db.run(move |conn| db::purge::due_files(conn, latest, now, after, STEP)).await?;
        let Some(last) = step.last() else { break };
        after = Some(*last);
        if !orders::stands(app, by, EMPTYING).await? {
            return Ok(purged);
        }
        let ids = step.into_iter().map(|(_, id)| id).collect();
        failures.note(self::files(app, ids, which, &mut purged).await);
    }
    failures.0.map_or(Ok(purged), Err)
}

/// What could not be removed keeps nothing else from going: the first failure is told at the end.
#[derive(Default)]
struct Failures(Option<Error>);

impl Failures {
    fn note(&mut self, result: Result<()>) {
        if let Err(error) = result {
            tracing::error!(error = ?error, "something could not be purged and is tried again");
            self.0.get_or_insert(error);
        }
    }
}

/// Purges a batch with all its files, unless something keeps it or it was restored.
///
/// # Errors
/// As [`due`].
pub async fn batch(app: &Arc<App>, id: Uuid, which: Tombstone, purged: &mut Purged) -> Result<()> {
    // Without its store nothing is begun.
    maintenance::check(app).await?;
    let now = app.clock.now();
    if !app.db.transaction(move |conn| begin_batch(conn, id, which, now)).await? {
        return Ok(());
    }
    let (mut after, mut failures) = (None, Failures::default());
    loop {
        let step = app.db.run(move |conn| db::purge::files_of(conn, id, after, STEP)).await?;
        let Some(last) = step.last() else { break };
        after = Some(*last);
        failures.note(files(app, step, which, purged).await);
    }
    if app.db.transaction(move |conn| end_batch(conn, id, now)).await? {
        purged.batches += 1;
    }
    failures.0.map_or(Ok(()), Err)
}

/// Whether the batch goes.
fn begin_batch(conn: &mut PgConnection, id: Uuid, which: Tombstone, now: DateTime<Utc>) -> Result<bool> {
    let Some(batch) = db::batches::find_for_update(conn, id)? else { return Ok(false) };
    let Some(trashed_at) = batch.trashed_at.filter(|_| batch.purged_at.is_none()) else { return Ok(false) };
    let is_begun = batch.purge_begun_at.is_some();
    let standings = retention::of_batches(conn, &[&batch])?;
    if standings.iter().any(|standing| standing.barred(now).is_some()) {
        if is_begun {
            db::purge::begin_batch(conn, id, None)?;
        }
        return Ok(false);
    }
    if is_begun {
        return Ok(true);
    }
    if which.fits(trashed_at) {
        db::purge::begin_batch(conn, id, Some(now))?;
    }
    Ok(which.fits(trashed_at))
}

/// Whether this made its end. Some of its files may still be there: then it has none yet.
fn end_batch(conn: &mut PgConnection, id: Uuid, now: DateTime<Utc>) -> Result<bool> {
    let Some(batch) = db::batches::find_for_update(conn, id)? else { return Ok(false) };
    let is_over = batch.purge_begun_at.is_none() || batch.purged_at.is_some();
    if is_over || !db::purge::files_of(conn, id, None, 1)?.is_empty() {
        return Ok(false);
    }
    db::purge::finish_batch(conn, id, now)?;
    let details = json!({ "number": batch.number, "product": batch.product });
    audit::record(conn, now, &Actor::system(), "batch.purge", Subject::Batch(id), details)?;
    Ok(true)
}

/// Purges these files, at most `STEP`, but for those that something keeps or that were restored.
///
/// # Errors
/// As [`due`].
pub async fn files(app: &Arc<App>, ids: Vec<Uuid>, which: Tombstone, purged: &mut Purged) -> Result<()> {
    maintenance::check(app).await?;
    let now = app.clock.now();
    let going = app.db.transaction(move |conn| begin(conn, &ids, which, now)).await?;
    if going.is_empty() {
        return Ok(());
    }
    let (ids, failure) = remove(app, going).await?;
    let ended = app.db.transaction(move |conn| end(conn, &ids, now)).await?;
    for file in &ended {
        // Once more: somebody may have been drawing it meanwhile.
        previews::forget(app, file.id).await?;
    }
    purged.files += ended.len();
    purged.bytes += ended.iter().map(|file| file.size_bytes).sum::<i64>();
    failure.map_or(Ok(()), Err)
}

/// Which of these files go: from here on they cannot be restored.
fn begin(
    conn: &mut PgConnection,
    ids: &[Uuid],
    which: Tombstone,
    now: DateTime<Utc>,
) -> Result<Vec<AttachmentRow>> {
    let (files, batches) = db::purge::lock(conn, ids)?;
    let batches: HashMap<Uuid, BatchRow> = batches.into_iter().map(|batch| (batch.id, batch)).collect();
    let begun = db::purge::begun_among(conn, ids)?;
    let years = db::retention::keep_years(conn)?;
    let (mut going, mut kept) = (Vec::new(), Vec::new());
    for file in files {
        let Some(batch) = batches.get(&file.batch_id).filter(|_| file.state != "purged") else {
            kept.push(file.id);
            continue;
        };
        let keep_years = years.get(&batch.site_id).copied().unwrap_or(0);
        // What a batch holds when it goes is in no trash of its own.
        let goes_with_batch = batch.purge_begun_at.is_some();
        let standing = (goes_with_batch || !LIVING.contains(&file.state.as_str()))
            .then(|| retention::of_file(&file, batch, keep_years))
            .flatten();
        let is_meant = |at| goes_with_batch || begun.contains(&file.id) || which.fits(at);
        match standing {
            Some(standing) if standing.barred(now).is_none() && is_meant(standing.trashed_at) => {
                going.push(file);
            }
            _ => kept.push(file.id),
        }
    }
    for file in &mut going {
        if LIVING.contains(&file.state.as_str()) {
            let batch = &batches[&file.batch_id];
            let by = batch.trashed_at.zip(batch.trashed_by);
            db::batch_files::set_trashed(conn, &[file.id], by)?;
            db::batches::count(conn, batch.id, Change::removed(file), now)?;
            "trashed".clone_into(&mut file.state);
        }
    }
    db::purge::take_back(conn, &kept)?;
    db::purge::begin(conn, &going.iter().map(|file| file.id).collect::<Vec<_>>(), now)?;
    Ok(going)
}

/// Removes everything that there is of these files but their rows. Returns those of which nothing is left, and why
/// the others stayed.
async fn remove(app: &Arc<App>, files: Vec<AttachmentRow>) -> Result<(Vec<Uuid>, Option<Error>)> {
    let asked = files.iter().map(|file| file.id).collect();
    let in_cloud = app.db.run(move |conn| db::copies::in_cloud(conn, asked)).await?;
    let (files, mut failures) = remove_from_bucket(app, files, &in_cloud).await;
    let names: Vec<String> = files.iter().map(|file| file.stored_name.clone()).collect();
    let store = Arc::clone(&app.store);
    blocking::run(move || {
        let (stayed, failure) = store.unlink_published(&names).map_err(Error::internal)?;
        let gone = files.into_iter().filter(|file| !stayed.contains(&file.stored_name));
        let ids: Vec<Uuid> = gone.map(|file| file.id).collect();
        for &id in &ids {
            store.remove_previews(id).map_err(Error::internal)?;
        }
        // On a disk that went away in the middle everything looks removed.
        store.check().map_err(Error::internal)?;
        failures.extend(failure.map(Error::internal));
        Ok((ids, failures.into_iter().next()))
    })
    .await
}

/// The bucket first: what it does not let go stays here too. Returns the files of which it has nothing any more.
async fn remove_from_bucket(
    app: &App,
    files: Vec<AttachmentRow>,
    in_cloud: &HashSet<Uuid>,
) -> (Vec<AttachmentRow>, Vec<Error>) {
    let (mut gone, mut failures) = (Vec::new(), Vec::new());
    for file in files {
        if in_cloud.contains(&file.id)
            && let Err(error) = copies::remove_from_bucket(app, &file.stored_name).await
        {
            failures.push(error);
        } else {
            gone.push(file);
        }
    }
    (gone, failures)
}

/// The files are gone; those that somebody else has ended meanwhile are left out.
fn end(conn: &mut PgConnection, ids: &[Uuid], now: DateTime<Utc>) -> Result<Vec<AttachmentRow>> {
    let (mut files, _) = db::purge::lock(conn, ids)?;
    let begun = db::purge::begun_among(conn, ids)?;
    files.retain(|file| file.state == "trashed" && begun.contains(&file.id));
    db::purge::finish(conn, &files.iter().map(|file| file.id).collect::<Vec<_>>())?;
    let events = files.iter().map(|file| {
        let details = json!({
            "filename": file.original_name,
            "size": file.size_bytes,
            "sha256": hex::encode(&file.sha256),
        });
        (Subject::Attachment { id: file.id, batch: file.batch_id }, details)
    });
    audit::record_many(conn, now, &Actor::system(), "attachment.purge", events)?;
    db::purge::count(conn, &files, now)?;
    Ok(files)
}

/// Refuses what is already on its way out.
pub(super) fn not_begun(conn: &mut PgConnection, ids: &[Uuid]) -> Result<()> {
    if db::purge::begun_among(conn, ids)?.is_empty() {
        Ok(())
    } else {
        Err(Error::conflict("being_purged", "This is being removed for good right now."))
    }
}
