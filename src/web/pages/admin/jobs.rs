//! Background work for admins.

use actix_web::{HttpRequest, web};
use serde::Deserialize;

use super::{
    super::{
        render, see_other,
        view::{
            file::FileRef,
            format,
            jobs::{JobLine, JobsPage, LastRun, ScheduleRow, Section, key},
        },
    },
    admin_frame,
};
use crate::{
    domain::{
        access::{Action, Resource, authorize},
        queue::{self, InState, Listed, Recurring, State},
    },
    web::{
        error::WebResult,
        extract::{self, CurrentUser, Parts, Posted},
        flash::Flash,
        query,
    },
};

#[derive(Deserialize)]
pub struct JobsQuery {
    #[serde(default)]
    state: String,
    cursor: Option<String>,
}

const PAGE: &str = "/admin/jobs";

/// `GET /admin/jobs`
pub async fn list(req: HttpRequest, app: Parts, by: CurrentUser, query: web::Query<JobsQuery>) -> WebResult {
    authorize(&by.actor, Action::Administer, Resource::System)?;
    let only = State::ALL.into_iter().find(|state| key(*state) == query.state);
    let after = query::parse_cursor(query.cursor.as_deref())?;
    let queue = queue::list(&app, &by.actor, only, after).await?;
    let sections = queue.states.into_iter().map(section).collect::<crate::error::Result<_>>()?;
    render(&JobsPage {
        frame: admin_frame(&req, &by, "Jobs").await,
        only,
        sections,
        schedule: queue.schedule.into_iter().map(schedule_row).collect(),
        is_first_page: after.is_none(),
    })
}

fn section(state: InState) -> crate::error::Result<Section> {
    let cursor = state.next.map(query::cursor).transpose()?;
    let state_key = key(state.state);
    Ok(Section {
        more_url: cursor
            .map(|cursor| format!("{PAGE}{}", format::query(&[("state", state_key), ("cursor", &cursor)]))),
        rows: state.jobs.into_iter().map(|job| job_line(job, state.state)).collect(),
        state: state.state,
        count: state.count,
    })
}

fn job_line(job: Listed, state: State) -> JobLine {
    let Listed { row, words, file } = job;
    JobLine {
        id: row.id,
        words,
        file: file.map(|(id, filename)| FileRef { id, filename }),
        attempts: row.attempts.into(),
        max_attempts: row.max_attempts.into(),
        error: row.last_error.clone().unwrap_or_default(),
        added_at: row.created_at,
        at: if state == State::Dead { row.updated_at } else { row.run_at },
    }
}

fn schedule_row(line: Recurring) -> ScheduleRow {
    ScheduleRow {
        words: line.words,
        every: line.every,
        last: line.last.map(|run| LastRun {
            began_at: run.began_at,
            took: run.ended_at - run.began_at,
            problem: run.problem,
        }),
        next: line.next,
        is_on_its_way: line.is_on_its_way,
    }
}

/// `POST /admin/jobs/{id}/retry`
pub async fn retry(app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    let words = queue::retry(&app, &form.by.actor, extract::id(&path)?).await?;
    Flash::done(format!("Sent to work again: {words}")).keep(&form.by.session);
    Ok(see_other(PAGE))
}

/// `POST /admin/jobs/{id}/discard`
pub async fn discard(app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    let words = queue::discard(&app, &form.by.actor, extract::id(&path)?).await?;
    Flash::done(format!("Discarded: {words}")).keep(&form.by.session);
    Ok(see_other(PAGE))
}

/// `POST /admin/jobs/retry-dead`
pub async fn retry_dead(app: Parts, form: Posted) -> WebResult {
    let jobs = queue::retry_dead(&app, &form.by.actor).await?;
    let jobs = format::count(jobs as i64, "dead job", "dead jobs");
    Flash::done(format!("Sent to work again: {jobs}")).keep(&form.by.session);
    Ok(see_other(PAGE))
}
