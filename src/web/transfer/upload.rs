//! Files on their way in through a form: `multipart/form-data` with many files, answered with a result for
//! each of them.

use std::time::Duration;

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use futures_util::TryStreamExt;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout, timeout_at};
use uuid::Uuid;

use crate::{
    domain::{attachments::Found, intake::Intake},
    error::{Error, Refusal, Result},
    web::{
        api::types::{Attachment, ErrorBody, FileResults, FilesForm},
        csrf,
        error::{WebError, WebResult, json_of, status_of, wants_json},
        extract::{self, Parts, Upload},
        flash::{FileOutcome, Flash},
        middleware::request_id,
        pages::see_other,
        refusals,
    },
};

/// Files in one request.
pub const MAX_FILES: usize = 50;
/// A client that sends nothing for so long has gone.
const IDLE: Duration = Duration::from_secs(60);
/// Of what is not wanted, so much is still read before the answer, and for so long: a client that is still
/// sending would see a broken connection instead of the answer.
const DRAIN_BYTES: u64 = 256 * 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(300);
/// Longest value of a field that is no file.
const FIELD_MAX: usize = 64 * 1024;

/// What became of one file.
pub struct Outcome {
    pub filename: String,
    pub result: Result<Found>,
}

/// Store files in a batch
#[utoipa::path(
    post,
    path = "/api/production/batches/{id}/attachments",
    operation_id = "addFiles",
    tag = "attachments",
    params(("id" = String, Path, description = "The batch's id")),
    request_body(content = FilesForm, content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "All were stored", body = FileResults,
            links(
                ("firstFile" = (
                    operation_id = "getFile",
                    parameters(("id" = "$response.body#/results/0/attachment/id"))
                )),
            )),
        (status = 207, description = "Some were stored", body = FileResults),
        (status = 400, description = "A form that cannot be read, or without a file", body = ErrorBody),
        (status = 401, description = "No token, or one that does not count", body = ErrorBody),
        (status = 403, description = "You may not store files", body = ErrorBody),
        (status = 404, description = "Not there, or not for you", body = ErrorBody),
        (status = 409, description = "The batch takes no files", body = ErrorBody),
        (status = 413, description = "Too large", body = ErrorBody),
        (status = 415, description = "Not of a type that is taken", body = ErrorBody),
        (status = 422, description = "Empty, broken, infected or not scannable", body = ErrorBody),
        (status = 503, description = "The scanner does not answer, or too many uploads are under way", body = ErrorBody),
        (status = 507, description = "The storage cannot be written", body = ErrorBody),
    )
)]
pub async fn to_batch(req: HttpRequest, app: Parts, upload: Upload, path: web::Path<String>) -> WebResult {
    let Upload { by, multipart, expected_token } = upload;
    let mut parts = Sent::new(multipart);
    let received = match extract::id(&path) {
        Ok(batch_id) => receive(&app, &by, batch_id, expected_token, &mut parts).await,
        Err(error) => Err(error),
    };
    let unread = if received.is_err() { parts.drain().await } else { Vec::new() };
    let is_page = !wants_json(&req) && !by.by_token;
    match received {
        Ok(outcomes) if is_page => {
            for error in outcomes.iter().filter_map(|outcome| outcome.result.as_ref().err()) {
                refusals::because(&req, error.code());
            }
            Flash::files(outcomes.into_iter().map(shown).collect()).keep(&by.session);
            Ok(see_other(format!("/batches/{path}")))
        }
        Ok(outcomes) => Ok(json_answer(outcomes, &req)),
        // A page's form always leads back to the batch, as long as there is one to lead back to.
        Err(error @ (Error::Refused(_) | Error::Conflict { .. })) if is_page => {
            refusals::because(&req, error.code());
            Flash::failed(error.to_string()).keep(&by.session);
            Ok(see_other(format!("/batches/{path}")))
        }
        Err(error @ (Error::Refused(_) | Error::Conflict { .. })) if !unread.is_empty() => {
            refusals::because(&req, error.code());
            Ok(json_refusal(&error, unread, &request_id(&req)))
        }
        Err(error) => Err(WebError(error)),
    }
}

