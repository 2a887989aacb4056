//! The trail for admins: narrowed down, page by page, and as a file.

use std::{io, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web,
};
use bytes::Bytes;
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use futures_util::stream;
use serde::Deserialize;
use serde_json::json;

use super::{
    super::{
        audit_words::line,
        render,
        view::trail::{AuditFilters, AuditPage, Chain, HeadFacts, Line, VerifiedFacts, group_key, groups},
    },
    admin_frame,
};
use crate::{
    domain::{
        access::{Action, Resource, authorize},
        audit::{
            list::{self, Names, WholeEvent},
            verify::Head,
        },
        csv,
    },
    error::Error,
    web::{
        error::WebResult,
        extract::{CurrentUser, Parts},
        query,
        transfer::disposition,
    },
};

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct AuditQuery {
    actor: String,
    group: String,
    about: String,
    since: String,
    until: String,
    address: String,
    q: String,
    cursor: Option<String>,
    format: String,
}

impl AuditQuery {
    fn filters(&self) -> AuditFilters {
        AuditFilters {
            actor: self.actor.trim().to_owned(),
            group: groups().into_iter().find(|group| group_key(group) == self.group),
            about: self.about.trim().to_owned(),
            since: query::day(&self.since),
            until: query::day(&self.until),
            address: self.address.trim().to_owned(),
            text: self.q.trim().to_owned(),
        }
    }
}

fn wanted(filters: &AuditFilters, before: Option<i64>) -> list::Wanted {
    let start = |date: NaiveDate| date.and_time(NaiveTime::MIN).and_utc();
    list::Wanted {
        actor: filters.actor.clone(),
        group: filters.group,
        about: filters.about.clone(),
        since: filters.since.map(start),
        // The whole of the last day.
        until: filters.until.map(|date| next_day(start(date))),
        address: filters.address.clone(),
        text: filters.text.clone(),
        before,
    }
}

fn next_day(at: DateTime<Utc>) -> DateTime<Utc> {
    at.checked_add_signed(TimeDelta::days(1)).unwrap_or(at)
}

/// `GET /admin/audit`
pub async fn list(req: HttpRequest, app: Parts, by: CurrentUser, query: web::Query<AuditQuery>) -> WebResult {
    authorize(&by.actor, Action::Administer, Resource::System)?;
    let filters = query.filters();
    let before = query::parse_cursor(query.cursor.as_deref())?;
    let page = list::page(&app, &by.actor, wanted(&filters, before)).await?;
    let next_url = page.next.map(query::cursor).transpose()?.map(|cursor| filters.url(&cursor));
    render(&AuditPage {
        frame: admin_frame(&req, &by, "Audit").await,
        lines: page.events.into_iter().map(|(event, seal)| line(event, seal, &page.names, true)).collect(),
        next_url,
        is_first_page: before.is_none(),
        chain: Chain {
            head: page.head.map(head),
            unsealed: page.unsealed,
            verified: page.verified.map(|found| VerifiedFacts {
                at: found.at,
                seals: found.seals,
                events: found.events,
                problems: found.problems,
                words: found.words,
            }),
        },
        filters,
    })
}

pub(in crate::web::pages) fn head(head: Head) -> HeadFacts {
    HeadFacts { seal: head.seal, sealed_at: head.sealed_at, hash: head.hash }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Json,
}

const COLUMNS: &str =
    "id,at,actor,username,actor_kind,address,what,action,subject,batch,file,details,seal\r\n";

/// `GET /admin/audit/export?format=csv|json`: what the filters find, newest first, without an end in memory.
pub async fn export(
    req: HttpRequest,
    app: Parts,
    by: CurrentUser,
    query: web::Query<AuditQuery>,
) -> WebResult {
    authorize(&by.actor, Action::Administer, Resource::System)?;
    let (format, key, media_type) = match query.format.as_str() {
        "json" => (Format::Json, "json", "application/json"),
        _ => (Format::Csv, "csv", "text/csv; charset=utf-8"),
    };
    let mut answer = HttpResponse::Ok();
    let name = format!("audit-{}.{key}", app.clock.now().format("%Y-%m-%d"));
    answer
        .insert_header((header::CONTENT_TYPE, media_type))
        .insert_header((header::CACHE_CONTROL, "private, no-store"))
        .insert_header((header::CONTENT_DISPOSITION, disposition::value("attachment", &name)));
    if *req.method() == Method::HEAD {
        return Ok(answer.streaming(stream::empty::<io::Result<Bytes>>()));
    }
    let wanted = wanted(&query.filters(), None);
    let filter = list::begin_export(&app, &by.actor, wanted, key).await?;
    let parts = Arc::clone(&app);
    // Begun, then step by step, then ended: an error breaks the connection, so that nobody takes a part for the whole.
    let state = (parts, Some(filter), true);
    let body = stream::try_unfold(state, move |(app, filter, is_first)| async move {
        let Some(filter) = filter else { return Ok(None) };
        let (events, names, filter) = list::export_step(&app, filter).await.map_err(broken)?;
        let is_last = events.is_empty();
        let mut text = String::new();
        if is_first {
            text.push_str(if format == Format::Csv { COLUMNS } else { "[" });
        }
        for (nth, (event, seal)) in events.into_iter().enumerate() {
            match format {
                Format::Csv => csv_row(&mut text, event, seal, &names),
                Format::Json => {
                    text.push_str(if is_first && nth == 0 { "\n" } else { ",\n" });
                    text.push_str(&json_object(event, seal, &names).to_string());
                }
            }
        }
        if is_last && format == Format::Json {
            text.push_str("\n]\n");
        }
        Ok::<_, io::Error>(Some((Bytes::from(text), (app, (!is_last).then_some(filter), false))))
    });
    Ok(answer.streaming(body))
}

fn broken(error: Error) -> io::Error {
    tracing::error!(error = ?error, "an export of the trail broke off");
    io::Error::other("the export broke off")
}

/// What the sentence says, and the names in it.
fn described(event: &WholeEvent, seal: Option<i64>, names: &Names) -> (Line, String, String) {
    let batch = event.batch_id.and_then(|id| names.batches.get(&id).cloned()).unwrap_or_default();
    let file = event.attachment_id.and_then(|id| names.files.get(&id)).map(|(name, _)| name.clone());
    (line(event.clone(), seal, names, false), batch, file.unwrap_or_default())
}

fn csv_row(text: &mut String, event: WholeEvent, seal: Option<i64>, names: &Names) {
    let (line, batch, file) = described(&event, seal, names);
    *text += &csv::line([
        &event.id.to_string(),
        &event.at.to_rfc3339(),
        &event.actor,
        line.who.username.as_deref().unwrap_or_default(),
        line.who.kind.as_str(),
        event.address.as_deref().unwrap_or_default(),
        &line.text(),
        &event.action,
        &event.subject,
        &batch,
        &file,
        &event.details.to_string(),
        &seal.map(|seal| seal.to_string()).unwrap_or_default(),
    ]);
}

fn json_object(event: WholeEvent, seal: Option<i64>, names: &Names) -> serde_json::Value {
    let (line, batch, file) = described(&event, seal, names);
    json!({
        "id": event.id, "at": event.at, "actor": event.actor, "username": line.who.username, "actor_kind": line.who.kind.as_str(),
        "actor_id": event.actor_id,
        "address": event.address, "what": line.text(), "action": event.action, "subject": event.subject,
        "batch_id": event.batch_id, "batch": batch, "attachment_id": event.attachment_id, "file": file,
        "details": event.details, "seal": seal,
    })
}
