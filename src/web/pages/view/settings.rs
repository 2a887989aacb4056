//! The admin's page about settings.

use askama::Template;

use super::{form::Field, frame::Frame};

/// `GET /admin/settings`
#[derive(Template)]
#[template(path = "admin/settings.html")]
pub struct SettingsPage {
    pub frame: Frame,
    pub limit: Setting,
    pub trash: Setting,
    /// The name as it was typed.
    pub typed_name: Field,
    pub types: Vec<TypeBox>,
    pub types_error: Option<String>,
    pub logo_error: Option<String>,
    pub maintenance: bool,
}

/// A number that the environment may fix.
pub struct Setting {
    pub field: Field,
    pub is_fixed: bool,
}

/// A type of file to tick.
pub struct TypeBox {
    pub key: &'static str,
    /// "HEIC, HEIF"
    pub word: String,
    pub is_chosen: bool,
}
