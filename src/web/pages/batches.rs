//! The list of batches, one batch, and what can be done to it.

use std::collections::HashMap;

use actix_web::{HttpRequest, HttpResponse, cookie::Cookie, web};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    activity, frame, preview, render, search, see_other,
    view::{
        batches::{
            BatchFilters, BatchHead, BatchList, BatchPage, BatchRow, BatchStatus, FilesView, Order, Period,
            UploadRules,
        },
        file::{FileKind, FileRow, FileState},
        files::{FileFilters, order_key, parse_order},
        form::SiteOption,
        frame::Place,
        hold::Hold,
    },
};
use crate::{
    domain::{
        access::{Action, Resource},
        attachments::Found,
        batches::{self, BatchRow as Row, Hit, Sort, Wanted, Whole},
        content, files,
        kind::Kind,
        previews::PreviewRow,
        sites::Site,
    },
    error::{Error, Result},
    web::{
        error::WebResult,
        extract::{self, CurrentUser, Parts, Posted},
        flash::Flash,
        multipart::MAX_FILES,
        query,
    },
};

/// Remembers whether files are shown as tiles or as a table.
const VIEW_COOKIE: &str = "files_view";
/// Remembers their order.
const ORDER_COOKIE: &str = "files_order";

/// `GET /`
pub async fn home(_by: CurrentUser) -> HttpResponse {
    see_other("/batches")
}

#[derive(Deserialize)]
pub struct ListQuery {
    #[serde(default)]
    q: String,
    #[serde(default)]
    site: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    made: String,
    #[serde(default)]
    files: String,
    #[serde(default)]
    sort: String,
    cursor: Option<String>,
}

/// `GET /batches`
pub async fn list(req: HttpRequest, app: Parts, by: CurrentUser, query: web::Query<ListQuery>) -> WebResult {
    let status = match query.status.as_str() {
        "open" => Some(BatchStatus::Open),
        "closed" => Some(BatchStatus::Closed),
        _ => None,
    };
    let filters = BatchFilters {
        q: query.q.trim().to_owned(),
        status,
        site: query.site.parse().ok(),
        made: Period::parse(&query.made),
        without_files: query.files == "none",
        order: Order::parse(&query.sort),
    };
    let wanted = Wanted {
        query: filters.q.clone(),
        site: filters.site,
        status: status.map(BatchStatus::key),
        made_within_days: filters.made.map(Period::days),
        empty: filters.without_files,
        sort: sort(filters.order),
        after: query::parse_cursor(query.cursor.as_deref())?,
        limit: None,
    };
    let is_first_page = wanted.after.is_none();
    let list = batches::list(&app, &by.actor, wanted).await?;

    let mut frame = frame(&req, &by, "Batches", Place::Batches);
    frame.query = filters.q.clone();
    frame.sites_shown = list.sites.len() > 1;
    render(&BatchList {
        frame,
        rows: list.rows.into_iter().map(|(row, site)| list_row(row, site, &list.hits)).collect(),
        filters,
        can_create: list
            .sites
            .iter()
            .any(|site| by.actor.may(Action::ManageBatches, Resource::Site(site.id))),
        sites: site_options(&list.sites),
        total: None,
        next_cursor: list.next.map(query::cursor).transpose()?,
        is_first_page,
    })
}

fn list_row(row: Row, site: String, hits: &[Hit]) -> BatchRow {
    BatchRow {
        hit: hits.iter().find(|hit| hit.batch_id == row.id).map(search::hit),
        id: row.id,
        status: status(&row),
        is_held: row.held_at.is_some(),
        photos: row.pictures_count,
        documents: row.files_count - row.pictures_count,
        bytes: row.bytes_total,
        last_activity: row.last_activity_at,
        number: row.number,
        product: row.product,
        site,
    }
}

pub(super) fn status(row: &Row) -> BatchStatus {
    match row {
        row if row.trashed_at.is_some() => BatchStatus::Trashed,
        row if row.status == "closed" => BatchStatus::Closed,
        _ => BatchStatus::Open,
    }
}

pub(super) fn site_options(sites: &[Site]) -> Vec<SiteOption> {
    sites.iter().map(|site| SiteOption { id: site.id, name: site.name.clone() }).collect()
}

#[derive(Deserialize)]
pub struct ShowQuery {
    view: Option<String>,
    sort: Option<String>,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    name: String,
    /// There when the QR code of a label led here.
    add: Option<String>,
    cursor: Option<String>,
}

/// `GET /batches/{id}`
pub async fn show(
    req: HttpRequest,
    app: Parts,
    by: CurrentUser,
    path: web::Path<String>,
    query: web::Query<ShowQuery>,
) -> WebResult {
    let id = extract::id(&path)?;
    let remembered = |name| req.cookie(name).map(|cookie| cookie.value().to_owned());
    let view = match query.view.clone().or_else(|| remembered(VIEW_COOKIE)).as_deref() {
        Some("table") => FilesView::Table,
        _ => FilesView::Gallery,
    };
    let order = query.sort.clone().or_else(|| remembered(ORDER_COOKIE)).unwrap_or_default();
    let filters = FileFilters {
        batch: id,
        name: query.name.trim().to_owned(),
        kind: Kind::parse(&query.kind),
        order: parse_order(&order),
    };
    let wanted = files::Filter {
        ids: None,
        kind: filters.kind.map(Kind::key),
        name: (!filters.name.is_empty()).then(|| filters.name.clone()),
        order: filters.order,
        after: query::parse_cursor(query.cursor.as_deref())?,
    };
    let whole = batches::show(&app, &by.actor, id, wanted).await?;
    let order = filters.order;
    let mut page = page(&req, &app, &by, whole, view, filters)?;
    page.is_scanned = query.add.is_some() && page.can_upload;
    let mut answer = render(&page)?;
    if query.view.is_some() {
        let value = if view == FilesView::Table { "table" } else { "gallery" };
        remember(&app, &mut answer, VIEW_COOKIE, value)?;
    }
    if query.sort.is_some() {
        remember(&app, &mut answer, ORDER_COOKIE, order_key(order))?;
    }
    Ok(answer)
}

