//! Looking for files without a living row.

use std::{collections::HashSet, sync::Arc, time::SystemTime};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{aside_until, at};
use crate::{
    app::App,
    blocking, db,
    domain::maintenance,
    error::{Error, Result},
    storage::{Found, key},
};

/// Names looked up in one step.
const STEP: usize = 1000;

/// Everything that was found.
pub(super) struct Findings {
    pub published: Vec<Found>,
    /// With the resumable upload that a file belongs to.
    pub staged: Vec<(Option<Uuid>, Found)>,
    pub previews: Vec<Uuid>,
    /// Objects of the bucket that no row names.
    pub objects: Vec<Found>,
    /// Why the bucket could not be looked through.
    pub bucket_trouble: Option<String>,
    pub aside: Aside,
    pub to_import: usize,
    pub rows_without_file: usize,
    /// Files that the database expects.
    pub total: usize,
}

/// Looks through the whole store.
///
/// # Errors
/// The store is not there or not ours: then nothing that was found means anything.
pub(super) async fn find(app: &Arc<App>, older_than: TimeDelta) -> Result<Findings> {
    maintenance::check(app).await?;
    let (missing, found_again, total) = maintenance::compare_rows(app).await?;
    let known_missing = app.db.run(db::attachments::count_missing).await?;
    let published = published(app, older_than).await?;
    let (objects, bucket_trouble) = match objects(app, older_than).await {
        Ok(objects) => (objects, None),
        Err(Error::Internal(cause)) => (Vec::new(), Some(cause.to_string())),
        Err(error) => return Err(error),
    };
    let findings = Findings {
        rows_without_file: (missing.len() + known_missing as usize).saturating_sub(found_again.len()),
        total,
        to_import: published.to_import,
        published: published.files,
        staged: staged(app, older_than).await?,
        previews: previews(app).await?,
        objects,
        bucket_trouble,
        aside: aside(app).await?,
    };
    // The disk may have gone away in the middle.
    maintenance::check(app).await?;
    Ok(findings)
}

/// What is in `batches/` and has no row.
pub struct Published {
    pub files: Vec<Found>,
    /// Files that Stillage did not publish; left where they are.
    pub to_import: usize,
}

/// Published files that no row names and that are old enough, and how many files are not ours at all.
pub async fn published(app: &App, older_than: TimeDelta) -> Result<Published> {
    let store = Arc::clone(&app.store);
    let now = app.clock.now();
    let (candidates, mut foreign) = blocking::run(move || {
        let made_at = DateTime::<Utc>::from(store.made_at().map_err(Error::internal)?);
        let (mut candidates, mut foreign) = (Vec::new(), Vec::new());
        for found in store.list_published().map_err(Error::internal)? {
            let found = found.map_err(Error::internal)?;
            let modified = at(&found);
            if !key::is_stored_name(&found.name) || modified < made_at {
                foreign.push(found.name);
            } else if now - DateTime::<Utc>::from(found.changed) >= older_than {
                candidates.push(found);
            }
        }
        Ok((candidates, foreign))
    })
    .await?;
    let mut unknown = candidates.iter().map(|file| file.name.clone()).collect();
    drop_known(app, &mut unknown).await?;
    drop_known(app, &mut foreign).await?;
    let unknown: HashSet<String> = unknown.into_iter().collect();
    let files = candidates.into_iter().filter(|file| unknown.contains(&file.name)).collect();
    Ok(Published { files, to_import: foreign.len() })
}

/// Leaves the names that no row knows.
pub(super) async fn drop_known(app: &App, names: &mut Vec<String>) -> Result<()> {
    let mut known = HashSet::new();
    for step in names.chunks(STEP) {
        let step = step.to_vec();
        known.extend(app.db.run(move |conn| db::attachments::known_names(conn, &step)).await?);
    }
    names.retain(|name| !known.contains(name));
    Ok(())
}

/// Objects of the bucket that no row names and that are old enough. What came before this store began belongs to
/// somebody else.
async fn objects(app: &App, older_than: TimeDelta) -> Result<Vec<Found>> {
    let Some(bucket) = &app.cloud else { return Ok(Vec::new()) };
    let store = Arc::clone(&app.store);
    let made_at = blocking::run(move || store.made_at().map_err(Error::internal)).await?;
    let mut objects = bucket.list_published().await.map_err(Error::internal)?;
    let before = SystemTime::from(app.clock.now() - older_than);
    objects.retain(|object| {
        key::is_stored_name(&object.name) && object.changed > made_at && object.changed <= before
    });
    let mut unknown = objects.iter().map(|object| object.name.clone()).collect();
    drop_known(app, &mut unknown).await?;
    let unknown: HashSet<String> = unknown.into_iter().collect();
    objects.retain(|object| unknown.contains(&object.name));
    Ok(objects)
}

/// What requests and resumable uploads that are over left in `.staging/`.
async fn staged(app: &App, older_than: TimeDelta) -> Result<Vec<(Option<Uuid>, Found)>> {
    let store = Arc::clone(&app.store);
    let before = SystemTime::from(app.clock.now() - older_than);
    // The files first, then the rows: a row is there before its file.
    let (parts, uploads) = blocking::run(move || {
        let parts = store.unheld_parts(before).map_err(Error::internal)?;
        Ok((parts, store.staged_uploads(before).map_err(Error::internal)?))
    })
    .await?;
    let asked: Vec<Uuid> = uploads.iter().map(|(id, _)| *id).collect();
    let open: HashSet<Uuid> =
        app.db.run(move |conn| db::uploads::open_among(conn, &asked)).await?.into_iter().collect();
    let over = uploads.into_iter().filter(|(id, _)| !open.contains(id)).map(|(id, file)| (Some(id), file));
    Ok(parts.into_iter().map(|file| (None, file)).chain(over).collect())
}

/// Files that have pictures and no row.
async fn previews(app: &App) -> Result<Vec<Uuid>> {
    let store = Arc::clone(&app.store);
    let mut ids = blocking::run(move || store.previewed().map_err(Error::internal)).await?;
    let mut known = HashSet::new();
    for step in ids.chunks(STEP) {
        let step = step.to_vec();
        known.extend(app.db.run(move |conn| db::attachments::known_ids(conn, &step)).await?);
    }
    ids.retain(|id| !known.contains(id));
    Ok(ids)
}

/// What lies in `.trash/`.
#[derive(Default)]
pub(super) struct Aside {
    pub waiting: Vec<Found>,
    /// Long enough there to go for good.
    pub over: Vec<Found>,
    /// What a row misses: it may be the only copy.
    pub wanted: Vec<Found>,
}

pub(super) async fn aside(app: &App) -> Result<Aside> {
    let store = Arc::clone(&app.store);
    let files = blocking::run(move || store.list_aside().map_err(Error::internal)).await?;
    let mut unknown: Vec<String> = files.iter().map(|file| file.name.clone()).collect();
    drop_known(app, &mut unknown).await?;
    let unknown: HashSet<String> = unknown.into_iter().collect();
    let (store, now) = (Arc::clone(&app.store), app.clock.now());
    let mut found = Aside::default();
    for file in files {
        let is_wanted = !unknown.contains(&file.name) && {
            let (store, name) = (Arc::clone(&store), file.name.clone());
            blocking::run(move || store.size_of(&name).map_err(Error::internal)).await?.is_none()
        };
        let list = if is_wanted {
            &mut found.wanted
        } else if aside_until(app, at(&file)) <= now {
            &mut found.over
        } else {
            &mut found.waiting
        };
        list.push(file);
    }
    Ok(found)
}
