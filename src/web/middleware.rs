//! What happens around every request: its id and its log line, the headers of every answer, and the rendering
//! of errors.

use std::{sync::Arc, time::Instant};

use actix_web::{
    Error, HttpMessage,
    body::{EitherBody, MessageBody},
    dev::{RequestHead, ServiceRequest, ServiceResponse},
    http::{
        ConnectionType, Version,
        header::{self, HeaderName, HeaderValue},
    },
    middleware::Next,
};
use percent_encoding::percent_decode_str;
use tracing::Span;
use tracing_actix_web::{RequestId, RootSpanBuilder};

use super::{error::WebError, transfer::tus};
use crate::{app::App, config::Config, error};

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest path with its query, in bytes (RFC 9110, 4.1, asks for 8,000). Pages repeat a search in many links.
const TARGET_MAX: usize = 8192;

/// What every page may load: nothing but this server's own files. Users' files are shown under `sandbox`
/// policies of their own (`transfer::download`).
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
    connect-src 'self'; font-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; \
    frame-ancestors 'none'";

/// One span per request. What the client sent is recorded through `Debug`, which escapes control characters.
pub struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let id = request.extensions().get::<RequestId>().map(ToString::to_string).unwrap_or_default();
        tracing::info_span!(
            "request",
            id,
            method = %request.method(),
            path = ?loggable(request.path()),
            status = tracing::field::Empty,
        )
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        let status = match outcome {
            Ok(response) => response.status(),
            Err(error) => error.as_response_error().status_code(),
        };
        span.record("status", status.as_u16());
        span.in_scope(|| tracing::debug!("answered"));
    }
}

/// Letters of hex in a row that are taken for a token; those of an id have dashes in between.
const TOKEN_LETTERS: usize = 24;

/// A path as the log may have it. That of a share link is its key, however it is spelt: with slashes doubled, in
/// capitals, percent-encoded once or more often, with something behind it. Whatever else looks like a token is left out,
/// too, wherever it stands.
fn loggable(path: &str) -> String {
    let mut plain = path.to_owned();
    loop {
        let decoded = percent_decode_str(&plain).decode_utf8_lossy().into_owned();
        if decoded == plain {
            break;
        }
        plain = decoded;
    }
    let is_part = |part: &&str| !matches!(*part, "" | "." | "..");
    let mut parts = plain.split(['/', '\\']).map(str::trim).filter(is_part).peekable();
    if parts.any(|part| part.eq_ignore_ascii_case("s")) && parts.peek().is_some() {
        return "/s/(a share link)".to_owned();
    }
    let has_token =
        plain.split(|c: char| !c.is_ascii_hexdigit()).any(|letters| letters.len() >= TOKEN_LETTERS);
    if !has_token {
        return path.to_owned();
    }
    let mut shown = String::with_capacity(plain.len());
    for piece in plain.split_inclusive(|c: char| !c.is_ascii_hexdigit()) {
        let letters = piece.trim_end_matches(|c: char| !c.is_ascii_hexdigit());
        if letters.len() >= TOKEN_LETTERS {
            shown.push_str("(a token)");
            shown.push_str(&piece[letters.len()..]);
        } else {
            shown.push_str(piece);
        }
    }
    shown
}

/// The id of a request, as the answer's header and error pages show it.
pub fn request_id(req: &impl HttpMessage) -> String {
    req.extensions().get::<RequestId>().map(ToString::to_string).unwrap_or_default()
}

/// Whether two readers could disagree where this request ends (RFC 9112, 6.3): what stands behind its body might then
/// be taken for a request of its own, past what a proxy in front has checked.
fn is_ambiguous(head: &RequestHead) -> bool {
    let has = |name| head.headers().contains_key(name);
    has(header::TRANSFER_ENCODING) && (has(header::CONTENT_LENGTH) || head.version < Version::HTTP_11)
}

/// Refuses what could smuggle a second request, and addresses without end. The server itself refuses all other
/// doubtful framing.
pub async fn framing<B: MessageBody>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    if is_ambiguous(req.head()) {
        let refusal = WebError(error::Error::BadRequest(
            "The request says in two ways how long it is. Send one of them.".into(),
        ));
        return Ok(req.error_response(refusal).map_into_right_body());
    }
    if req.uri().path_and_query().is_some_and(|target| target.as_str().len() > TARGET_MAX) {
        let refusal = WebError(error::Error::BadRequest(
            format!("The address has more than {TARGET_MAX} bytes. Shorten what is searched for.").into(),
        ));
        return Ok(req.error_response(refusal).map_into_right_body());
    }
    Ok(next.call(req).await?.map_into_left_body())
}

/// Measures every answer and adds its headers; a handler that set one of them knows better.
pub async fn headers<B: MessageBody>(
    app: Arc<App>,
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let id = request_id(&req);
    let begun = Instant::now();
    let mut res = next.call(req).await?;
    let route = res.request().match_pattern();
    app.metrics.request(
        res.request().method().as_str(),
        route.as_deref().unwrap_or("unknown"),
        res.status().as_u16(),
        begun.elapsed().as_secs_f64(),
    );
    if is_ambiguous(res.request().head()) {
        // What follows on this connection is nobody's request.
        res.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    let path = res.request().path().to_owned();
    let headers = res.headers_mut();
    tus::mark(&path, headers);
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    for (name, value) in defaults(&app.config) {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    Ok(res)
}

/// The headers of every answer that does not set them itself.
pub fn defaults(config: &Config) -> impl Iterator<Item = (HeaderName, &'static str)> {
    let always = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "private, no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    always.into_iter().chain(config.hsts().map(|hsts| (header::STRICT_TRANSPORT_SECURITY, hsts)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_in_paths_are_masked_in_every_spelling() {
        const TOKEN: &str = "0123456789abcdef0123456789abcdef";
        let short = "not-hex-but-somebodys-key";
        for path in [
            "/s/{}",
            "//s/{}",
            "/s//{}",
            "/S/{}",
            "/s/{}/download",
            "/s/{}/",
            "/%73/{}",
            "/%2573/{}",
            "/%53/{}",
            "/s%2F{}",
            "/%2Fs%2f{}",
            "/./s/{}",
            "/x/../s/{}",
            "/s/./{}",
            "\\s\\{}",
            "/s/{};x",
            "/ s/{}",
        ] {
            for token in [TOKEN, short] {
                let path = path.replace("{}", token);
                assert_eq!(loggable(&path), "/s/(a share link)", "{path}");
            }
        }
        let encoded: String = TOKEN.bytes().map(|byte| format!("%{byte:02x}")).collect();
        assert_eq!(loggable(&format!("/s/{encoded}")), "/s/(a share link)");
        for (path, shown) in [
            ("/setup/{}", "/setup/(a token)"),
            ("/password/{}/x", "/password/(a token)/x"),
            ("/login&next=/x/{}", "/login&next=/x/(a token)"),
            ("/api/stl_{}{}", "/api/stl_(a token)"),
        ] {
            assert_eq!(loggable(&path.replace("{}", TOKEN)), shown);
            assert_eq!(loggable(&path.replace("{}", &encoded)), shown);
        }
        for path in [
            "/",
            "/s",
            "/s/",
            "/static/css/page.css",
            "/batches/0191d5a0-0000-7000-8000-0123456789ab",
            "/a%20b",
        ] {
            assert_eq!(loggable(path), path);
        }
    }
}
