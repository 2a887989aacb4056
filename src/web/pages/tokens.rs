//! Own API tokens: listed, made, revoked.

use actix_web::{HttpRequest, http::StatusCode, web};

use super::{
    auth::problem,
    frame, render_as, see_other,
    view::{
        form::{Field, SiteOption},
        frame::Place,
        tokens::{ScopeOption, TokenLine, TokensPage},
    },
};
use crate::{
    domain::{
        access::{Actor, Scope},
        tokens::{self, TokenRow, Wanted},
    },
    error::{Error, FieldError},
    web::{
        error::WebResult,
        extract::{self, CurrentUser, Fields, Parts, Posted},
        flash::Flash,
    },
};

const PATH: &str = "/account/tokens";
const DAYS_AT_FIRST: &str = "90";

/// `GET /account/tokens`
pub async fn list(req: HttpRequest, app: Parts, by: CurrentUser) -> WebResult {
    let asked = Wanted { scope: "read".to_owned(), days: DAYS_AT_FIRST.to_owned(), ..Wanted::default() };
    page(&req, &app, &by, StatusCode::OK, asked, &[], None).await
}

/// `POST /account/tokens`: the answer is the page with the new token, for it must not be kept anywhere.
pub async fn create(req: HttpRequest, app: Parts, form: Posted) -> WebResult {
    let Posted { by, fields } = form;
    let asked = wanted(&fields);
    match tokens::create(&app, &by.actor, asked.clone()).await {
        Ok(token) => {
            let fresh =
                Wanted { scope: "read".to_owned(), days: DAYS_AT_FIRST.to_owned(), ..Wanted::default() };
            page(&req, &app, &by, StatusCode::CREATED, fresh, &[], Some(token)).await
        }
        Err(Error::Invalid(problems)) => {
            page(&req, &app, &by, StatusCode::UNPROCESSABLE_ENTITY, asked, &problems, None).await
        }
        Err(other) => Err(other.into()),
    }
}

/// `POST /account/tokens/{id}/revoke`
pub async fn revoke(app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    let token = tokens::revoke(&app, &form.by.actor, extract::id(&path)?).await?;
    Flash::done(format!("Revoked {}", token.name)).keep(&form.by.session);
    Ok(see_other(PATH))
}

fn wanted(fields: &Fields) -> Wanted {
    let text = |name| fields.text(name).to_owned();
    Wanted { name: text("name"), scope: text("scope"), site: text("site"), days: text("days") }
}

async fn page(
    req: &HttpRequest,
    app: &Parts,
    by: &CurrentUser,
    status: StatusCode,
    asked: Wanted,
    problems: &[FieldError],
    made: Option<String>,
) -> WebResult {
    let own = tokens::own(app, &by.actor).await?;
    let now = app.clock.now();
    let field = |name, value| Field { value, error: problem(problems, name) };
    let page = TokensPage {
        frame: frame(req, by, "API tokens", Place::Elsewhere),
        made,
        scopes: scopes(&by.actor, &asked.scope),
        scope_error: problem(problems, "scope"),
        token_name: field("name", asked.name),
        site: field("site", asked.site),
        days: field("days", asked.days),
        sites: own.sites.into_iter().map(|site| SiteOption { id: site.id, name: site.name }).collect(),
        tokens: own.tokens.into_iter().map(|(token, site)| line(token, site, |at| at <= now)).collect(),
    };
    render_as(status, &page)
}

fn scopes(actor: &Actor, chosen: &str) -> Vec<ScopeOption> {
    Scope::within(actor.role)
        .into_iter()
        .map(|scope| ScopeOption {
            key: scope.as_str(),
            label: label(scope),
            is_chosen: scope.as_str() == chosen,
        })
        .collect()
}

fn label(scope: Scope) -> &'static str {
    match scope {
        Scope::Read => "Read: see and download",
        Scope::Upload => "Upload: also make batches, store and delete files",
        Scope::Admin => "Admin: everything you may do",
    }
}

fn line(
    token: TokenRow,
    site: Option<String>,
    is_past: impl Fn(chrono::DateTime<chrono::Utc>) -> bool,
) -> TokenLine {
    TokenLine {
        id: token.id,
        name: token.name,
        scope: token.scope,
        site,
        created_at: token.created_at,
        is_expired: is_past(token.expires_at),
        expires_at: token.expires_at,
        last_used_at: token.last_used_at,
    }
}
