//! Signing in and out, and the first start.

use std::time::Duration;

use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use askama::Template;
use serde::Deserialize;

use super::{
    frame_of_stranger, render, render_as, see_other,
    view::{
        auth::{GateMessage, LoginPage, SetupPage},
        form::Field,
        frame::{Flash, FlashKind},
    },
};
use crate::{
    domain::{
        auth::{self, SignIn},
        password_rules, second_step, throttle,
        users::UserRow,
    },
    error::{Error, FieldError},
    web::{
        browser,
        error::WebResult,
        extract::{CurrentUser, Parts, PublicForm},
        refusals, session,
    },
};

#[derive(Deserialize)]
pub struct LoginQuery {
    #[serde(default)]
    next: String,
    /// What led here, when it is worth a word.
    #[serde(default)]
    after: String,
}

/// Where people go who have to sign in anew after they chose a password.
pub(super) const AFTER_PASSWORD: &str = "/login?after=password";
/// The same after they gave up their own role or account.
pub(super) const AFTER_LEAVING: &str = "/login?after=leaving";

/// `GET /login`
pub async fn login_page(req: HttpRequest, query: web::Query<LoginQuery>) -> WebResult {
    let mut page = login(&req, local_path(&query.next), "", None);
    let text = match query.after.as_str() {
        "password" => "Your password is set. Sign in with it.",
        "leaving" => "Done. Your own sessions have ended with it.",
        _ => return render(&page),
    };
    page.frame.flashes.push(Flash {
        kind: FlashKind::Done,
        text: text.to_owned(),
        undo: None,
        files: Vec::new(),
    });
    render(&page)
}

/// `POST /login`
pub async fn log_in(req: HttpRequest, app: Parts, form: PublicForm) -> WebResult {
    let username = form.fields.text("username");
    let next = local_path(form.fields.text("next"));
    let password = form.fields.text("password").to_owned().into();
    match auth::sign_in(&app, username, password, &browser::visitor(&req, &app)).await {
        Ok(SignIn::In(user)) => enter(&req, &app, &user, next),
        Ok(SignIn::HalfWay(user)) => {
            let half = second_step::half_way(&app, &user, &session::csrf_token(&form.session))?;
            render(&super::two_factor::second(&req, half, next, None))
        }
        Err(Error::Unauthenticated) => {
            let message = GateMessage {
                title: "User name or password is wrong".to_owned(),
                text: "Check both and try again, or ask an admin for a new password.".to_owned(),
            };
            render_as(StatusCode::UNAUTHORIZED, &login(&req, next, username, Some(message)))
        }
        Err(Error::Throttled { retry_after }) => {
            let seconds = retry_after.as_secs().max(1);
            let message = GateMessage {
                title: "Too many attempts".to_owned(),
                text: format!("Try again in {seconds} s. {}", throttle::ADVICE),
            };
            let page = login(&req, next, username, Some(message));
            come_back(StatusCode::TOO_MANY_REQUESTS, &page, retry_after)
        }
        Err(Error::Unavailable { message, retry_after }) => {
            refusals::because(&req, "unavailable");
            let message = GateMessage { title: "Busy for a moment".to_owned(), text: message.into_owned() };
            let page = login(&req, next, username, Some(message));
            come_back(StatusCode::SERVICE_UNAVAILABLE, &page, retry_after)
        }
        Err(other) => Err(other.into()),
    }
}

/// A page that asks to come back later, with the time in its head as well.
pub(super) fn come_back(status: StatusCode, page: &impl Template, after: Duration) -> WebResult {
    let mut answer = render_as(status, page)?;
    answer.headers_mut().insert(header::RETRY_AFTER, after.as_secs().max(1).into());
    Ok(answer)
}

/// Lets somebody in who proved who they are, and lets the browser keep that.
pub(super) fn enter(req: &HttpRequest, app: &Parts, user: &UserRow, next: &str) -> WebResult {
    session::begin(req, app, user);
    let mut answer = see_other(next);
    browser::remember(req, app, user.id, &mut answer)?;
    Ok(answer)
}

/// `POST /logout`
pub async fn log_out(req: HttpRequest, app: Parts, form: PublicForm) -> HttpResponse {
    // Whoever wants to go is let go, whatever the database says.
    if let Ok(by) = CurrentUser::extract(&req).await
        && let Err(error) = auth::signed_out(&app, &by.actor).await
    {
        tracing::error!(error = ?error, "a sign-out is not on record");
    }
    session::end(&form.session);
    see_other("/login")
}

fn login(req: &HttpRequest, next: &str, username: &str, message: Option<GateMessage>) -> LoginPage {
    LoginPage {
        frame: frame_of_stranger(req, "Sign in"),
        username: Field { value: username.to_owned(), error: None },
        password_error: None,
        next: next.to_owned(),
        message,
    }
}

/// A path on this server, or the start: a link must not lead away after signing in.
pub fn local_path(next: &str) -> &str {
    let is_local = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains(['\\', '\r', '\n', '\t'])
        && next.bytes().all(|byte| byte.is_ascii_graphic());
    if is_local { next } else { "/" }
}

#[derive(Deserialize)]
pub struct SetupQuery {
    #[serde(default)]
    token: String,
}

/// `GET /setup`: 404 once there is an admin.
pub async fn setup_page(req: HttpRequest, app: Parts, query: web::Query<SetupQuery>) -> WebResult {
    auth::check_setup_token(&app, &query.token).await?;
    render(&setup(&req, &query.token, "", &[]))
}

/// `POST /setup`
pub async fn set_up(
    req: HttpRequest,
    app: Parts,
    query: web::Query<SetupQuery>,
    form: PublicForm,
) -> WebResult {
    let token = match form.fields.text("token") {
        "" => query.token.as_str(),
        token => token,
    };
    let username = form.fields.text("username");
    let password = form.fields.text("password").to_owned().into();
    match auth::set_up(&app, token, username, password).await {
        Ok(user) => enter(&req, &app, &user, "/"),
        Err(Error::Invalid(problems)) => {
            render_as(StatusCode::UNPROCESSABLE_ENTITY, &setup(&req, token, username, &problems))
        }
        Err(other) => Err(other.into()),
    }
}

fn setup(req: &HttpRequest, token: &str, username: &str, problems: &[FieldError]) -> SetupPage {
    SetupPage {
        frame: frame_of_stranger(req, "First start"),
        token: token.to_owned(),
        username: Field { value: username.to_owned(), error: problem(problems, "username") },
        password_error: problem(problems, "password"),
        min_password_chars: password_rules::MIN_CHARS as i64,
        message: None,
    }
}

pub(super) fn problem(problems: &[FieldError], field: &str) -> Option<String> {
    problems.iter().find(|problem| problem.field == field).map(|problem| problem.message.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_stays_here() {
        for good in ["/", "/batches?q=a%20b", "/batches/1#x"] {
            assert_eq!(local_path(good), good);
        }
        for bad in [
            "",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/a\nb",
            "/\t/evil",
            "javascript:1",
        ] {
            assert_eq!(local_path(bad), "/", "{bad:?}");
        }
    }
}
