//! Files without a living row: found, shown, moved aside.
//!
//! Everything here is careful in the same ways: nothing is done on a store that is not ours; what came lately is left
//! alone, for its row may be on its way; what is to go is looked up once more right before; first it goes to `.trash/`,
//! where it stays as long as deleted files do; and when it would be more than 1 % of all files *and* more than 20,
//! nothing goes unless somebody names the number. Files that Stillage did not publish are counted and never moved.

mod find;
mod report;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;

pub use self::report::{Part, Report};
use super::{
    access::{Action, Actor, Resource, authorize},
    audit::{self, Subject},
    copies::{self, Place},
    maintenance, recheck, retention, settings,
};
use crate::{
    app::App,
    blocking, db,
    error::{Error, Result},
    jobs::Job,
    storage::Found,
};
pub(super) use find::published;
use find::{Findings, drop_known, find};

/// A published file without a row is left alone for this long at least: its commit may be on its way.
pub const GRACE: TimeDelta = TimeDelta::hours(1);
/// More than this many files *and* more than this share of all: something else is wrong, so nothing is touched.
const ALARM_FILES: usize = 20;
const ALARM_SHARE: f64 = 0.01;
/// Where the page finds what was found last.
const LAST: &str = "orphans_last";

/// Whether so many of all files are too many to be right.
pub(super) fn is_too_much(affected: usize, total: usize) -> bool {
    affected > ALARM_FILES && affected as f64 > total as f64 * ALARM_SHARE
}

/// What is looked for, and what is done about it.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Only what is at least as old; never less than [`GRACE`].
    pub older_than: TimeDelta,
    pub apply: bool,
    /// How many files somebody expects to go: then exactly so many may, however many that are.
    pub expect: Option<usize>,
}

/// Looks for files without a living row and, if that is wanted, moves them aside.
///
/// # Errors
/// The store is not there or not ours; [`Error::Conflict`] when too many would go, or not as many as expected.
pub async fn clean_up(app: &Arc<App>, actor: &Actor, wanted: Wanted) -> Result<Report> {
    authorize(actor, Action::Administer, Resource::System)?;
    let found = find(app, wanted.older_than.max(GRACE)).await?;
    let report = Report::of(&found, app.clock.now());
    if !wanted.apply {
        return Ok(report);
    }
    let going = report.going();
    match wanted.expect {
        Some(expected) if expected != going => return Err(unexpected(going, expected)),
        None if is_too_much(going, found.total) => return Err(too_many(going, found.total)),
        _ => {}
    }
    let moved = move_aside(app, actor, found).await?;
    let report = Report { applied: true, moved, ..report };
    let (now, actor, details) = (app.clock.now(), actor.clone(), report.in_short());
    app.db
        .run(move |conn| audit::record(conn, now, &actor, "storage.clean_up", Subject::System, details))
        .await?;
    Ok(report)
}

fn unexpected(found: usize, expected: usize) -> Error {
    Error::conflict(
        "unexpected_number",
        format!("{expected} files were expected to go, but {found} would. Nothing was touched."),
    )
}

fn too_many(going: usize, total: usize) -> Error {
    Error::conflict(
        "too_many",
        format!(
            "{going} files would go, and the database knows {total}: is this the right storage and the right \
             database? Nothing was touched. If it is right, name the number: --expect {going}."
        ),
    )
}

/// Moves everything that was found aside, and returns how much of it was still there.
async fn move_aside(app: &Arc<App>, actor: &Actor, found: Findings) -> Result<usize> {
    let mut moved =
        set_aside(app, actor, found.published.into_iter().map(|file| file.name).collect()).await?;
    for (upload, file) in found.staged {
        moved += usize::from(set_staged_aside(app, upload, file.name).await?);
    }
    for id in found.previews {
        moved += usize::from(remove_previews(app, id).await?);
    }
    for object in found.objects {
        moved += usize::from(set_object_aside(app, actor, object.name).await?);
    }
    maintenance::check(app).await?;
    Ok(moved)
}

/// Moves published files without a row to `.trash/`, and returns how many.
pub(super) async fn set_aside(app: &App, actor: &Actor, names: Vec<String>) -> Result<usize> {
    let mut moved = 0;
    for name in names {
        // Once more, right before the move: its commit may have come through meanwhile.
        let mut still_unknown = vec![name];
        drop_known(app, &mut still_unknown).await?;
        let Some(name) = still_unknown.pop() else { continue };
        let store = Arc::clone(&app.store);
        tracing::warn!(?name, "a published file without a row is moved aside");
        let (now, actor) = (app.clock.now(), actor.clone());
        let event = json!({ "stored_name": name });
        let is_moved = blocking::run(move || {
            store.check().map_err(Error::internal)?;
            store.set_aside(&name).map_err(Error::internal)
        })
        .await?;
        if is_moved {
            moved += 1;
            app.db
                .run(move |conn| {
                    audit::record(conn, now, &actor, "storage.set_aside", Subject::System, event)
                })
                .await?;
        }
    }
    Ok(moved)
}