async fn receive(
    app: &Parts,
    by: &extract::CurrentUser,
    batch_id: Uuid,
    mut expected_token: Option<String>,
    parts: &mut Sent,
) -> Result<Vec<Outcome>> {
    let mut intake = None;
    let mut outcomes: Vec<Outcome> = Vec::new();
    loop {
        if expected_token.is_none() && intake.is_none() {
            intake = Some(Intake::open(app, &by.actor, batch_id).await?);
        }
        let mut part = match parts.next().await {
            Ok(Some(part)) => part,
            Ok(None) => break,
            // What came before the break is stored and answered for.
            Err(error) if !outcomes.is_empty() => {
                outcomes.push(Outcome { filename: String::new(), result: Err(error) });
                return Ok(outcomes);
            }
            // Without the token, nothing else of the request counts.
            Err(error) => return Err(if expected_token.is_some() { Error::Csrf } else { error }),
        };
        let name = part.field.name().unwrap_or_default().to_owned();
        if name == csrf::FIELD {
            if let Some(expected) = &expected_token {
                csrf::check_token(&text(&mut part).await?, expected)?;
                expected_token = None;
            } else {
                parts.skip(&mut part).await?;
            }
            continue;
        }
        let Some(intake) = &intake else { return Err(Error::Csrf) };
        let Some(filename) = filename_of(&part.field) else {
            parts.skip(&mut part).await?;
            continue;
        };
        let result = if outcomes.len() < MAX_FILES {
            store(intake, &filename, &mut part).await
        } else {
            Err(too_many_files())
        };
        if let Err(error) = &result {
            app.metrics.refused(error.code());
        }
        let is_stored = result.is_ok();
        outcomes.push(Outcome { filename, result });
        if !is_stored && parts.skip(&mut part).await.is_err() {
            return Ok(outcomes);
        }
    }
    match (expected_token, outcomes.is_empty()) {
        (Some(_), _) => Err(Error::Csrf),
        (None, true) => Err(Refusal::NoFiles.into()),
        (None, false) => Ok(outcomes),
    }
}

pub async fn store(intake: &Intake, filename: &str, part: &mut Part) -> Result<Found> {
    let mut incoming = intake.file(filename)?;
    while let Some(bytes) = next_bytes(part).await? {
        incoming.write(bytes).await?;
    }
    incoming.finish().await
}

pub fn too_many_files() -> Error {
    malformed(format!("At most {MAX_FILES} files go into one request. Send this one again."))
}

/// The name of a file that was sent to be stored; `None` for other fields, and for a file input without a
/// choice, which sends an empty name.
pub fn filename_of(field: &Field) -> Option<String> {
    if field.name() != Some("files") {
        return None;
    }
    let disposition = field.content_disposition()?;
    let extended = disposition.get_filename_ext().and_then(|name| String::from_utf8(name.value.clone()).ok());
    // Browsers encode these three, and only these, in the plain form (HTML, multipart/form-data encoding).
    let plain = || {
        let name = disposition.get_filename()?;
        Some(name.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n"))
    };
    extended.or_else(plain).filter(|name| !name.is_empty())
}

async fn next_bytes(part: &mut Part) -> Result<Option<bytes::Bytes>> {
    match timeout(IDLE, part.next()).await {
        Ok(bytes) => bytes.map_err(unreadable),
        Err(_) => Err(malformed("Nothing came for a minute. Check the connection and send the file again.")),
    }
}

/// The value of a field that is no file.
pub async fn text(part: &mut Part) -> Result<String> {
    String::from_utf8(small(part).await?).map_err(|_| malformed("A field of the form is not text."))
}

/// The bytes of a small field.
pub async fn small(part: &mut Part) -> Result<Vec<u8>> {
    let mut value = Vec::new();
    while let Some(bytes) = next_bytes(part).await? {
        if value.len() + bytes.len() > FIELD_MAX {
            return Err(malformed("A field of the form is too long."));
        }
        value.extend_from_slice(&bytes);
    }
    Ok(value)
}

fn malformed(reason: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Refusal::Malformed { reason: reason.into() }.into()
}

fn unreadable(error: MultipartError) -> Error {
    tracing::debug!(%error, "unreadable multipart body");
    malformed("The upload broke off or cannot be read. Send it again.")
}

/// The parts of a request, and how much of it was read for nothing.
pub struct Sent {
    multipart: Multipart,
    is_over: bool,
    drained: u64,
}

/// One part of a request.
pub struct Part {
    pub field: Field,
    is_over: bool,
}

impl Part {
    /// Actix panics when it is asked once more after the end.
    async fn next(&mut self) -> Result<Option<bytes::Bytes>, MultipartError> {
        if self.is_over {
            return Ok(None);
        }
        let next = self.field.try_next().await;
        self.is_over = matches!(next, Ok(None));
        next
    }
}

impl Sent {
    pub fn new(multipart: Multipart) -> Self {
        Self { multipart, is_over: false, drained: 0 }
    }

    pub async fn next(&mut self) -> Result<Option<Part>> {
        // As with a part; here, nothing can be read after an error either.
        if self.is_over {
            return Ok(None);
        }
        let next = match timeout(IDLE, self.multipart.try_next()).await {
            Ok(field) => field.map_err(unreadable),
            Err(_) => {
                Err(malformed("Nothing came for a minute. Check the connection and send the files again."))
            }
        };
        self.is_over = !matches!(next, Ok(Some(_)));
        Ok(next?.map(|field| Part { field, is_over: false }))
    }

    /// Reads the rest of a field that is not wanted, within bounds.
    pub async fn skip(&mut self, part: &mut Part) -> Result<()> {
        let deadline = Instant::now() + DRAIN_TIME;
        loop {
            match timeout_at(deadline.min(Instant::now() + IDLE), part.next()).await {
                Ok(Ok(Some(bytes))) if self.drained < DRAIN_BYTES => self.drained += bytes.len() as u64,
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(error)) => return Err(unreadable(error)),
                Ok(Ok(Some(_))) | Err(_) => return Err(malformed("More was sent than can be skipped.")),
            }
        }
    }

    /// Reads what is left of the request, within bounds, and returns the names of the files in it.
    pub async fn drain(&mut self) -> Vec<String> {
        let mut names = Vec::new();
        while let Ok(Some(mut part)) = self.next().await {
            if names.len() < MAX_FILES {
                names.extend(filename_of(&part.field));
            }
            if self.skip(&mut part).await.is_err() {
                break;
            }
        }
        names
    }
}

