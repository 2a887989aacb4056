//! Fields of forms that come back with what was typed and what is wrong with it.

use std::borrow::Borrow;

use uuid::Uuid;

/// One field: what was typed, and the message below it when it cannot stay so.
#[derive(Default)]
pub struct Field {
    pub value: String,
    pub error: Option<String>,
}

/// A choice of a site in a form or a filter.
pub struct SiteOption {
    pub id: Uuid,
    pub name: String,
}

impl SiteOption {
    pub fn id_text(&self) -> String {
        self.id.to_string()
    }

    pub fn is(&self, id: &str) -> bool {
        self.id.to_string() == id
    }
}

/// What a new password has to be, below its field.
pub fn password_hint(min_chars: impl Borrow<i64>) -> String {
    format!("{} characters or more; three words in a row do well.", min_chars.borrow())
}