/// The same in the bucket.
async fn set_object_aside(app: &App, actor: &Actor, name: String) -> Result<bool> {
    let mut still_unknown = vec![name];
    drop_known(app, &mut still_unknown).await?;
    let Some(name) = still_unknown.pop() else { return Ok(false) };
    tracing::warn!(?name, "an object without a row is moved aside");
    copies::cloud(app)?.set_aside(&name).await.map_err(Error::internal)?;
    let (now, actor) = (app.clock.now(), actor.clone());
    let event = json!({ "stored_name": name, "place": Place::Cloud });
    app.db
        .run(move |conn| audit::record(conn, now, &actor, "storage.set_aside", Subject::System, event))
        .await?;
    Ok(true)
}

async fn set_staged_aside(app: &App, upload: Option<Uuid>, name: String) -> Result<bool> {
    if let Some(upload) = upload
        && !app.db.run(move |conn| db::uploads::open_among(conn, &[upload])).await?.is_empty()
    {
        return Ok(false);
    }
    let store = Arc::clone(&app.store);
    blocking::run(move || store.set_staged_aside(&name).map_err(Error::internal)).await
}

/// They can always be made again, and need not be on the filesystem of `.trash/`: so they go at once.
async fn remove_previews(app: &App, id: Uuid) -> Result<bool> {
    if !app.db.run(move |conn| db::attachments::known_ids(conn, &[id])).await?.is_empty() {
        return Ok(false);
    }
    let store = Arc::clone(&app.store);
    blocking::run(move || store.remove_previews(id).map_err(Error::internal)).await?;
    Ok(true)
}

/// Removes for good what lies in `.trash/` as long as deleted files do, and returns how many files.
///
/// # Errors
/// The store is not there or not ours.
pub async fn expire(app: &App) -> Result<usize> {
    maintenance::check(app).await?;
    settings::fresh(app).await;
    let over = find::aside(app).await?.over;
    let store = Arc::clone(&app.store);
    let names: Vec<String> = over.iter().map(|file| file.name.clone()).collect();
    blocking::run(move || {
        names.iter().try_for_each(|name| store.remove_aside(name)).map_err(Error::internal)
    })
    .await?;
    let over: Vec<Found> = over.into_iter().chain(expire_objects(app).await?).collect();
    if !over.is_empty() {
        let (now, details) = (app.clock.now(), json!(Part::of(&over)));
        app.db
            .run(move |conn| {
                let action = "storage.aside_removed";
                audit::record(conn, now, &Actor::system(), action, Subject::System, details)
            })
            .await?;
    }
    Ok(over.len())
}

/// The same in the bucket; one that is away is looked at the next time.
async fn expire_objects(app: &App) -> Result<Vec<Found>> {
    let Some(bucket) = &app.cloud else { return Ok(Vec::new()) };
    let mut over = match bucket.list_aside().await {
        Ok(aside) => aside,
        Err(error) => {
            tracing::warn!(%error, "what was moved aside in the bucket cannot be looked through");
            return Ok(Vec::new());
        }
    };
    let now = app.clock.now();
    over.retain(|object| aside_until(app, at(object)) <= now);
    for object in &over {
        bucket.remove_aside(&object.name).await.map_err(Error::internal)?;
    }
    Ok(over)
}

/// What was found last for the admin's page, if anybody looked.
pub async fn last(app: &App, actor: &Actor) -> Result<Option<Report>> {
    authorize(actor, Action::Administer, Resource::System)?;
    app.db.run(|conn| db::settings::get(conn, LAST)).await
}

/// Orders a look for the admin's page; with `expect`, what is found is moved aside if it is just so many files.
pub async fn order(app: &App, actor: &Actor, expect: Option<usize>) -> Result<()> {
    let (now, clock) = (app.clock.now(), app.clock.clone());
    recheck::admin(app, actor, move |conn, actor| {
        if let Some(expect) = expect {
            let details = json!({ "expect": expect });
            audit::record(conn, now, &actor, "storage.clean_up_now", Subject::System, details)?;
        }
        Job::CleanUp { expect, by: actor.id() }.enqueue(conn, &clock, Some("clean_up")).map(drop)
    })
    .await
}

/// What [`order`] ordered. A refusal is part of what the page shows.
///
/// # Errors
/// Whatever may pass: then it is tried again.
pub async fn run_for_page(app: &Arc<App>, expect: Option<usize>) -> Result<()> {
    let actor = Actor::system();
    let wanted = Wanted { older_than: GRACE, apply: expect.is_some(), expect };
    let report = match clean_up(app, &actor, wanted).await {
        Err(Error::Conflict { message, .. }) => {
            let looked = clean_up(app, &actor, Wanted { apply: false, ..wanted }).await?;
            Report { refused: Some(message.into_owned()), ..looked }
        }
        other => other?,
    };
    let clock = app.clock.clone();
    app.db.run(move |conn| db::settings::put(conn, &clock, LAST, &report)).await
}

/// When something that came into `.trash/` at `at` goes for good.
fn aside_until(app: &App, at: DateTime<Utc>) -> DateTime<Utc> {
    at.checked_add_signed(retention::trash_time(app)).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// When it was published, or moved.
fn at(file: &Found) -> DateTime<Utc> {
    DateTime::from(file.modified)
}
