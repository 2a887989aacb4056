//! Moving the primary home of all files: to the bucket, or back. Rows say what is done, so that a move that
//! was broken off goes on where it stopped; uploads go on meanwhile.

use std::{ops::ControlFlow, sync::Arc};

use serde::Serialize;
use serde_json::json;

use super::{Pace, Place, Tended, cloud, copy, failed, identity, reason, tend};
use crate::{
    app::App,
    db::{self, copies::FileRow},
    domain::{
        access::{Action, Actor, Resource, authorize},
        audit::{self, Subject},
    },
    error::{Error, Result},
    storage::{Home, Placing},
};

/// Files taken from the database in one step.
const STEP: i64 = 100;

/// What to move.
#[derive(Clone, Copy, Debug)]
pub struct Move {
    pub to: Place,
    /// Only count.
    pub dry_run: bool,
    /// Then remove the local copies, each after the bucket's copy was read and found good.
    pub evict: bool,
}

/// What a move did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// Files that had no sound copy at the goal, and their bytes.
    pub copied: u64,
    pub bytes: u64,
    /// Local copies that were removed.
    pub evicted: u64,
    /// Files that could not be moved, with the reason.
    pub failed: Vec<(String, String)>,
}

/// Gives every file a verified copy at the goal. `progress` hears of each file that is done, and may end the move
/// there.
///
/// # Errors
/// [`Error::Conflict`] while cloud storage is off, [`Error::Invalid`] for an eviction that would leave files
/// without a home, the database. A file that cannot be moved is in the answer.
pub async fn relocate(
    app: &Arc<App>,
    actor: &Actor,
    what: Move,
    mut progress: impl FnMut(&str) -> ControlFlow<()> + Send,
) -> Result<Moved> {
    authorize(actor, Action::Administer, Resource::System)?;
    let bucket = cloud(app)?;
    if what.evict && what.to == Place::Local {
        return Err(Error::invalid("evict", "Only local copies can be evicted, after a move to the cloud."));
    }
    bucket.check().await.map_err(failed)?;
    let mut moved = Moved::default();
    let mut pace = Pace::new(app.config.move_max_rate);
    let mut after = None;
    loop {
        let files = app.db.run(move |conn| db::copies::lacking(conn, what.to.as_str(), after, STEP)).await?;
        let Some(last) = files.last() else { break };
        after = Some(last.id);
        for file in files {
            let size = file.size_bytes as u64;
            if !what.dry_run {
                if let Err(error) = bring(app, actor, &file, what.to).await {
                    moved.failed.push((file.original_name, reason(&error)));
                    continue;
                }
                pace.count(size).await;
            }
            moved.copied += 1;
            moved.bytes += size;
            if progress(&file.original_name).is_break() {
                return Ok(moved);
            }
        }
    }
    if what.evict {
        evict_all(app, actor, what, &mut pace, &mut moved, &mut progress).await?;
    }
    Ok(moved)
}

/// Makes one copy, or mends the one that is there.
async fn bring(app: &Arc<App>, actor: &Actor, file: &FileRow, to: Place) -> Result<()> {
    let id = file.id;
    let known = app.db.run(move |conn| db::copies::state(conn, id, to.as_str())).await?;
    if matches!(known.as_deref(), Some("missing" | "corrupt")) {
        let tended = tend(app, id, true).await?;
        return if tended.is_sound() { Ok(()) } else { Err(unsound(&tended)) };
    }
    copy(app, file, to, Placing::New).await?;
    let (now, actor) = (app.clock.now(), actor.clone());
    let subject = Subject::Attachment { id, batch: file.batch_id };
    let details = json!({ "filename": file.original_name, "to": to });
    app.db
        .transaction(move |conn| {
            db::copies::set(conn, id, to.as_str(), "present", Some(now), None, now)?;
            audit::record(conn, now, &actor, "copy.move", subject, details)
        })
        .await
}

fn unsound(tended: &Tended) -> Error {
    match tended.unreachable.first() {
        Some((_, why)) => Error::Internal(anyhow::anyhow!("{why}")),
        None => Error::NotFound,
    }
}

async fn evict_all(
    app: &Arc<App>,
    actor: &Actor,
    what: Move,
    pace: &mut Pace,
    moved: &mut Moved,
    progress: &mut (impl FnMut(&str) -> ControlFlow<()> + Send),
) -> Result<()> {
    let mut after = None;
    loop {
        let files = app.db.run(move |conn| db::copies::in_both(conn, after, STEP)).await?;
        let Some(last) = files.last() else { return Ok(()) };
        after = Some(last.id);
        for file in files {
            if !what.dry_run {
                if let Err(error) = evict(app, actor, &file).await {
                    moved.failed.push((file.original_name, reason(&error)));
                    continue;
                }
                pace.count(file.size_bytes as u64).await;
            }
            moved.evicted += 1;
            if progress(&file.original_name).is_break() {
                return Ok(());
            }
        }
    }
}

/// Removes a local copy, once the bucket's copy was read whole this very moment. The row goes first: a file
/// without a row is an orphan that reconciling moves aside, a row without a file would be an alarm.
async fn evict(app: &Arc<App>, actor: &Actor, file: &FileRow) -> Result<()> {
    let found = cloud(app)?.identify(&file.stored_name).await.map_err(failed)?;
    if found != Some(identity(file)) {
        let id = file.id;
        let clock = app.clock.clone();
        app.db.run(move |conn| super::enqueue_heal(conn, &clock, id)).await?;
        return Err(Error::Internal(anyhow::anyhow!(
            "the copy in the bucket is not good; nothing was evicted"
        )));
    }
    let (id, now, actor) = (file.id, app.clock.now(), actor.clone());
    let subject = Subject::Attachment { id, batch: file.batch_id };
    let details = json!({ "filename": file.original_name });
    app.db
        .transaction(move |conn| {
            db::copies::set(conn, id, Place::Cloud.as_str(), "present", Some(now), None, now)?;
            db::copies::forget(conn, id, Place::Local.as_str())?;
            audit::record(conn, now, &actor, "copy.evict", subject, details)
        })
        .await?;
    app.store.remove(&file.stored_name).await.map_err(failed)
}
