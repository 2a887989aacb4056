//! Errors as answers: each kind's status and words in one table, one page for people, one JSON form for
//! programs.

use std::fmt;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, StatusCode, header},
    middleware::Next,
};
use askama::Template;
use serde_json::json;

use super::{
    middleware::request_id,
    pages::{self, view::error::ErrorPage},
    refusals,
    transfer::tus,
};
use crate::error::{Error, Refusal, UploadTrouble};

pub type WebResult<T = HttpResponse> = std::result::Result<T, WebError>;

/// An [`Error`] on its way to an answer.
pub struct WebError(pub Error);

impl From<Error> for WebError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<askama::Error> for WebError {
    fn from(error: askama::Error) -> Self {
        Self(Error::internal(error))
    }
}

impl fmt::Debug for WebError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for WebError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl ResponseError for WebError {
    fn status_code(&self) -> StatusCode {
        status_of(&self.0)
    }

    /// An empty answer: [`render`] gives it its body, for only there the request is known.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}

/// The status of each kind of error.
pub fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::NotFound => StatusCode::NOT_FOUND,
        Error::Unauthenticated => StatusCode::UNAUTHORIZED,
        Error::Forbidden | Error::Csrf | Error::SecondFactorNeeded => StatusCode::FORBIDDEN,
        Error::Conflict { .. } => StatusCode::CONFLICT,
        Error::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Error::BadRequest(_) => StatusCode::BAD_REQUEST,
        Error::Refused(refusal) => match refusal {
            Refusal::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::UnsupportedType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Refusal::EmptyFile
            | Refusal::UnreadableImage { .. }
            | Refusal::Infected { .. }
            | Refusal::Unscannable { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Refusal::ScannerUnavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::StorageUnavailable { .. } => StatusCode::INSUFFICIENT_STORAGE,
            Refusal::BatchClosed => StatusCode::CONFLICT,
            Refusal::NoFiles | Refusal::Malformed { .. } => StatusCode::BAD_REQUEST,
        },
        Error::Upload(trouble) => match trouble {
            UploadTrouble::Offset | UploadTrouble::Finished => StatusCode::CONFLICT,
            UploadTrouble::Busy => StatusCode::LOCKED,
            UploadTrouble::Checksum => tus::checksum_mismatch(),
            UploadTrouble::TooMuch => StatusCode::PAYLOAD_TOO_LARGE,
            UploadTrouble::Over => StatusCode::GONE,
        },
        Error::Throttled { .. } | Error::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::Unavailable { .. } | Error::Maintenance => StatusCode::SERVICE_UNAVAILABLE,
        Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The JSON form of an error.
pub fn json_of(code: &str, message: &str, request_id: &str) -> serde_json::Value {
    json!({ "code": code, "message": message, "request_id": request_id })
}

/// Whether the caller asks for JSON.
pub fn wants_json(req: &HttpRequest) -> bool {
    ["/api/", "/uploads"].iter().any(|prefix| req.path().starts_with(prefix))
        || accepts(req, "application/json")
}

fn accepts(req: &HttpRequest, media_type: &str) -> bool {
    req.headers()
        .get_all(header::ACCEPT)
        .any(|value| value.to_str().is_ok_and(|text| text.contains(media_type)))
}

/// What an error says.
struct Words {
    code: &'static str,
    heading: &'static str,
    message: String,
}

impl Words {
    fn of(error: &Error) -> Self {
        let message = error.to_string();
        let heading = match error {
            Error::NotFound => return Self::not_found(),
            Error::Internal(_) => return Self::internal(),
            Error::Unauthenticated => "Sign in first",
            Error::SecondFactorNeeded => "Turn on two-factor first",
            Error::Forbidden => "This is not yours to do",
            Error::Csrf => "The page was out of date",
            Error::Conflict { .. } => "This cannot be done now",
            Error::Invalid(_) | Error::BadRequest(_) => "That cannot be used",
            Error::Refused(Refusal::StorageUnavailable { .. }) => "The storage does not answer",
            Error::Refused(_) => "The file was not stored",
            Error::Upload(_) => "The upload cannot go on like this",
            Error::Throttled { .. } => "Too many attempts",
            Error::TooMany { .. } => "Too much at once",
            Error::Unavailable { .. } => "Busy for a moment",
            Error::Maintenance => "Read-only for a while",
        };
        Self { code: error.code(), heading, message }
    }

    /// For answers that actix made before any of our handlers was asked.
    fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::not_found(),
            StatusCode::METHOD_NOT_ALLOWED => Self {
                code: "method_not_allowed",
                heading: "That way does not work",
                message: "This address does not take such a request.".to_owned(),
            },
            status if status.is_client_error() => Self {
                code: "bad_request",
                heading: "That cannot be used",
                message: "The request cannot be read. Go back and try again.".to_owned(),
            },
            _ => Self::internal(),
        }
    }

