//! Sign in, and the first start.

use askama::Template;

use super::form::Field;
use super::frame::Frame;

#[derive(Template)]
#[template(path = "auth/login.html")]
pub struct LoginPage {
    pub frame: Frame,
    pub username: Field,
    pub password_error: Option<String>,
    /// Where to go after signing in: a local path that the handler has checked.
    pub next: String,
    /// Why it did not work (401, 429), above the form.
    pub message: Option<GateMessage>,
}

pub struct GateMessage {
    pub title: String,
    /// What to do now; may be empty.
    pub text: String,
}

#[derive(Template)]
#[template(path = "auth/setup.html")]
pub struct SetupPage {
    pub frame: Frame,
    /// The one-time token of the link, sent back with the form.
    pub token: String,
    pub username: Field,
    pub password_error: Option<String>,
    pub min_password_chars: i64,
    pub message: Option<GateMessage>,
}

impl SetupPage {
    pub fn password_hint(&self) -> String {
        format!("{} characters or more; three words in a row do well.", self.min_password_chars)
    }
}

/// Behind a one-time link: choose a password.
#[derive(Template)]
#[template(path = "auth/password.html")]
pub struct PasswordPage {
    pub frame: Frame,
    /// The one-time token of the link, sent back with the form.
    pub token: String,
    pub name: String,
    /// For password managers, and so that the person knows it.
    pub username: String,
    pub password_error: Option<String>,
    pub min_password_chars: i64,
}
