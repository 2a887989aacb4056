//! A person's own account.

use askama::Template;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{device::Device, form::Field, format, frame::Frame};

#[derive(Template)]
#[template(path = "account/show.html")]
pub struct AccountPage {
    pub frame: Frame,
    pub username: String,
    /// "Staff at Mill Lane"; without the site while there is only one.
    pub role_text: String,
    pub since: DateTime<Utc>,
    pub display_name: Field,
    pub current_error: Option<String>,
    pub password_error: Option<String>,
    pub sessions_password_error: Option<String>,
    pub min_password_chars: i64,
    pub can_hold_tokens: bool,
    pub password_set: Option<DateTime<Utc>>,
    pub sessions: Vec<SessionRow>,
}

pub struct SessionRow {
    pub id: Uuid,
    pub device: Device,
    /// Empty when it is not known.
    pub address: String,
    pub since: DateTime<Utc>,
    pub last_used: DateTime<Utc>,
    pub is_this: bool,
}

impl AccountPage {
    pub fn has_others(&self) -> bool {
        self.sessions.iter().any(|session| !session.is_this)
    }

    pub fn initials(&self) -> String {
        format::initials(self.frame.user.as_ref().map_or("", |user| user.name.as_str()))
    }
}
