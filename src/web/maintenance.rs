//! While an admin has made everything read-only, writes end here, before anything of them is read or looked for.

use std::time::Duration;

use actix_web::{
    Error as ActixError, HttpMessage, HttpRequest,
    body::{BoxBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::Method,
    middleware::Next,
};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::{bearer, error::WebError, extract::Parts, session};
use crate::{
    domain::{access::Role, settings},
    error::Error,
};

/// Of what is refused, so much is still read before the answer, and for so long: a client that is still sending
/// would see a broken connection instead of the answer.
const DRAIN_BYTES: u64 = 256 * 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(30);

/// Brings the settings up to date for the request, and refuses writes in maintenance.
pub async fn guard<B: MessageBody + 'static>(
    mut req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, ActixError> {
    let is_on = match req.app_data::<Parts>() {
        Some(app) => settings::fresh(app).await.maintenance,
        None => false,
    };
    if is_on && is_refused(req.request()) {
        drain(&mut req.take_payload()).await;
        return Ok(req.error_response(WebError(Error::Maintenance)));
    }
    Ok(next.call(req).await?.map_into_boxed_body())
}

/// Reads go on, and what only looks like a write: signing in and out, a ZIP of chosen files, a share link's
/// download. Admins change what is under `/admin`. Strangers are asked to sign in as ever, but cannot set a
/// password by a link.
fn is_refused(req: &HttpRequest) -> bool {
    let path = req.path();
    if [Method::GET, Method::HEAD, Method::OPTIONS].contains(req.method())
        || matches!(path, "/login" | "/login/second" | "/logout")
        || path.starts_with("/s/")
        || path.ends_with("/archive.zip")
    {
        return false;
    }
    match (bearer::of(req), session::signed_in(req)) {
        (bearer::Bearer::Holder(_), _) => true,
        (bearer::Bearer::None, Some(user)) => !(user.role == Role::Admin && path.starts_with("/admin/")),
        _ => path == "/password",
    }
}

async fn drain(payload: &mut Payload) {
    let (deadline, mut drained) = (Instant::now() + DRAIN_TIME, 0);
    while let Ok(Some(Ok(bytes))) = timeout_at(deadline, payload.next()).await {
        drained += bytes.len() as u64;
        if drained > DRAIN_BYTES {
            return;
        }
    }
}
