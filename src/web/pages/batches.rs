//! The list of batches, one batch, and what can be done to it.

use actix_web::{HttpRequest, HttpResponse, cookie::Cookie, http::StatusCode, web};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    activity,
    auth::problem,
    frame, render, render_as, see_other,
    view::{
        batches::{
            BatchFilters, BatchForm, BatchHead, BatchList, BatchPage, BatchRef, BatchRow, BatchStatus,
            FilesView, Order, Period, UploadRules,
        },
        file::{FileKind, FileRow, FileState},
        form::{Field, SiteOption},
        frame::Place,
    },
};
use crate::{
    db::{attachments::Found, batch_list::Sort, batches as rows, sites::Site},
    domain::{
        access::{Action, Resource},
        batches::{self, Details, Wanted, Whole},
        content, sites,
    },
    error::{Error, FieldError, Result},
    web::{
        error::WebResult,
        extract::{self, CurrentUser, Fields, Parts, Posted},
        flash::Flash,
        query,
        transfer::upload::MAX_FILES,
    },
};

/// Remembers whether files are shown as tiles or as a table.
const VIEW_COOKIE: &str = "files_view";

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
        rows: list.rows.into_iter().map(|(row, site)| list_row(row, site)).collect(),
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

fn list_row(row: rows::BatchRow, site: String) -> BatchRow {
    BatchRow {
        id: row.id,
        status: status(&row),
        photos: row.pictures_count,
        documents: row.files_count - row.pictures_count,
        bytes: row.bytes_total,
        last_activity: row.last_activity_at,
        number: row.number,
        product: row.product,
        site,
    }
}

fn status(row: &rows::BatchRow) -> BatchStatus {
    match row {
        row if row.trashed_at.is_some() => BatchStatus::Trashed,
        row if row.status == "closed" => BatchStatus::Closed,
        _ => BatchStatus::Open,
    }
}

fn site_options(sites: &[Site]) -> Vec<SiteOption> {
    sites.iter().map(|site| SiteOption { id: site.id, name: site.name.clone() }).collect()
}

/// `GET /batches/new`
pub async fn new(req: HttpRequest, app: Parts, by: CurrentUser) -> WebResult {
    let sites = sites::visible(&app, &by.actor).await?;
    if !sites.iter().any(|site| by.actor.may(Action::ManageBatches, Resource::Site(site.id))) {
        return Err(Error::Forbidden.into());
    }
    let preset = sites.first().map(|site| site.id.to_string()).unwrap_or_default();
    render(&form(&req, &by, None, &sites, Draft { site_id: preset, ..Draft::default() }, &[]))
}

/// `POST /batches`
pub async fn create(req: HttpRequest, app: Parts, form_: Posted) -> WebResult {
    let Posted { by, fields } = form_;
    let draft = Draft::of(&fields);
    let site_id = match draft.site_id.as_str() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| Error::invalid("site_id", "Choose one of your sites.")),
    };
    let made = match site_id {
        Ok(site_id) => batches::create(&app, &by.actor, site_id, draft.details()).await,
        Err(error) => Err(error),
    };
    match made {
        Ok(batch) => {
            Flash::done(format!("Batch {} is ready for files", batch.number)).keep(&by.session);
            Ok(see_other(format!("/batches/{}", batch.id)))
        }
        Err(error) => refused_form(&req, &app, &by, None, draft, error).await,
    }
}

/// `GET /batches/{id}/edit`
pub async fn edit_page(req: HttpRequest, app: Parts, by: CurrentUser, path: web::Path<String>) -> WebResult {
    let batch = batches::for_edit(&app, &by.actor, extract::id(&path)?).await?;
    let draft = Draft {
        number: batch.number.clone(),
        product: batch.product.clone(),
        notes: batch.notes.clone(),
        site_id: String::new(),
    };
    render(&form(&req, &by, Some(BatchRef { id: batch.id, number: batch.number }), &[], draft, &[]))
}

/// `POST /batches/{id}/edit`
pub async fn edit(req: HttpRequest, app: Parts, form_: Posted, path: web::Path<String>) -> WebResult {
    let Posted { by, fields } = form_;
    let id = extract::id(&path)?;
    let draft = Draft::of(&fields);
    match batches::edit(&app, &by.actor, id, draft.details()).await {
        Ok(batch) => {
            Flash::done(format!("Changed the details of {}", batch.number)).keep(&by.session);
            Ok(see_other(format!("/batches/{id}")))
        }
        Err(error) => {
            let editing = BatchRef { id, number: draft.number.clone() };
            refused_form(&req, &app, &by, Some(editing), draft, error).await
        }
    }
}

/// What was typed into the form.
#[derive(Default)]
struct Draft {
    number: String,
    product: String,
    site_id: String,
    notes: String,
}

