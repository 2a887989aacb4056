//! `GET /metrics`, for Prometheus.

use actix_web::{HttpRequest, HttpResponse, http::header};
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;

use super::{error::WebResult, extract::Parts};
use crate::{
    domain::maintenance,
    error::{Error, Result},
};

/// Headers that a proxy adds: what carries one came from elsewhere, whatever the peer's address is.
const FORWARDED: [&str; 4] = ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP"];

/// `GET /metrics`: with the bearer token of `METRICS_TOKEN`, or from this machine itself when none is set.
pub async fn metrics(req: HttpRequest, app: Parts) -> WebResult {
    admit(&req, &app)?;
    maintenance::measure(&app).await?;
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(app.metrics.text()?))
}

fn admit(req: &HttpRequest, app: &Parts) -> Result<()> {
    match &app.config.metrics_token {
        Some(token) => {
            let given = req.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
            let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
            let is_right = given.as_bytes().ct_eq(token.expose_secret().as_bytes()).into();
            if is_right { Ok(()) } else { Err(Error::Unauthenticated) }
        }
        None => {
            let is_local = req.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback());
            let was_forwarded = FORWARDED.iter().any(|name| req.headers().contains_key(*name));
            if is_local && !was_forwarded { Ok(()) } else { Err(Error::NotFound) }
        }
    }
}
