//! The admin's pages about sites.

use askama::Template;
use uuid::Uuid;

use super::{form::Field, format, frame::Frame};

/// `GET /admin/sites`
#[derive(Template)]
#[template(path = "admin/sites.html")]
pub struct SitesPage {
    pub frame: Frame,
    /// The name as it was typed.
    pub typed: Field,
    pub rows: Vec<SiteRow>,
}

pub struct SiteRow {
    pub id: Uuid,
    pub name: String,
    pub is_default: bool,
    pub members: i64,
    /// 0: as long as the trash keeps them.
    pub keep_years: i32,
    pub can_go: bool,
}

/// `GET /admin/sites/{id}`: another name, or removal.
#[derive(Template)]
#[template(path = "admin/site.html")]
pub struct SitePage {
    pub frame: Frame,
    pub site: SiteRow,
    /// The name as it was typed.
    pub typed: Field,
    /// The years as they were typed.
    pub keep_years: Field,
}

impl SiteRow {
    pub fn members_text(&self) -> String {
        format::count(self.members, "person", "people")
    }

    /// "5 years"
    pub fn keep_text(&self) -> Option<String> {
        (self.keep_years > 0).then(|| format::count(i64::from(self.keep_years), "year", "years"))
    }

    pub fn path(&self, act: &str) -> String {
        format!("/admin/sites/{}/{act}", self.id)
    }

    pub fn ask_remove(&self) -> String {
        format!("Remove {}?", self.name)
    }
}
