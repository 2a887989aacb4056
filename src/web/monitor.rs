//! `GET /metrics`, for Prometheus: with a token, on a listener of its own, or from this machine alone.

use std::{
    net::{IpAddr, TcpListener},
    sync::Arc,
};

use actix_web::{
    App as ActixApp, HttpRequest, HttpResponse, HttpServer,
    dev::Server,
    http::header::{self, HeaderMap},
    middleware::from_fn,
    web::{self, Data},
};
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;

use super::{error, error::WebResult, extract::Parts, middleware, refusals};
use crate::{app::App, config::Config, domain::maintenance, error::Error};

/// Headers that a collector, a script or a browser on this machine sends by itself, besides `Sec-…`. Every other one,
/// whatever its name is, may have been added by a proxy.
const EXPECTED: [&str; 16] = [
    "host",
    "user-agent",
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "authorization",
    "cache-control",
    "connection",
    "content-type",
    "cookie",
    "dnt",
    "pragma",
    "priority",
    "upgrade-insecure-requests",
    "x-prometheus-scrape-timeout-seconds",
];

/// `GET /metrics` of the server itself: with the bearer token of `METRICS_TOKEN`. Without one, only where there is no
/// proxy that could forward a request (nothing but loopback is listened on, published and trusted) and only what no
/// proxy forwarded; not at all where `METRICS_BIND_ADDRESS` has a listener for it.
pub async fn metrics(req: HttpRequest, app: Parts) -> WebResult {
    match &app.config.metrics_token {
        Some(token) if has_token(&req, token.expose_secret()) => {}
        Some(_) => return Err(Error::Unauthenticated.into()),
        None if is_for_this_machine(&app.config) && is_direct(&req) => {}
        None => return Err(Error::NotFound.into()),
    }
    answer(&app).await
}

/// `GET /metrics` of the listener on `METRICS_BIND_ADDRESS`.
async fn local_metrics(req: HttpRequest, app: Parts) -> WebResult {
    if !is_direct(&req) {
        return Err(Error::NotFound.into());
    }
    answer(&app).await
}

async fn answer(app: &App) -> WebResult {
    maintenance::measure(app).await?;
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(app.metrics.text()?))
}

/// A server for `/metrics` alone, which ends with the given one.
///
/// # Errors
/// The listener cannot be used.
pub fn run(app: &Arc<App>, listener: TcpListener) -> std::io::Result<Server> {
    let app = Arc::clone(app);
    let server = HttpServer::new(move || {
        let for_headers = Arc::clone(&app);
        ActixApp::new()
            .app_data(Data::from(Arc::clone(&app)))
            .wrap(from_fn(error::render))
            .wrap(from_fn(refusals::note))
            .wrap(from_fn(move |req, next| middleware::headers(Arc::clone(&for_headers), req, next)))
            .wrap(tracing_actix_web::TracingLogger::<middleware::RequestSpan>::new())
            .route("/metrics", web::get().to(local_metrics))
    });
    Ok(server.workers(1).disable_signals().listen(listener)?.run())
}

fn has_token(req: &HttpRequest, token: &str) -> bool {
    let given = req.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    given.as_bytes().ct_eq(token.as_bytes()).into()
}

/// Whether nothing says that this server is reached from elsewhere, through a proxy or directly.
fn is_for_this_machine(config: &Config) -> bool {
    let public_host = config.public_url.split_once("://").map_or("", |(_, host)| host);
    config.metrics_bind_address.is_none()
        && config.trusted_proxies.is_empty()
        && is_loopback(config.bind_address.ip())
        && names_loopback(public_host)
}

/// Whether this comes straight from this machine: from loopback, to loopback by name, and with nothing in it that a
/// proxy adds.
fn is_direct(req: &HttpRequest) -> bool {
    let host = req.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    req.peer_addr().is_some_and(|peer| is_loopback(peer.ip()))
        && host.is_some_and(names_loopback)
        && has_only_expected(req.headers())
}

fn has_only_expected(headers: &HeaderMap) -> bool {
    headers.keys().all(|name| EXPECTED.contains(&name.as_str()) || name.as_str().starts_with("sec-"))
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Whether a host, with its port or without, is `localhost` or a loopback address.
fn names_loopback(host: &str) -> bool {
    let name =
        host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(name, _)| name);
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || bare.parse().is_ok_and(is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_several_names() {
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1",
            "127.0.0.1:8080",
            "127.8.9.1:1",
            "[::1]",
            "[::1]:8080",
        ] {
            assert!(names_loopback(host), "{host}");
        }
        for host in [
            "",
            "files.example",
            "localhost.example",
            "127.0.0.1.example:80",
            "192.0.2.7:8080",
            "[2001:db8::1]:80",
            "0.0.0.0",
        ] {
            assert!(!names_loopback(host), "{host}");
        }
    }
}
