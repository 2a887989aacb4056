//! Resumable uploads: tus 1.0.0 at `/uploads`, with creation, creation-with-upload, expiration, checksum and
//! termination. Handlers here know the protocol's headers; what they mean is the domain's (`domain::uploads`).
//!
//! Beyond the protocol: `X-Attachment-Id` and `X-Attachment-Sha256` on every answer about a stored file.

pub mod headers;

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    rt, web,
};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout, timeout_at};
use uuid::Uuid;

use crate::{
    app::App,
    domain::{
        access::Actor,
        uploads::{self, Append, Begun, Came, Checksum, Seen},
    },
    error::{Error, Result},
    web::{
        error::{WebError, WebResult, json_of},
        extract::{self, CurrentUser, Parts, Writer},
        middleware::request_id,
    },
};

pub const VERSION: &str = "1.0.0";
const EXTENSIONS: &str = "creation,creation-with-upload,expiration,checksum,termination";
const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");

/// A client that sends nothing for so long has gone.
const IDLE: Duration = Duration::from_secs(60);
/// How often a silent client's upload is looked after.
const TICK: Duration = Duration::from_secs(2);
/// Of what is not wanted, so much is still read before the answer, and for so long: a client that is still
/// sending would see a broken connection instead of the answer.
const DRAIN_BYTES: u64 = 256 * 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(30);

/// The status of a checksum mismatch, which only this protocol knows.
pub fn checksum_mismatch() -> StatusCode {
    StatusCode::from_u16(460).unwrap_or(StatusCode::BAD_REQUEST)
}

/// Puts the version on every answer under `/uploads`, errors included.
pub fn mark(path: &str, headers: &mut HeaderMap) {
    if path == "/uploads" || path.starts_with("/uploads/") {
        headers.insert(TUS_RESUMABLE, HeaderValue::from_static(VERSION));
    }
}

/// `OPTIONS /uploads` and `/uploads/{id}`: what this server offers.
pub async fn describe(app: Parts) -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header(("Tus-Version", VERSION))
        .insert_header(("Tus-Extension", EXTENSIONS))
        .insert_header(("Tus-Max-Size", app.settings.now().max_upload_size.to_string()))
        .insert_header(("Tus-Checksum-Algorithm", Checksum::ALGORITHMS))
        .finish()
}

/// `POST /uploads`
pub async fn create(req: HttpRequest, app: Parts, by: Writer, payload: web::Payload) -> WebResult {
    to_its_end(req, payload, async move |req, payload| {
        let offer = headers::offer(req.headers())?;
        let checksum = headers::checksum(req.headers())?;
        let announced = headers::body_length(req.headers());
        let has_body = announced != Some(0);
        if has_body && !headers::sends_octets(req.headers()) {
            return Ok(wrong_content_type(req));
        }
        let mut seen = uploads::create(&app, &by.0.actor, offer).await?;
        let id = seen.row.id;
        if has_body {
            let begun = Append::begin(&app, &by.0.actor, id, 0, announced, checksum).await;
            seen = take(begun?, payload).await?;
        }
        let mut answer = HttpResponse::Created();
        answer.insert_header((header::LOCATION, format!("/uploads/{id}")));
        Ok(describe_upload(answer, &seen).finish())
    })
    .await
}

/// `HEAD /uploads/{id}`: how far it is.
pub async fn look(req: HttpRequest, app: Parts, by: CurrentUser, path: web::Path<String>) -> WebResult {
    if let Some(refused) = wrong_version(&req) {
        return Ok(refused);
    }
    let seen = uploads::look(&app, &by.actor, extract::id(&path)?).await?;
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header(("Upload-Length", seen.row.length.to_string()))
        .insert_header(("Upload-Metadata", seen.row.metadata.as_str()))
        .insert_header((header::CACHE_CONTROL, "no-store"));
    Ok(describe_upload(answer, &seen).finish())
}

/// `PATCH /uploads/{id}`
pub async fn append(
    req: HttpRequest,
    app: Parts,
    by: Writer,
    path: web::Path<String>,
    payload: web::Payload,
) -> WebResult {
    to_its_end(req, payload, async move |req, payload| {
        let id = extract::id(&path)?;
        if !headers::sends_octets(req.headers()) {
            uploads::look(&app, &by.0.actor, id).await?;
            return Ok(wrong_content_type(req));
        }
        let begun = begin(&app, &by.0.actor, id, req.headers()).await?;
        let seen = take(begun, payload).await?;
        Ok(describe_upload(HttpResponse::NoContent(), &seen).finish())
    })
    .await
}

