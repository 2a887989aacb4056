//! A move of all files that an admin began on a page: a job that goes on when the page is left or the server starts
//! anew, with its progress where every instance sees it.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::watch;
use uuid::Uuid;

use super::{Move, Place, cloud, relocate};
use crate::{
    app::App,
    db,
    domain::{
        access::{Action, Actor, Resource, authorize},
        audit::{self, Subject},
        orders, recheck,
    },
    error::{Error, Result},
    jobs::Job,
};

/// What it is in the audit log.
const MOVING: &str = "Move all files";
/// Where the progress is kept.
const KEY: &str = "storage.move";
/// How often the progress is written and the wish to stop is read.
const TELL: Duration = Duration::from_secs(1);
/// Failures that are kept to be shown.
const FAILURES: usize = 10;

/// How far a move is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moving {
    pub to: Place,
    /// Local copies go, each after its copy in the bucket was read and found good.
    pub evict: bool,
    pub state: MoveState,
    /// Who began it.
    pub by: String,
    /// Their account; none in moves that an earlier version began.
    #[serde(default)]
    pub account: Option<Uuid>,
    pub begun_at: DateTime<Utc>,
    /// When this was written.
    pub at: DateTime<Utc>,
    /// Files that are to be done, as they were counted at the beginning.
    pub total: i64,
    pub done: u64,
    pub failed: u64,
    /// The first files that could not be moved, with the reason.
    pub failures: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MoveState {
    Running,
    /// Somebody wants it to end.
    Stopping,
    Stopped,
    Done,
}

impl Moving {
    pub fn is_under_way(&self) -> bool {
        matches!(self.state, MoveState::Running | MoveState::Stopping)
    }
}

/// The move that was begun last.
pub fn last(conn: &mut diesel::PgConnection) -> Result<Option<Moving>> {
    db::settings::get(conn, KEY)
}

/// Begins a move.
///
/// # Errors
/// [`Error::Conflict`] while another one is under way or cloud storage is off; [`Error::Invalid`] for an eviction
/// that would leave files without a home.
pub async fn begin(app: &App, actor: &Actor, to: Place, evict: bool) -> Result<()> {
    authorize(actor, Action::Administer, Resource::System)?;
    cloud(app)?;
    if evict && to == Place::Local {
        return Err(Error::invalid("evict", "Only local copies can be removed, after a move to the cloud."));
    }
    let clock = app.clock.clone();
    recheck::admin(app, actor, move |conn, actor| {
        if last(conn)?.is_some_and(|moving| moving.is_under_way()) {
            return Err(Error::conflict("move_under_way", "A move is under way. Stop it first."));
        }
        let now = clock.now();
        let mut total = db::copies::count_lacking(conn, to.as_str())?;
        if evict {
            total += db::copies::count_local(conn)?;
        }
        let moving = Moving {
            to,
            evict,
            state: MoveState::Running,
            by: actor.name.clone(),
            account: actor.id(),
            begun_at: now,
            at: now,
            total,
            done: 0,
            failed: 0,
            failures: Vec::new(),
        };
        db::settings::put(conn, &clock, KEY, &moving)?;
        Job::CopyMove.enqueue(conn, &clock, Some("copy_move"))?;
        let details = json!({ "to": to, "evict": evict, "files": total });
        audit::record(conn, now, &actor, "storage.move", Subject::System, details)
    })
    .await
}

/// Ends a move after the file in hand. What is moved stays moved.
pub async fn stop(app: &App, actor: &Actor) -> Result<()> {
    let clock = app.clock.clone();
    recheck::admin(app, actor, move |conn, actor| {
        db::settings::lock(conn, KEY)?;
        let Some(moving) = last(conn)?.filter(|moving| moving.state == MoveState::Running) else {
            return Ok(());
        };
        db::settings::put(conn, &clock, KEY, &Moving { state: MoveState::Stopping, ..moving })?;
        audit::record(conn, clock.now(), &actor, "storage.move_stop", Subject::System, json!({}))
    })
    .await
}

/// The job: goes on with the move that was begun.
///
/// # Errors
/// The bucket cannot be reached, or the database; the next attempt goes on.
pub async fn go_on(app: &Arc<App>) -> Result<()> {
    let Some(moving) = app.db.run(last).await?.filter(Moving::is_under_way) else { return Ok(()) };
    if !orders::stands(app, moving.account, MOVING).await? {
        return write(app, |moving| moving.state = MoveState::Stopped).await.map(drop);
    }
    let wanted = Move { to: moving.to, dry_run: false, evict: moving.evict };
    let (done, heard) = watch::channel(0_u64);
    let stop = Arc::new(AtomicBool::new(moving.state == MoveState::Stopping));
    let moved = {
        let progress = |_: &str| {
            done.send_modify(|done| *done += 1);
            if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let system = Actor::system();
        let work = relocate(app, &system, wanted, progress);
        tokio::select! {
            moved = work => moved?,
            error = tell(app, moving.done, heard, &stop) => return Err(error),
        }
    };
    let ended = if stop.load(Ordering::Relaxed) { MoveState::Stopped } else { MoveState::Done };
    let done = moving.done + *done.borrow();
    write(app, move |moving| {
        moving.state = ended;
        moving.done = done;
        moving.failed = moved.failed.len() as u64;
        moving.failures = moved.failed.into_iter().take(FAILURES).collect();
    })
    .await
    .map(drop)
}

/// Writes how far it is, again and again; ends only with an error.
async fn tell(app: &Arc<App>, before: u64, heard: watch::Receiver<u64>, stop: &AtomicBool) -> Error {
    loop {
        tokio::time::sleep(TELL).await;
        let done = before + *heard.borrow();
        match write(app, move |moving| moving.done = done).await {
            // Ends once the file in hand is done.
            Ok(_) if stop.load(Ordering::Relaxed) => {}
            Ok(moving) => match orders::stands(app, moving.account, MOVING).await {
                Ok(stands) => stop.store(moving.state == MoveState::Stopping || !stands, Ordering::Relaxed),
                Err(error) => return error,
            },
            Err(error) => return error,
        }
    }
}

async fn write(app: &Arc<App>, change: impl FnOnce(&mut Moving) + Send + 'static) -> Result<Moving> {
    let clock = app.clock.clone();
    app.db
        .transaction(move |conn| {
            // Whoever stops it writes the same value: one after the other.
            db::settings::lock(conn, KEY)?;
            let mut moving: Moving = last(conn)?.ok_or(Error::NotFound)?;
            change(&mut moving);
            moving.at = clock.now();
            db::settings::put(conn, &clock, KEY, &moving)?;
            Ok(moving)
        })
        .await
}
