//! The queue for admins: what runs, waits and failed, with what it is about in words; what is sent to work again or
//! thrown away by hand; when each recurring job ran last and runs next.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::PgConnection;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    access::{Action, Actor, Resource, authorize},
    audit::{self, Subject},
    batches::cut_to_page,
    recheck,
};
use crate::{
    app::App,
    db::{
        self, audit_list,
        job_list::{self, ListedJob, Run},
        settings,
    },
    error::{Error, Result},
    jobs::{Job, schedule},
};

pub use crate::db::job_list::{Place, State};

/// Jobs of one state on the page of all states, and on its own.
pub const FEW: usize = 10;
pub const PAGE: usize = 100;

/// A job, and what it is about.
pub struct Listed {
    pub row: ListedJob,
    /// What it does, in words.
    pub words: String,
    /// The file's id and name, and its batch.
    pub file: Option<(Uuid, String)>,
}

/// The jobs in one state.
pub struct InState {
    pub state: State,
    pub count: i64,
    pub jobs: Vec<Listed>,
    pub next: Option<Place>,
}

/// A line of the schedule.
pub struct Recurring {
    pub words: &'static str,
    pub every: TimeDelta,
    pub last: Option<Run>,
    /// When it is due; `None` when it never was.
    pub next: Option<DateTime<Utc>>,
    /// It waits for a worker, or runs.
    pub is_on_its_way: bool,
}

pub struct Queue {
    pub states: Vec<InState>,
    pub schedule: Vec<Recurring>,
    pub now: DateTime<Utc>,
}

/// All jobs: a few of each state, or a page of one.
///
/// # Errors
/// [`Error::Forbidden`] for all but admins.
pub async fn list(app: &App, actor: &Actor, only: Option<State>, after: Option<Place>) -> Result<Queue> {
    authorize(actor, Action::Administer, Resource::System)?;
    let now = app.clock.now();
    app.db
        .run(move |conn| {
            let states = State::ALL.into_iter().map(|state| {
                let count = job_list::count(conn, state, now)?;
                let limit = match only {
                    None => FEW,
                    Some(only) if only == state => PAGE,
                    Some(_) => return Ok(InState { state, count, jobs: Vec::new(), next: None }),
                };
                let after = after.filter(|_| only == Some(state));
                let mut rows = job_list::page(conn, state, now, after, limit as i64 + 1)?;
                let next = cut_to_page(&mut rows, limit, |row| row.place(state));
                Ok(InState { state, count, jobs: named(conn, rows)?, next })
            });
            let states = states.collect::<Result<_>>()?;
            Ok(Queue { states, schedule: recurring(conn)?, now })
        })
        .await
}

/// The id of the file that a job is about.
fn file_of(payload: &Value) -> Option<Uuid> {
    payload["attachment"].as_str()?.parse().ok()
}

fn named(conn: &mut PgConnection, rows: Vec<ListedJob>) -> Result<Vec<Listed>> {
    let ids: Vec<Uuid> = rows.iter().filter_map(|row| file_of(&row.payload)).collect();
    let names: HashMap<Uuid, String> =
        audit_list::file_names(conn, &ids)?.into_iter().map(|(id, name, _)| (id, name)).collect();
    let listed = rows.into_iter().map(|row| {
        let file = file_of(&row.payload);
        Listed { words: words(&row), file: file.and_then(|id| Some((id, names.get(&id)?.clone()))), row }
    });
    Ok(listed.collect())
}

/// What a job does; one of another version goes by its name.
fn words(row: &ListedJob) -> String {
    let known = serde_json::from_value::<Job>(row.payload.clone());
    known.map_or_else(|_| row.kind.clone(), |job| job.words().to_owned())
}

fn recurring(conn: &mut PgConnection) -> Result<Vec<Recurring>> {
    let runs = job_list::runs(conn)?;
    let kinds: Vec<&str> = schedule::TABLE.iter().map(|line| line.job.kind()).collect();
    let living = job_list::living_kinds(conn, &kinds)?;
    let lines = schedule::TABLE.iter().map(|line| {
        let kind = line.job.kind();
        let every = TimeDelta::from_std(line.every).map_err(Error::internal)?;
        let last_due: Option<DateTime<Utc>> = settings::get(conn, &schedule::key_of(&line.job))?;
        Ok(Recurring {
            words: line.job.words(),
            every,
            last: runs.iter().find(|run| run.kind == kind).cloned(),
            next: last_due.map(|at| at + every),
            is_on_its_way: living.iter().any(|living| living == kind),
        })
    });
    lines.collect()
}

/// Sends a job to work now, whatever it waits for; a dead one with all its attempts.
///
/// # Errors
/// [`Error::NotFound`] for one that is done meanwhile; [`Error::Conflict`] for one that runs, and for a dead one whose
/// like already waits.
pub async fn retry(app: &Arc<App>, actor: &Actor, id: Uuid) -> Result<String> {
    act(app, actor, id, "job.retry", move |conn, now| {
        job_list::retry(conn, id, now).map_err(|error| {
            if db::is_taken(&error) {
                Error::conflict("job_waits", "The same job waits or runs already. Discard this one.")
            } else {
                error
            }
        })
    })
    .await
}

/// Throws a job away.
///
/// # Errors
/// [`Error::NotFound`] for one that is done meanwhile; [`Error::Conflict`] for one that runs.
pub async fn discard(app: &Arc<App>, actor: &Actor, id: Uuid) -> Result<String> {
    act(app, actor, id, "job.discard", move |conn, _| job_list::delete(conn, id)).await
}

/// Does something with a job that does not run, and returns what the job does in words.
async fn act(
    app: &Arc<App>,
    actor: &Actor,
    id: Uuid,
    action: &'static str,
    change: impl FnOnce(&mut PgConnection, DateTime<Utc>) -> Result<()> + Send + 'static,
) -> Result<String> {
    let now = app.clock.now();
    recheck::admin(app, actor, move |conn, actor| {
        let row = job_list::find_for_update(conn, id)?.ok_or(Error::NotFound)?;
        if row.state == "running" {
            return Err(Error::conflict("job_runs", "The job runs at this moment. Wait for its end."));
        }
        change(conn, now)?;
        let words = words(&row);
        let details = json!({
            "job": words, "kind": row.kind, "attachment": row.payload["attachment"], "error": row.last_error,
        });
        audit::record(conn, now, &actor, action, Subject::System, details)?;
        Ok(words)
    })
    .await
}

/// Sends every dead job to work again and returns how many.
///
/// # Errors
/// [`Error::Conflict`] when the like of one was added in this very moment.
pub async fn retry_dead(app: &Arc<App>, actor: &Actor) -> Result<usize> {
    let now = app.clock.now();
    recheck::admin(app, actor, move |conn, actor| {
        let jobs = job_list::retry_dead(conn, now).map_err(|error| {
            if db::is_taken(&error) {
                Error::conflict("job_waits", "The queue changed in this moment. Try again.")
            } else {
                error
            }
        })?;
        if jobs > 0 {
            let details = json!({ "jobs": jobs });
            audit::record(conn, now, &actor, "job.retry_dead", Subject::System, details)?;
        }
        Ok(jobs)
    })
    .await
}
