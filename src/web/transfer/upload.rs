//! Files on their way in through a form: `multipart/form-data` with many files, answered with a result for
//! each of them.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    domain::{
        attachments::Found,
        intake::{Intake, NAME_MAX_BYTES},
    },
    error::{Error, Refusal, Result},
    web::{
        api::types::{Attachment, ErrorBody, FileResults, FilesForm},
        error::{WebError, WebResult, json_of, status_of, wants_json},
        extract::{self, Parts, Upload},
        flash::{FileOutcome, Flash},
        middleware::request_id,
        multipart::{GuardedForm, MAX_FILES, Part, malformed},
        pages::see_other,
        refusals,
        shorten::shorten,
    },
};

/// Names that are too long to be recorded are repeated in so many characters.
const LONG_NAME_CHARS: usize = 200;

/// The result for one file.
pub struct Outcome {
    /// As it was sent; shortened when no file can have it. Empty for what is not about one file.
    pub filename: String,
    pub result: Result<Found>,
}

/// The results for the files of one request: one for each of the first [`MAX_FILES`], and one for all others
/// together.
#[derive(Default)]
pub struct Outcomes {
    all: Vec<Outcome>,
    surplus: usize,
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
    let Upload { by, mut form } = upload;
    let received = match extract::id(&path) {
        Ok(batch_id) => receive(&app, &by, batch_id, &mut form).await,
        Err(error) => Err(error),
    };
    let unread = form.drain().await;
    let is_page = !wants_json(&req) && !by.by_token;
    match received {
        Ok(outcomes) if is_page => {
            for error in outcomes.iter().filter_map(|outcome| outcome.result.as_ref().err()) {
                refusals::because(&req, error.code());
            }
            flash(outcomes).keep(&by.session);
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
    form: &mut GuardedForm,
) -> Result<Vec<Outcome>> {
    form.prove().await?;
    let intake = Intake::open(app, &by.actor, batch_id).await?;
    let mut outcomes = Outcomes::default();
    loop {
        match form.next().await {
            Ok(Some(Part::File(filename))) => outcomes.store(app, &intake, filename, form).await,
            Ok(Some(Part::Field(..))) => {}
            Ok(None) => break,
            Err(error) => {
                outcomes.broke_off(error)?;
                break;
            }
        }
    }
    let outcomes = outcomes.into_vec();
    if outcomes.is_empty() { Err(Refusal::NoFiles.into()) } else { Ok(outcomes) }
}

impl Outcomes {
    /// Stores the file that begins in the form, or counts it when there were enough.
    pub async fn store(&mut self, app: &Parts, intake: &Intake, filename: String, form: &mut GuardedForm) {
        if self.all.len() == MAX_FILES {
            self.surplus += 1;
            return;
        }
        let result = store(intake, &filename, form).await;
        if let Err(error) = &result {
            app.metrics.refused(error.code());
            // When that fails, the form ends here; this file's result says that it is not stored.
            if let Err(error) = form.skip().await {
                tracing::debug!(%error, "what follows a refused file was not read");
            }
        }
        self.all.push(Outcome { filename: reported(filename), result });
    }

    /// The form cannot be read on. What came before is stored and has its result.
    ///
    /// # Errors
    /// `error` when no file came before.
    pub fn broke_off(&mut self, error: Error) -> Result<()> {
        if self.all.is_empty() {
            return Err(error);
        }
        self.all.push(Outcome { filename: String::new(), result: Err(error) });
        Ok(())
    }

    /// All results, the last of them for the files that were too many.
    pub fn into_vec(self) -> Vec<Outcome> {
        let Self { mut all, surplus } = self;
        if surplus > 0 {
            let files = if surplus == 1 { "1 more file was" } else { &format!("{surplus} more files were") };
            let reason = format!("{files} not stored: at most {MAX_FILES} files go into one request.");
            all.push(Outcome { filename: String::new(), result: Err(malformed(reason)) });
        }
        all
    }
}

async fn store(intake: &Intake, filename: &str, form: &mut GuardedForm) -> Result<Found> {
    let mut incoming = intake.file(filename)?;
    while let Some(bytes) = form.chunk().await? {
        incoming.write(bytes).await?;
    }
    incoming.finish().await
}

/// A file's name as the answer repeats it.
fn reported(filename: String) -> String {
    if filename.len() > NAME_MAX_BYTES { shorten(&filename, LONG_NAME_CHARS).into_owned() } else { filename }
}

/// The message for the batch's page: a line for each file, and what is not about one file in its text.
fn flash(outcomes: Vec<Outcome>) -> Flash {
    let (mut files, mut text) = (Vec::new(), String::new());
    for Outcome { filename, result } in outcomes {
        let message = result.as_ref().map_or_else(ToString::to_string, |_| String::new());
        if filename.is_empty() {
            text = format!("{text} {message}").trim().to_owned();
        } else {
            files.push(FileOutcome { filename, stored: result.is_ok(), message });
        }
    }
    Flash::files(files, text)
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
        .map(|filename| json!({ "filename": reported(filename), "status": status.as_u16(), "error": reason }))
        .collect();
    HttpResponse::build(status).json(json!({ "error": reason, "results": results }))
}
