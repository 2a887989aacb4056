//! The API's description as a page.

use askama::Template;

use super::frame::Frame;

#[derive(Template)]
#[template(path = "api/docs.html")]
pub struct ApiPage {
    pub frame: Frame,
    pub operations: Vec<Operation>,
}

pub struct Operation {
    pub method: String,
    pub path: String,
    pub summary: String,
    pub text: String,
    /// Names with what they mean.
    pub parameters: Vec<(String, String)>,
    /// Media types of its body.
    pub bodies: Vec<String>,
    /// Statuses with what they mean.
    pub responses: Vec<(String, String)>,
}
