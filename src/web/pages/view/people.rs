//! The admin's pages about people.

use askama::Template;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::second_rule::Rule;

use super::{
    form::{Field, SiteOption},
    format,
    frame::Frame,
};

/// `GET /admin/users`: add somebody, find somebody.
#[derive(Template)]
#[template(path = "admin/users.html")]
pub struct UsersPage {
    pub frame: Frame,
    pub form: AddForm,
    /// Who needs two-factor.
    pub second: Rule,
    pub filters: Filters,
    pub people: Vec<PersonRow>,
    /// The next page's address, if there is one.
    pub next_url: Option<String>,
    pub is_first_page: bool,
}

/// What was typed to add somebody.
pub struct AddForm {
    pub username: Field,
    pub display_name: Field,
    pub role: RoleChoice,
    pub sites: Vec<SiteBox>,
    pub sites_error: Option<String>,
}

pub struct PersonRow {
    pub id: Uuid,
    pub name: String,
    pub username: String,
    pub role: RoleWord,
    /// "Main, Oliwa", or "All sites".
    pub sites: String,
    pub last_seen: Option<DateTime<Utc>>,
    pub state: PersonState,
}

/// A role in words.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum RoleWord {
    Viewer,
    Staff,
    Admin,
}

/// Whether a person can sign in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PersonState {
    Able,
    /// Has to choose a password first.
    Waiting,
    Disabled,
}

/// Which people the list shows.
#[derive(Default)]
pub struct Filters {
    pub q: String,
    pub role: Option<RoleWord>,
    pub state: Option<PersonState>,
    pub site: Option<Uuid>,
    pub sites: Vec<SiteOption>,
}

/// The role chosen in a form.
pub struct RoleChoice {
    pub chosen: RoleWord,
    pub error: Option<String>,
}

/// A site to tick.
pub struct SiteBox {
    pub id: Uuid,
    pub name: String,
    pub is_chosen: bool,
}

/// `GET /admin/users/{id}`
#[derive(Template)]
#[template(path = "admin/user.html")]
pub struct UserPage {
    pub frame: Frame,
    pub person: PersonHead,
    pub display_name: Field,
    pub role: RoleChoice,
    pub sites: Vec<SiteBox>,
    pub sites_error: Option<String>,
    pub sessions: i64,
    pub link_until: Option<DateTime<Utc>>,
    /// Since when they sign in with a code too.
    pub second_since: Option<DateTime<Utc>>,
    /// The admin looks at themselves.
    pub is_self: bool,
}

pub struct PersonHead {
    pub id: Uuid,
    pub name: String,
    pub username: String,
    pub role: RoleWord,
    pub state: PersonState,
    pub added: DateTime<Utc>,
    pub last_seen: Option<DateTime<Utc>>,
    pub password_set: Option<DateTime<Utc>>,
}

/// A link to hand over, on the one page that ever shows it.
#[derive(Template)]
#[template(path = "admin/link.html")]
pub struct LinkPage {
    pub frame: Frame,
    pub person: Uuid,
    pub name: String,
    pub username: String,
    pub url: String,
    pub expires_at: DateTime<Utc>,
    /// The person was just added; otherwise the password was taken away.
    pub is_new: bool,
}

impl RoleWord {
    pub fn all() -> [Self; 3] {
        [Self::Staff, Self::Viewer, Self::Admin]
    }

    pub fn key(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Staff => "staff",
            Self::Admin => "admin",
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Viewer => "Viewer",
            Self::Staff => "Staff",
            Self::Admin => "Admin",
        }
    }

    /// What the role is for, beside the choice.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Viewer => "looks and downloads",
            Self::Staff => "makes batches and adds files",
            Self::Admin => "sees every site and runs the place",
        }
    }

    pub fn tone(self) -> &'static str {
        if self == Self::Admin { "accent" } else { "" }
    }
}

impl PersonState {
    pub fn all() -> [Self; 3] {
        [Self::Able, Self::Waiting, Self::Disabled]
    }

    pub fn key(self) -> &'static str {
        match self {
            Self::Able => "able",
            Self::Waiting => "waiting",
            Self::Disabled => "disabled",
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Able => "Can sign in",
            Self::Waiting => "No password yet",
            Self::Disabled => "Disabled",
        }
    }

    pub fn icon(self) -> &'static str {
        match self {
            Self::Able => "check",
            Self::Waiting => "clock",
            Self::Disabled => "stop",
        }
    }

    pub fn tone(self) -> &'static str {
        match self {
            Self::Able => "ok",
            Self::Waiting => "warn",
            Self::Disabled => "bad",
        }
    }
}

impl PersonRow {
    pub fn initials(&self) -> String {
        format::initials(&self.name)
    }
}

impl PersonHead {
    pub fn initials(&self) -> String {
        format::initials(&self.name)
    }

    pub fn is_disabled(&self) -> bool {
        self.state == PersonState::Disabled
    }

    /// Where an act on this person posts to.
    pub fn path(&self, act: &str) -> String {
        format!("/admin/users/{}/{act}", self.id)
    }

    /// The heading of a question that names the person.
    pub fn ask(&self, verb: &str, rest: &str) -> String {
        format!("{verb} {}{rest}", self.name)
    }
}

impl Filters {
    pub fn any(&self) -> bool {
        !self.q.is_empty() || self.role.is_some() || self.state.is_some() || self.site.is_some()
    }

    /// The list's address with these filters, from the given place on.
    pub fn url(&self, cursor: &str) -> String {
        let site = self.site.map(|id| id.to_string()).unwrap_or_default();
        let pairs = [
            ("q", self.q.as_str()),
            ("role", self.role.map_or("", RoleWord::key)),
            ("state", self.state.map_or("", PersonState::key)),
            ("site", &site),
            ("cursor", cursor),
        ];
        format!("/admin/users{}", format::query(&pairs))
    }

    pub fn is_role(&self, role: &RoleWord) -> bool {
        self.role == Some(*role)
    }

    pub fn is_state(&self, state: &PersonState) -> bool {
        self.state == Some(*state)
    }

    pub fn is_site(&self, site: &SiteOption) -> bool {
        self.site == Some(site.id)
    }
}

impl UsersPage {
    /// Every rule about two-factor with its words.
    pub fn second_rules(&self) -> [(Rule, &'static str); 4] {
        [
            (Rule::Nobody, "Nobody: it is up to each person"),
            (Rule::Admins, "Admins"),
            (Rule::Staff, "Staff and admins"),
            (Rule::Everybody, "Everybody"),
        ]
    }
}

impl UserPage {
    pub fn sessions_text(&self) -> String {
        match self.sessions {
            0 => "Not signed in now".to_owned(),
            n => format!("Signed in on {}", format::count(n, "device", "devices")),
        }
    }
}