    fn not_found() -> Self {
        Self {
            code: "not_found",
            heading: "There is nothing here for you",
            message:
                "The address may be mistyped, the thing may be gone, or it belongs to a site that you may \
                      not see. All three look the same on purpose."
                    .to_owned(),
        }
    }

    fn internal() -> Self {
        Self {
            code: "internal",
            heading: "Something went wrong on the server",
            message:
                "Nothing of what you sent was half done. Try again; if it happens again, tell an admin the \
                      number below."
                    .to_owned(),
        }
    }
}

/// Gives every failed answer that has no body yet its page or its JSON.
pub async fn render(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let res = next.call(req).await?.map_into_boxed_body();
    let status = res.status();
    let is_bare = res.headers().get(header::CONTENT_TYPE).is_none() || res.response().error().is_some();
    if !(status.is_client_error() || status.is_server_error()) || !is_bare {
        return Ok(res);
    }
    let req = res.request().clone();
    let ours = res.response().error().and_then(|error| error.as_error::<WebError>());
    if let Some(WebError(error)) = ours
        && (!status.is_server_error() || matches!(error, Error::Maintenance))
    {
        refusals::because(&req, error.code());
    } else if let Some(WebError(Error::Internal(cause))) = ours {
        tracing::error!(error = ?cause, "request failed");
    } else if status.is_server_error() {
        tracing::error!(%status, error = ?res.response().error(), "request failed");
    }
    if matches!(ours, Some(WebError(Error::Unauthenticated))) && accepts(&req, "text/html") {
        let login = HttpResponse::SeeOther().insert_header((header::LOCATION, login_url(&req))).finish();
        return Ok(ServiceResponse::new(req, login));
    }
    if matches!(ours, Some(WebError(Error::SecondFactorNeeded))) && accepts(&req, "text/html") {
        let enrol = (header::LOCATION, "/account/two-factor");
        return Ok(ServiceResponse::new(req, HttpResponse::SeeOther().insert_header(enrol).finish()));
    }
    let words = ours.map_or_else(|| Words::of_status(status), |error| Words::of(&error.0));
    let retry_after = match ours {
        Some(WebError(
            Error::Throttled { retry_after }
            | Error::TooMany { retry_after, .. }
            | Error::Unavailable { retry_after, .. },
        )) => Some(retry_after.as_secs().max(1)),
        Some(WebError(Error::Maintenance)) => Some(60),
        _ => None,
    };
    let allow = res.headers().get(header::ALLOW).cloned();

    let mut answer = HttpResponse::build(status);
    if let Some(seconds) = retry_after {
        answer.insert_header((header::RETRY_AFTER, seconds));
    }
    if let Some(allow) = allow {
        answer.insert_header((header::ALLOW, allow));
    }
    let id = request_id(&req);
    let answer = if wants_json(&req) {
        answer.json(json!({ "error": json_of(words.code, &words.message, &id) }))
    } else {
        answer.content_type("text/html; charset=utf-8").body(page(&req, status, words, id))
    };
    Ok(ServiceResponse::new(req, answer))
}

fn page(req: &HttpRequest, status: StatusCode, words: Words, request_id: String) -> String {
    let page = ErrorPage {
        frame: pages::frame_of_error(req, words.heading),
        status: status.as_u16(),
        heading: words.heading.to_owned(),
        text: words.message,
        request_id,
        action: None,
    };
    page.render().unwrap_or_else(|error| {
        tracing::error!(%error, "the error page cannot be rendered");
        words.heading.to_owned()
    })
}

/// Where to sign in, and back to this page afterwards. A write cannot be repeated from there, so it leads back
/// to the start.
fn login_url(req: &HttpRequest) -> String {
    let is_read = matches!(*req.method(), Method::GET | Method::HEAD);
    let next = if is_read { req.uri().path_and_query().map_or("/", |path| path.as_str()) } else { "/" };
    let next = percent_encoding::utf8_percent_encode(next, percent_encoding::NON_ALPHANUMERIC);
    format!("/login?next={next}")
}