fn shown(outcome: Outcome) -> FileOutcome {
    let (stored, message) = match outcome.result {
        Ok(_) => (true, String::new()),
        Err(error) => (false, error.to_string()),
    };
    FileOutcome { filename: outcome.filename, stored, message }
}

/// What became of all files, for programs.
pub struct Answered {
    /// 201 when all were stored, else 207.
    pub status: StatusCode,
    pub results: Vec<Value>,
}

/// An entry for each file.
pub fn results(outcomes: Vec<Outcome>, req: &HttpRequest) -> Answered {
    let request_id = request_id(req);
    let all_stored = outcomes.iter().all(|outcome| outcome.result.is_ok());
    let status = if all_stored { StatusCode::CREATED } else { StatusCode::MULTI_STATUS };
    let results = outcomes
        .into_iter()
        .map(|Outcome { filename, result }| match result {
            Ok(found) => {
                let status = StatusCode::CREATED.as_u16();
                json!({ "filename": filename, "status": status, "attachment": Attachment::of(&found) })
            }
            Err(error) => {
                refusals::because(req, error.code());
                let (status, error) =
                    (status_of(&error), json_of(error.code(), &error.to_string(), &request_id));
                json!({ "filename": filename, "status": status.as_u16(), "error": error })
            }
        })
        .collect();
    Answered { status, results }
}

/// 201 when all were stored, 207 when some were, else the status of the first failure.
fn json_answer(outcomes: Vec<Outcome>, req: &HttpRequest) -> HttpResponse {
    let first_failure = outcomes.iter().find_map(|outcome| outcome.result.as_ref().err());
    let first_status = first_failure.map(status_of);
    let any_stored = outcomes.iter().any(|outcome| outcome.result.is_ok());
    let answered = results(outcomes, req);
    let status = first_status.filter(|_| !any_stored).unwrap_or(answered.status);
    let mut body = json!({ "results": answered.results });
    // A client that only looks for the contract's error object finds the first one there.
    if let (false, Some(error)) = (any_stored, body["results"][0].get("error").cloned()) {
        body["error"] = error;
    }
    HttpResponse::build(status).json(body)
}

/// All files refused for one reason, before any of them was read.
fn json_refusal(error: &Error, filenames: Vec<String>, request_id: &str) -> HttpResponse {
    let status = status_of(error);
    let reason = json_of(error.code(), &error.to_string(), request_id);
    let results: Vec<Value> = filenames
        .into_iter()
        .map(|filename| json!({ "filename": filename, "status": status.as_u16(), "error": reason }))
        .collect();
    HttpResponse::build(status).json(json!({ "error": reason, "results": results }))
}
