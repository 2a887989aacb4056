//! Batches, for scripts.

use actix_web::{HttpRequest, HttpResponse, http::header, web};

use super::{
    input::{self, Input, NewBatchBody},
    types::{
        Attachment, Batch, BatchForm, BatchInput, BatchPage, BatchWithFiles, CursorQuery, ErrorBody,
        ListQuery, NewBatch,
    },
};
use crate::{
    domain::{
        batches::{self, Wanted},
        files::Filter,
    },
    error::Error,
    web::{
        error::WebResult,
        extract::{self, CurrentUser, Parts},
        query,
        transfer::upload,
    },
};

/// Largest page of batches.
const LIMIT_MAX: usize = 200;

/// List batches
///
/// Those that you may see, the latest activity first, without those in the trash.
#[utoipa::path(
    get,
    path = "/api/production/batches",
    operation_id = "listBatches",
    tag = "batches",
    params(ListQuery),
    responses(
        (status = 200, description = "A page of batches", body = BatchPage),
        (status = 400, description = "A query or cursor that cannot be read", body = ErrorBody),
        (status = 401, description = "No token, or one that does not count", body = ErrorBody),
        (status = 422, description = "A limit that is not from 1 to 200", body = ErrorBody),
    )
)]
pub async fn list(app: Parts, by: CurrentUser, wanted: web::Query<ListQuery>) -> WebResult {
    let after = query::parse_cursor(wanted.cursor.as_deref())?;
    if wanted.limit.is_some_and(|limit| !(1..=LIMIT_MAX).contains(&limit)) {
        return Err(Error::invalid("limit", format!("The limit is from 1 to {LIMIT_MAX}.")).into());
    }
    let wanted =
        Wanted { query: wanted.q.trim().to_owned(), after, limit: wanted.limit, ..Wanted::default() };
    let list = batches::list(&app, &by.actor, wanted).await?;
    Ok(HttpResponse::Ok().json(BatchPage {
        batches: list.rows.into_iter().map(|(row, site)| Batch::of(row, site)).collect(),
        next_cursor: list.next.map(query::cursor).transpose()?,
    }))
}

/// Show a batch with its files
#[utoipa::path(
    get,
    path = "/api/production/batches/{id}",
    operation_id = "getBatch",
    tag = "batches",
    params(("id" = String, Path, description = "The batch's id"), CursorQuery),
    responses(
        (status = 200, description = "The batch, with up to 100 of its files", body = BatchWithFiles,
            links(
                ("firstFile" = (
                    operation_id = "getFile",
                    parameters(("id" = "$response.body#/attachments/0/id"))
                )),
            )),
        (status = 400, description = "A cursor that cannot be read", body = ErrorBody),
        (status = 401, description = "No token, or one that does not count", body = ErrorBody),
        (status = 404, description = "Not there, or not for you", body = ErrorBody),
    )
)]
pub async fn show(
    app: Parts,
    by: CurrentUser,
    path: web::Path<String>,
    page: web::Query<CursorQuery>,
) -> WebResult {
    let after = query::parse_cursor(page.cursor.as_deref())?;
    let whole =
        batches::show(&app, &by.actor, extract::id(&path)?, Filter { after, ..Filter::default() }).await?;
    Ok(HttpResponse::Ok().json(BatchWithFiles {
        batch: Batch::of(whole.batch, whole.site.name),
        attachments: whole.files.iter().map(Attachment::of).collect(),
        next_cursor: whole.next_files.map(query::cursor).transpose()?,
    }))
}

/// Make a batch
///
/// As JSON, or as a form with its first files. Files that are refused do not undo the batch: the status is then 207,
/// and `results` says what became of each.
#[utoipa::path(
    post,
    path = "/api/production/batches",
    operation_id = "createBatch",
    tag = "batches",
    request_body(content(
        (BatchInput = "application/json"),
        (BatchForm = "multipart/form-data"),
    )),
    responses(
        (status = 201, description = "It was made, and all its files are stored", body = NewBatch,
            links(
                ("getBatch" = (operation_id = "getBatch", parameters(("id" = "$response.body#/id")))),
                ("addFiles" = (operation_id = "addFiles", parameters(("id" = "$response.body#/id")))),
                ("firstFile" = (
                    operation_id = "downloadFile",
                    parameters(("stored_name" = "$response.body#/attachments/0/stored_name"))
                )),
            )),
        (status = 207, description = "It was made, but not every file is stored", body = NewBatch),
        (status = 400, description = "A body that cannot be read", body = ErrorBody),
        (status = 401, description = "No token, or one that does not count", body = ErrorBody),
        (status = 403, description = "You may not make batches", body = ErrorBody),
        (status = 409, description = "The number is taken at this site", body = ErrorBody),
        (status = 422, description = "A field that will not do", body = ErrorBody),
    )
)]
pub async fn create(req: HttpRequest, app: Parts, body: NewBatchBody) -> WebResult {
    let NewBatchBody { by, input } = body;
    let (made, outcomes) = match input {
        Input::Draft(draft) => (draft.create(&app, &by.actor).await?, Vec::new()),
        Input::Form(form) => input::receive(&app, &by, *form).await?,
    };
    // Once more: its files have been counted into it.
    let whole = batches::show(&app, &by.actor, made.id, Filter::default()).await?;
    let answered = upload::results(outcomes, &req);
    Ok(HttpResponse::build(answered.status)
        .insert_header((header::LOCATION, format!("/api/production/batches/{}", made.id)))
        .json(NewBatch {
            batch: Batch::of(whole.batch, whole.site.name),
            attachments: whole.files.iter().map(Attachment::of).collect(),
            results: answered.results,
        }))
}
