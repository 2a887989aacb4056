//! The cookie of a browser that somebody signed in with before ([`browsers`]).

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite, time},
};
use uuid::Uuid;

use super::client;
use crate::{
    app::App,
    domain::browsers::{self, Visitor},
    error::{Error, Result},
};

fn name(app: &App) -> &'static str {
    if app.config.served_over_https() { "__Host-stillage-browser" } else { "stillage-browser" }
}

/// Who asks to be let in.
pub fn visitor(req: &HttpRequest, app: &App) -> Visitor {
    Visitor {
        address: client::address(req, &app.config.trusted_proxies),
        cookie: req.cookie(name(app)).map(|cookie| cookie.value().to_owned()),
    }
}

/// Lets the browser keep that somebody of this account signed in with it.
///
/// # Errors
/// None in practice: the cookie is letters and digits.
pub fn remember(req: &HttpRequest, app: &App, account: Uuid, answer: &mut HttpResponse) -> Result<()> {
    let value = browsers::remember(app, &visitor(req, app), account)?;
    let cookie = Cookie::build(name(app), value)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(app.config.served_over_https())
        .max_age(time::Duration::seconds(browsers::LIFE.num_seconds()))
        .finish();
    answer.add_cookie(&cookie).map_err(Error::internal)
}
