//! Behind a one-time link: a person chooses their password.

use actix_web::{HttpRequest, http::StatusCode, web};
use serde::Deserialize;

use super::{
    auth::{AFTER_PASSWORD, problem},
    frame_of_stranger, render, render_as, see_other,
    view::auth::PasswordPage,
};
use crate::{
    domain::{password_links, password_rules, users::UserRow},
    error::{Error, FieldError},
    web::{
        browser, client,
        error::WebResult,
        extract::{Parts, PublicForm},
        session,
    },
};

#[derive(Deserialize)]
pub struct LinkQuery {
    #[serde(default)]
    token: String,
}

/// `GET /password`: 404 for a link that does not work (any more).
pub async fn page(req: HttpRequest, app: Parts, query: web::Query<LinkQuery>) -> WebResult {
    let user = password_links::look(&app, &query.token).await?;
    render(&form(&req, &query.token, &user, &[]))
}

/// `POST /password`
pub async fn choose(req: HttpRequest, app: Parts, form_: PublicForm) -> WebResult {
    let token = form_.fields.text("token");
    let password = form_.fields.text("password").to_owned().into();
    let address = client::address(&req, &app.config.trusted_proxies);
    match password_links::redeem(&app, token, password, address).await {
        Ok(user) => {
            // Whoever was signed in here may be somebody else.
            session::end(&form_.session);
            let mut answer = see_other(AFTER_PASSWORD);
            // The link proves who it is, so that strangers' guesses do not delay the sign-in that follows.
            browser::remember(&req, &app, user.id, &mut answer)?;
            Ok(answer)
        }
        Err(Error::Invalid(problems)) => {
            let user = password_links::look(&app, token).await?;
            render_as(StatusCode::UNPROCESSABLE_ENTITY, &form(&req, token, &user, &problems))
        }
        Err(other) => Err(other.into()),
    }
}

fn form(req: &HttpRequest, token: &str, user: &UserRow, problems: &[FieldError]) -> PasswordPage {
    PasswordPage {
        frame: frame_of_stranger(req, "Choose a password"),
        token: token.to_owned(),
        name: user.display_name.clone(),
        username: user.username.clone(),
        password_error: problem(problems, "password"),
        min_password_chars: password_rules::MIN_CHARS as i64,
    }
}
