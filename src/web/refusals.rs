//! One log line for every request that was refused, with what somebody needs who looks for attacks or for a mistake:
//! the request's id, its route, the reason, and who asked (OWASP ASVS 5.0, 16.3.2). Routes are logged as their pattern:
//! tokens, passwords and queries never get here.

use actix_web::{
    Error, HttpMessage, HttpRequest,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::StatusCode,
    middleware::Next,
};

use super::{
    bearer::{self, Bearer},
    middleware::request_id,
    session,
};

/// Why a request was refused, or some of its files; codes of the contract.
#[derive(Clone, Default)]
struct Reasons(Vec<&'static str>);

/// The request has its line.
struct Noted;

/// Of these somebody may want to hear at once.
const ALARMING: [&str; 5] = ["csrf", "forbidden", "infected", "throttled", "two_factor_needed"];

/// Keeps for the log why this request, or a file in it, is refused.
pub fn because(req: &HttpRequest, code: &'static str) {
    let mut extensions = req.extensions_mut();
    let mut reasons = extensions.remove::<Reasons>().unwrap_or_default();
    if !reasons.0.contains(&code) {
        reasons.0.push(code);
    }
    extensions.insert(reasons);
}

/// Writes the line, once for each request: within the session, where it is known who asks, and outside of it for what
/// never gets there.
pub async fn note<B: MessageBody>(req: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, Error> {
    let res = next.call(req).await?;
    let (req, status) = (res.request(), res.status());
    let reasons = req.extensions().get::<Reasons>().cloned().unwrap_or_default();
    let is_refused = status.is_client_error() || !reasons.0.is_empty();
    if is_refused && req.extensions_mut().insert(Noted).is_none() {
        log(req, status, &reasons.0);
    }
    Ok(res)
}

fn log(req: &HttpRequest, status: StatusCode, reasons: &[&'static str]) {
    let reason = if reasons.is_empty() { word(status).to_owned() } else { reasons.join(" ") };
    let is_alarming = reason.split(' ').any(|reason| ALARMING.contains(&reason));
    let (request_id, status) = (request_id(req), status.as_u16());
    let route = req.match_pattern();
    let route = route.as_deref().unwrap_or("unknown");
    let user = user(req).map(tracing::field::display);
    if is_alarming {
        tracing::warn!(request_id, route, status, reason, user, "refused");
    } else {
        tracing::info!(request_id, route, status, reason, user, "refused");
    }
}

fn user(req: &HttpRequest) -> Option<uuid::Uuid> {
    match bearer::of(req) {
        Bearer::Holder(holder) => Some(holder.user_id),
        Bearer::None => session::signed_in(req).map(|user| user.id),
        Bearer::Refused | Bearer::Unknown => None,
    }
}

/// For answers that a handler wrote itself.
fn word(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "unauthenticated",
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::CONFLICT => "conflict",
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported_type",
        StatusCode::UNPROCESSABLE_ENTITY => "invalid",
        StatusCode::TOO_MANY_REQUESTS => "throttled",
        _ => "bad_request",
    }
}
