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
        passwords,
    },
    error::{Error, FieldError, Result},
    web::{
        error::WebResult,
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

/// `POST /account/sessions/{id}/revoke`
pub async fn revoke(app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    account::revoke(&app, &form.by.actor, extract::id(&path)?).await?;
    Flash::done("Signed that device out").keep(&form.by.session);
    Ok(see_other("/account"))
}

/// `POST /account/sessions/revoke-others`
pub async fn revoke_others(app: Parts, form: Posted) -> WebResult {
    let ended = account::revoke_others(&app, &form.by.actor, form.by.user.session_id).await?;
    let text = match ended {
        0 => "You are signed in nowhere else".to_owned(),
        1 => "Signed 1 other device out".to_owned(),
        n => format!("Signed {n} other devices out"),
    };
    Flash::done(text).keep(&form.by.session);
    Ok(see_other("/account"))
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
        min_password_chars: passwords::MIN_CHARS as i64,
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