/// `DELETE /uploads/{id}`
pub async fn cancel(req: HttpRequest, app: Parts, by: Writer, path: web::Path<String>) -> WebResult {
    if let Some(refused) = wrong_version(&req) {
        return Ok(refused);
    }
    uploads::cancel(&app, &by.0.actor, extract::id(&path)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Begins to append as the headers say. What is wrong with them is told only to those who may see the upload.
async fn begin(app: &Arc<App>, actor: &Actor, id: Uuid, sent: &HeaderMap) -> Result<Begun> {
    let asked = || Ok((headers::offset(sent)?, headers::checksum(sent)?));
    match asked() {
        Ok((offset, checksum)) => {
            Append::begin(app, actor, id, offset, headers::body_length(sent), checksum).await
        }
        Err(error) => {
            uploads::look(app, actor, id).await?;
            Err(error)
        }
    }
}

/// Reads the body into the upload.
async fn take(begun: Begun, payload: &mut web::Payload) -> Result<Seen> {
    match begun {
        Begun::Nothing(seen) => Ok(*seen),
        Begun::Open(mut append) => {
            let came = feed(&mut append, payload).await;
            append.end(came).await
        }
    }
}

async fn feed(append: &mut Append, payload: &mut web::Payload) -> Result<Came> {
    let mut silent = Duration::ZERO;
    loop {
        match timeout(TICK, payload.next()).await {
            Ok(Some(Ok(bytes))) => {
                silent = Duration::ZERO;
                append.write(bytes).await?;
                // Thousands of tiny chunks may be there at once.
                tokio::task::coop::consume_budget().await;
            }
            Ok(None) => return Ok(Came::Whole),
            Ok(Some(Err(error))) => {
                tracing::debug!(%error, "an upload broke off");
                return Ok(Came::Broken);
            }
            Err(_) if silent >= IDLE => return Ok(Came::Broken),
            Err(_) => {
                silent += TICK;
                append.idle().await?;
            }
        }
    }
}

/// Runs a request with a body to its end even when the client hangs up: what came is recorded, and the lease
/// given back. After a refusal the rest of the body is read, within bounds, so that the client sees the answer.
async fn to_its_end<F>(req: HttpRequest, mut payload: web::Payload, work: F) -> WebResult
where
    F: AsyncFnOnce(&HttpRequest, &mut web::Payload) -> Result<HttpResponse> + 'static,
{
    let task = rt::spawn(async move {
        let answer = match wrong_version(&req) {
            Some(refused) => Ok(refused),
            None => work(&req, &mut payload).await,
        };
        if answer.as_ref().map_or(true, |answer| !answer.status().is_success()) {
            drain(&mut payload).await;
        }
        if let (Err(error @ Error::Refused(_)), Some(app)) = (&answer, req.app_data::<Parts>()) {
            app.metrics.refused(error.code());
        }
        answer
    });
    task.await.map_err(|error| WebError(Error::internal(error)))?.map_err(WebError)
}

async fn drain(payload: &mut web::Payload) {
    let (deadline, mut drained) = (Instant::now() + DRAIN_TIME, 0);
    while let Ok(Some(Ok(bytes))) = timeout_at(deadline, payload.next()).await {
        drained += bytes.len() as u64;
        if drained > DRAIN_BYTES {
            return;
        }
    }
}

/// What every answer about an upload says.
fn describe_upload(mut answer: HttpResponseBuilder, seen: &Seen) -> HttpResponseBuilder {
    answer.insert_header(("Upload-Offset", seen.row.received.to_string()));
    match (seen.row.attachment_id, &seen.sha256) {
        (None, _) => {
            let date = seen.row.expires_at.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
            answer.insert_header(("Upload-Expires", date));
        }
        (Some(id), sha256) => {
            answer.insert_header(("X-Attachment-Id", id.to_string()));
            if let Some(sha256) = sha256 {
                answer.insert_header(("X-Attachment-Sha256", hex::encode(sha256)));
            }
        }
    }
    answer
}

fn wrong_version(req: &HttpRequest) -> Option<HttpResponse> {
    let given = req.headers().get(TUS_RESUMABLE).and_then(|value| value.to_str().ok());
    if given == Some(VERSION) {
        return None;
    }
    let message = format!("Send Tus-Resumable: {VERSION}. This server speaks no other version.");
    let mut answer = HttpResponse::PreconditionFailed();
    answer.insert_header(("Tus-Version", VERSION));
    Some(answer.json(error_body("wrong_version", &message, req)))
}

fn wrong_content_type(req: &HttpRequest) -> HttpResponse {
    let message = format!("Send the bytes as Content-Type: {}.", headers::OCTETS);
    HttpResponse::UnsupportedMediaType().json(error_body("wrong_content_type", &message, req))
}

fn error_body(code: &str, message: &str, req: &HttpRequest) -> serde_json::Value {
    serde_json::json!({ "error": json_of(code, message, &request_id(req)) })
}