impl Draft {
    fn of(fields: &Fields) -> Self {
        let text = |name| fields.text(name).to_owned();
        Self {
            number: text("number"),
            product: text("product"),
            site_id: text("site_id"),
            notes: text("notes"),
        }
    }

    fn details(&self) -> Details {
        Details { number: self.number.clone(), product: self.product.clone(), notes: self.notes.clone() }
    }
}

/// The form again, with what was typed and what is wrong with it; other errors go on.
async fn refused_form(
    req: &HttpRequest,
    app: &Parts,
    by: &CurrentUser,
    editing: Option<BatchRef>,
    draft: Draft,
    error: Error,
) -> WebResult {
    let (status, problems) = match error {
        Error::Invalid(problems) => (StatusCode::UNPROCESSABLE_ENTITY, problems),
        Error::Conflict { code: "number_taken", message } => {
            (StatusCode::CONFLICT, vec![FieldError::new("number", message)])
        }
        other => return Err(other.into()),
    };
    let sites = if editing.is_none() { sites::visible(app, &by.actor).await? } else { Vec::new() };
    render_as(status, &form(req, by, editing, &sites, draft, &problems))
}

fn form(
    req: &HttpRequest,
    by: &CurrentUser,
    editing: Option<BatchRef>,
    sites: &[Site],
    draft: Draft,
    problems: &[FieldError],
) -> BatchForm {
    let (title, action_url) = match &editing {
        Some(batch) => (format!("Change {}", batch.number), format!("/batches/{}/edit", batch.id)),
        None => ("New batch".to_owned(), "/batches".to_owned()),
    };
    let mut frame = frame(req, by, title, Place::Batches);
    frame.sites_shown = sites.len() > 1;
    let field = |name, value| Field { value, error: problem(problems, name) };
    BatchForm {
        frame,
        action_url,
        number: field("number", draft.number),
        product: field("product", draft.product),
        site_id: field("site_id", draft.site_id),
        notes: field("notes", draft.notes),
        sites: site_options(sites),
        message: None,
        editing,
    }
}

#[derive(Deserialize)]
pub struct ShowQuery {
    view: Option<String>,
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
    let after = query::parse_cursor(query.cursor.as_deref())?;
    let whole = batches::show(&app, &by.actor, extract::id(&path)?, after).await?;
    let remembered = req.cookie(VIEW_COOKIE);
    let view = match query.view.as_deref().or(remembered.as_ref().map(Cookie::value)) {
        Some("table") => FilesView::Table,
        _ => FilesView::Gallery,
    };
    let mut answer = render(&page(&req, &app, &by, whole, view)?)?;
    if query.view.is_some() {
        let value = if view == FilesView::Table { "table" } else { "gallery" };
        let mut cookie = Cookie::new(VIEW_COOKIE, value);
        cookie.set_path("/");
        cookie.set_http_only(true);
        cookie.set_secure(app.config.served_over_https());
        cookie.set_same_site(actix_web::cookie::SameSite::Lax);
        cookie.make_permanent();
        answer.add_cookie(&cookie).map_err(Error::internal)?;
    }
    Ok(answer)
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
) -> Result<BatchPage> {
    let Whole { batch, site, created_by, files, next_files, activity: events, many_sites } = whole;
    let mut frame = frame(req, by, batch.number.as_str(), Place::Batches);
    frame.sites_shown = many_sites;
    let status = status(&batch);
    let may = |action| by.actor.may(action, Resource::Site(batch.site_id));
    let (is_open, is_living) = (status == BatchStatus::Open, status != BatchStatus::Trashed);
    let more_files_url = match next_files {
        Some(place) => Some(format!("/batches/{}?cursor={}", batch.id, query::cursor(place)?)),
        None => None,
    };
    Ok(BatchPage {
        frame,
        rules: UploadRules {
            max_bytes: app.config.max_upload_size as i64,
            extensions: content::extensions().map(str::to_owned).collect(),
            max_files: MAX_FILES as i64,
        },
        view,
        files: files.into_iter().map(file_row).collect(),
        more_files_url,
        activity: activity(events, false),
        can_upload: is_open && may(Action::ManageFiles),
        can_edit: is_living && may(Action::ManageBatches),
        can_close: is_open && may(Action::ManageBatches),
        can_reopen: status == BatchStatus::Closed && may(Action::Reopen),
        can_delete: is_living && may(Action::ManageBatches),
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

fn file_row(found: Found) -> FileRow {
    FileRow {
        id: found.row.id,
        kind: FileKind::of(&found.row.content_type),
        filename: found.row.original_name,
        bytes: found.row.size_bytes,
        uploaded_by: found.uploader,
        uploaded_at: found.row.uploaded_at,
        state: file_state(&found.row.state),
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
