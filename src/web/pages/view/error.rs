//! Every error page: what happened, why, what now, and the number to ask about.

use askama::Template;

use super::frame::Frame;

#[derive(Template)]
#[template(path = "errors/error.html")]
pub struct ErrorPage {
    pub frame: Frame,
    pub status: u16,
    /// What happened, in one short sentence without a full stop.
    pub heading: String,
    /// Why, and what to do now.
    pub text: String,
    pub request_id: String,
    /// The one next step beside "To the batches", as "Try again" or "Back to B-2026-0142".
    pub action: Option<ErrorAction>,
}

/// A link out of the error.
pub struct ErrorAction {
    pub url: String,
    pub label: String,
}