/// Keeps a choice for the next page.
fn remember(app: &Parts, answer: &mut HttpResponse, name: &str, value: &str) -> Result<()> {
    let mut cookie = Cookie::new(name, value);
    cookie.set_path("/");
    cookie.set_http_only(true);
    cookie.set_secure(app.config.served_over_https());
    cookie.set_same_site(actix_web::cookie::SameSite::Lax);
    cookie.make_permanent();
    answer.add_cookie(&cookie).map_err(Error::internal)
}

fn sort(order: Order) -> Sort {
    match order {
        Order::Activity => Sort::Activity,
        Order::Made => Sort::Made,
        Order::Number => Sort::Number,
        Order::Size => Sort::Size,
    }
}

fn page(
    req: &HttpRequest,
    app: &Parts,
    by: &CurrentUser,
    whole: Whole,
    view: FilesView,
    filters: FileFilters,
) -> Result<BatchPage> {
    let Whole { batch, site, created_by, held_by, files, next_files, previews, activity: events, many_sites } =
        whole;
    let mut frame = frame(req, by, batch.number.as_str(), Place::Batches);
    frame.sites_shown = many_sites;
    let status = status(&batch);
    let may = |action| by.actor.may(action, Resource::Site(batch.site_id));
    let is_held = batch.held_at.is_some();
    let (is_open, is_living) = (status == BatchStatus::Open, status != BatchStatus::Trashed);
    let more_files_url = match next_files {
        Some(place) => Some(filters.url_with("cursor", &query::cursor(place)?)),
        None => None,
    };
    Ok(BatchPage {
        frame,
        rules: UploadRules {
            max_bytes: app.settings.now().max_upload_size as i64,
            extensions: content::extensions(&app.settings.now().extras).map(str::to_owned).collect(),
            max_files: MAX_FILES as i64,
        },
        view,
        filters,
        files: files.into_iter().map(|file| file_row(file, &previews)).collect(),
        more_files_url,
        activity: activity(events, false),
        can_upload: is_open && may(Action::ManageFiles),
        can_change_files: is_living && may(Action::ManageFiles),
        is_scanned: false,
        can_edit: is_living && may(Action::ManageBatches),
        can_close: is_open && may(Action::ManageBatches),
        can_reopen: status == BatchStatus::Closed && may(Action::Reopen),
        can_delete: is_living && !is_held && may(Action::ManageBatches),
        can_delete_files: is_living && !is_held && may(Action::ManageFiles),
        can_hold: may(Action::Hold),
        hold: batch.held_at.map(|since| Hold {
            since,
            by: held_by.unwrap_or_default(),
            reason: batch.hold_reason,
        }),
        can_restore: !is_living && may(Action::ManageBatches),
        batch: BatchHead {
            id: batch.id,
            status,
            number: batch.number,
            product: batch.product,
            notes: batch.notes,
            site: site.name,
            created_by,
            created_at: batch.created_at,
            file_count: batch.files_count,
            bytes: batch.bytes_total,
        },
    })
}

fn file_row(found: Found, previews: &HashMap<Uuid, PreviewRow>) -> FileRow {
    let state = file_state(&found.row.state);
    let is_readable = state.is_readable() && !found.batch_trashed;
    FileRow {
        thumb: preview::thumb(&found.row.content_type, is_readable, previews.get(&found.row.id)),
        id: found.row.id,
        kind: FileKind::of(&found.row.content_type),
        said: Kind::of_row(&found.row.kind),
        note: found.row.note,
        filename: found.row.original_name,
        bytes: found.row.size_bytes,
        uploaded_by: found.uploader,
        uploaded_at: found.row.uploaded_at,
        state,
    }
}

pub(super) fn file_state(state: &str) -> FileState {
    match state {
        "missing" => FileState::Missing,
        "corrupt" => FileState::Corrupt,
        "quarantined" => FileState::Quarantined,
        "trashed" => FileState::Trashed,
        _ => FileState::Available,
    }
}

/// `POST /batches/{id}/close`
pub async fn close(app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    let batch = batches::close(&app, &form.by.actor, extract::id(&path)?).await?;
    Flash::done(format!("Closed {}. It takes no more files", batch.number)).keep(&form.by.session);
    Ok(see_other(page_of(batch.id)))
}

/// `POST /batches/{id}/reopen`
pub async fn reopen(app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    let batch = batches::reopen(&app, &form.by.actor, extract::id(&path)?).await?;
    Flash::done(format!("Opened {} again", batch.number)).keep(&form.by.session);
    Ok(see_other(page_of(batch.id)))
}

/// `POST /batches/{id}/delete`
pub async fn delete(app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    let batch = batches::trash(&app, &form.by.actor, extract::id(&path)?).await?;
    Flash::done(format!("Moved {} to the trash", batch.number))
        .with_undo(format!("/batches/{}/restore", batch.id))
        .keep(&form.by.session);
    Ok(see_other("/batches"))
}

/// `POST /batches/{id}/restore`
pub async fn restore(app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    let batch = batches::restore(&app, &form.by.actor, extract::id(&path)?).await?;
    Flash::done(format!("Restored {}", batch.number)).keep(&form.by.session);
    Ok(see_other(page_of(batch.id)))
}

fn page_of(id: Uuid) -> String {
    format!("/batches/{id}")
}
