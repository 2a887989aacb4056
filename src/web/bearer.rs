//! API tokens on requests: `Authorization: Bearer …` and nowhere else. A token in an address would end up in
//! logs and histories, so one there counts as none.

use std::sync::Arc;

use actix_web::{
    Error, HttpMessage, HttpRequest,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header,
    middleware::Next,
};

use super::session::SignedIn;
use crate::{
    app::App,
    domain::tokens::{self, Holder},
};

/// What a request's token came to.
#[derive(Clone, Debug)]
pub enum Bearer {
    /// None was sent, or not where one counts.
    None,
    Holder(Holder),
    /// Unknown, expired, revoked, or of somebody who is disabled.
    Refused,
    /// The database did not answer.
    Unknown,
}

impl From<&Holder> for SignedIn {
    fn from(holder: &Holder) -> Self {
        Self {
            // A token is no session; nothing has this id.
            session_id: uuid::Uuid::nil(),
            id: holder.user_id,
            username: holder.username.clone(),
            display_name: holder.display_name.clone(),
            role: holder.role,
            sites: holder.sites.clone(),
            // Tokens ask for no second factor; making one does.
            must_enrol: false,
        }
    }
}

/// Where scripts may come with a token: the API, resumable uploads, and the bytes of files. Pages stay for people,
/// so that no token can make another one.
fn counts_at(path: &str) -> bool {
    let is_about =
        |prefix: &str, acts: &[&str]| path.starts_with(prefix) && acts.iter().any(|act| path.ends_with(act));
    path.starts_with("/api/")
        || path == "/uploads"
        || path.starts_with("/uploads/")
        || is_about("/attachments/", &["/download", "/preview", "/thumbnail"])
        || is_about("/batches/", &["/attachments", "/archive.zip"])
}

/// Looks up who holds the token of a request, before any handler asks.
pub async fn identify<B: MessageBody>(
    app: Arc<App>,
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    if let Some(token) = given(&req) {
        let bearer = match tokens::holder(&app, &token).await {
            Ok(Some(holder)) => Bearer::Holder(holder),
            Ok(None) => Bearer::Refused,
            Err(error) => {
                tracing::error!(error = ?error, "a token could not be looked up");
                Bearer::Unknown
            }
        };
        req.extensions_mut().insert(bearer);
    }
    next.call(req).await
}

fn given(req: &ServiceRequest) -> Option<String> {
    let value = req.headers().get(header::AUTHORIZATION).filter(|_| counts_at(req.path()))?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// What [`identify`] found.
pub fn of(req: &HttpRequest) -> Bearer {
    req.extensions().get::<Bearer>().cloned().unwrap_or(Bearer::None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_count_for_bytes_and_the_api_only() {
        for yes in [
            "/api/production/batches",
            "/api/openapi.json",
            "/uploads",
            "/uploads/1",
            "/attachments/1/download",
            "/batches/1/attachments",
            "/batches/1/archive.zip",
        ] {
            assert!(counts_at(yes), "{yes}");
        }
        for no in [
            "/",
            "/batches",
            "/batches/1",
            "/attachments/1",
            "/attachments/1/delete",
            "/account/tokens",
            "/admin",
        ] {
            assert!(!counts_at(no), "{no}");
        }
    }
}
