//! Own API tokens.

use askama::Template;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    form::{Field, SiteOption},
    frame::Frame,
};

#[derive(Template)]
#[template(path = "account/tokens.html")]
pub struct TokensPage {
    pub frame: Frame,
    /// A token that was just made: shown this once.
    pub made: Option<String>,
    pub tokens: Vec<TokenLine>,
    pub token_name: Field,
    pub scopes: Vec<ScopeOption>,
    pub scope_error: Option<String>,
    pub site: Field,
    pub sites: Vec<SiteOption>,
    pub days: Field,
}

pub struct TokenLine {
    pub id: Uuid,
    pub name: String,
    pub scope: String,
    /// `None`: every site of its user.
    pub site: Option<String>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub is_expired: bool,
    pub last_used_at: Option<DateTime<Utc>>,
}

pub struct ScopeOption {
    pub key: &'static str,
    pub label: &'static str,
    pub is_chosen: bool,
}

impl TokenLine {
    pub fn is_used(&self) -> bool {
        self.last_used_at.is_some()
    }

    /// When it was used last; when it was made, for one that never was.
    pub fn last_used(&self) -> DateTime<Utc> {
        self.last_used_at.unwrap_or(self.created_at)
    }

    /// Where its button posts to.
    pub fn revoke_path(&self) -> String {
        format!("/account/tokens/{}/revoke", self.id)
    }
}
