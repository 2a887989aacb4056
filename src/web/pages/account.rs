//! One's own account: name, password, sessions.

use actix_web::{HttpRequest, http::StatusCode, web};

use super::{
    auth::{enter, problem},
    frame, render, render_as, see_other,
    view::{
        account::{AccountPage, SessionRow},
        device::Device,
        form::Field,
        frame::Place,
    },
};
use crate::{
    domain::{
        access::{Action, Resource, Role},
        account::{self, Own, SessionFacts},
        password_rules,
    },
    error::{Error, FieldError, Result},
    web::{
        error::{WebResult, wants_json},
        extract::{self, CurrentUser, Parts, Posted},
        flash::Flash,
    },
};

/// `GET /account`
pub async fn show(req: HttpRequest, app: Parts, by: CurrentUser) -> WebResult {
    render(&page(&req, &app, &by, None, &[]).await?)
}

/// `POST /account`
pub async fn rename(req: HttpRequest, app: Parts, form: Posted) -> WebResult {
    let Posted { by, fields } = form;
    let typed = fields.text("display_name");
    match account::rename(&app, &by.actor, typed).await {
        Ok(name) => {
            Flash::done(format!("You go by {name}")).keep(&by.session);
            Ok(see_other("/account"))
        }
        Err(Error::Invalid(problems)) => {
            let page = page(&req, &app, &by, Some(typed), &problems).await?;
            render_as(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
        Err(other) => Err(other.into()),
    }
}

/// `POST /account/password`
pub async fn change_password(req: HttpRequest, app: Parts, form: Posted) -> WebResult {
    let Posted { by, fields } = form;
    let secret = |name| fields.text(name).to_owned().into();
    match account::change_password(&app, &by.actor, secret("current"), secret("password")).await {
        Ok(user) => {
            // All sessions are over; whoever sits here goes on in a new one.
            let answer = enter(&req, &app, &user, "/account")?;
            Flash::done("Changed your password. Every other device is signed out").keep(&by.session);
            Ok(answer)
        }
        Err(Error::Invalid(problems)) => {
            let page = page(&req, &app, &by, None, &problems).await?;
            render_as(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
        Err(other) => Err(other.into()),
    }
}

/// Where the page shows what is wrong with the password for ending sessions: the new password has a field of that name.
const SESSIONS_PASSWORD: &str = "sessions_password";

/// `POST /account/sessions/{id}/revoke`
pub async fn revoke(req: HttpRequest, app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    let Posted { by, fields } = form;
    let password = fields.text("password").to_owned().into();
    match account::revoke(&app, &by.actor, extract::id(&path)?, password).await {
        Ok(()) => {
            Flash::done("Signed that device out").keep(&by.session);
            Ok(see_other("/account"))
        }
        Err(error) => sessions_kept(&req, &app, &by, error).await,
    }
}

/// `POST /account/sessions/revoke-others`
pub async fn revoke_others(req: HttpRequest, app: Parts, form: Posted) -> WebResult {
    let Posted { by, fields } = form;
    let password = fields.text("password").to_owned().into();
    match account::revoke_others(&app, &by.actor, by.user.session_id, password).await {
        Ok(ended) => {
            let text = match ended {
                0 => "You are signed in nowhere else".to_owned(),
                1 => "Signed 1 other device out".to_owned(),
                n => format!("Signed {n} other devices out"),
            };
            Flash::done(text).keep(&by.session);
            Ok(see_other("/account"))
        }
        Err(error) => sessions_kept(&req, &app, &by, error).await,
    }
}

/// The page again when the password was wrong.
async fn sessions_kept(req: &HttpRequest, app: &Parts, by: &CurrentUser, error: Error) -> WebResult {
    match error {
        Error::Invalid(problems) if !wants_json(req) => {
            let problems: Vec<_> = problems
                .into_iter()
                .map(|problem| FieldError::new(SESSIONS_PASSWORD, problem.message))
                .collect();
            let page = page(req, app, by, None, &problems).await?;
            render_as(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
        other => Err(other.into()),
    }
}

/// The page; with the name that was `typed`, when it cannot stay so.
async fn page(
    req: &HttpRequest,
    app: &Parts,
    by: &CurrentUser,
    typed: Option<&str>,
    problems: &[FieldError],
) -> Result<AccountPage> {
    let own = account::show(app, &by.actor).await?;
    let mut frame = frame(req, by, "Account", Place::Elsewhere);
    frame.sites_shown = own.many_sites;
    Ok(AccountPage {
        frame,
        role_text: role_text(by, &own),
        since: own.user.created_at,
        display_name: Field {
            value: typed.map_or(own.user.display_name, str::to_owned),
            error: problem(problems, "display_name"),
        },
        username: own.user.username,
        current_error: problem(problems, "current"),
        password_error: problem(problems, "password"),
        sessions_password_error: problem(problems, SESSIONS_PASSWORD),
        min_password_chars: password_rules::MIN_CHARS as i64,
        can_hold_tokens: by.actor.may(Action::HoldTokens, Resource::System),
        password_set: own.user.password_set_at,
        sessions: own.sessions.into_iter().map(|facts| session_row(facts, by)).collect(),
    })
}

fn role_text(by: &CurrentUser, own: &Own) -> String {
    let role = match by.user.role {
        Role::Viewer => "Viewer",
        Role::Staff => "Staff",
        Role::Admin => "Admin",
    };
    if !own.many_sites || by.user.role == Role::Admin {
        return role.to_owned();
    }
    let sites: Vec<&str> = own.sites.iter().map(|site| site.name.as_str()).collect();
    match sites.as_slice() {
        [] => format!("{role} at no site"),
        sites => format!("{role} at {}", sites.join(", ")),
    }
}

fn session_row(facts: SessionFacts, by: &CurrentUser) -> SessionRow {
    SessionRow {
        id: facts.id,
        device: Device::of(&facts.user_agent),
        address: facts.address,
        since: facts.created_at,
        last_used: facts.last_seen_at,
        is_this: facts.id == by.user.session_id,
    }
}
