//! Who may do what: the only place that decides.

use std::{fmt, net::IpAddr, str::FromStr};

use uuid::Uuid;

use crate::error::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Viewer,
    Staff,
    Admin,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Staff, Self::Admin];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Staff => "staff",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == s)
            .ok_or_else(|| Error::invalid("role", "The role is admin, staff or viewer."))
    }
}

/// What an API token may do at most, whatever its user may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Read,
    Upload,
    Admin,
}

impl Scope {
    pub const ALL: [Self; 3] = [Self::Read, Self::Upload, Self::Admin];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Upload => "upload",
            Self::Admin => "admin",
        }
    }

    /// The role whose rights are its bound.
    fn role(self) -> Role {
        match self {
            Self::Read => Role::Viewer,
            Self::Upload => Role::Staff,
            Self::Admin => Role::Admin,
        }
    }

    /// The scopes that mean something to somebody of this role.
    pub fn within(role: Role) -> Vec<Self> {
        Self::ALL.into_iter().filter(|scope| scope.role() <= role).collect()
    }
}

impl FromStr for Scope {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|scope| scope.as_str() == s);
        known.ok_or_else(|| Error::invalid("scope", "The scope is read, upload or admin."))
    }
}

/// The upper bound that an API token sets to its user's rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceiling {
    pub scope: Scope,
    /// Only this site, and nothing of the installation as a whole.
    pub site: Option<Uuid>,
}

/// What proved who the actor is. It can end while a request runs; [`super::recheck`] asks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// None: the console, the system, a visitor, or an account that stands for itself.
    None,
    /// The session of this id.
    Session(Uuid),
    /// The API token of this id.
    Token(Uuid),
}

/// Who acts, as they were when they were looked up.
#[derive(Clone, Debug)]
pub struct Actor {
    /// `None` for the console and for the system itself.
    user_id: Option<Uuid>,
    /// The name that the audit trail keeps.
    pub name: String,
    pub role: Role,
    /// The sites that this actor sees; `None` is all of them.
    sites: Option<Vec<Uuid>>,
    /// Whether a token holds this actor to one site.
    is_held_to_a_site: bool,
    /// The name of the API token by which they act.
    token: Option<String>,
    credential: Credential,
    pub address: Option<IpAddr>,
}

impl Actor {
    pub fn user(user_id: Uuid, name: String, role: Role, sites: Vec<Uuid>, address: Option<IpAddr>) -> Self {
        let sites = (role != Role::Admin).then_some(sites);
        Self {
            user_id: Some(user_id),
            name,
            role,
            sites,
            is_held_to_a_site: false,
            token: None,
            credential: Credential::None,
            address,
        }
    }

    /// The same person with no more rights than a token gives.
    pub fn within(self, ceiling: Ceiling) -> Self {
        let sites = match ceiling.site {
            Some(site) if self.sees(site) => Some(vec![site]),
            Some(_) => Some(Vec::new()),
            None => self.sites,
        };
        let role = self.role.min(ceiling.scope.role());
        Self { role, sites, is_held_to_a_site: ceiling.site.is_some(), ..self }
    }

    /// The same person through an API token; its name goes into the audit log.
    pub fn through(self, token: Uuid, name: String) -> Self {
        Self { token: Some(name), credential: Credential::Token(token), ..self }
    }

    /// The same person in the session of this id.
    pub fn in_session(self, session: Uuid) -> Self {
        Self { credential: Credential::Session(session), ..self }
    }

    /// What proved who they are.
    pub fn credential(&self) -> Credential {
        self.credential
    }

    /// Whoever has a shell on the server.
    pub fn console() -> Self {
        Self {
            user_id: None,
            name: "console".to_owned(),
            role: Role::Admin,
            sites: None,
            is_held_to_a_site: false,
            token: None,
            credential: Credential::None,
            address: None,
        }
    }

    /// Stillage itself, in jobs.
    pub fn system() -> Self {
        Self { name: "system".to_owned(), ..Self::console() }
    }

    /// Somebody without an account, who may do nothing by themselves.
    pub fn visitor(address: Option<IpAddr>) -> Self {
        Self {
            user_id: None,
            name: "visitor".to_owned(),
            role: Role::Viewer,
            sites: Some(Vec::new()),
            is_held_to_a_site: false,
            token: None,
            credential: Credential::None,
            address,
        }
    }

    /// The name of the API token by which they act, if they do.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    pub fn id(&self) -> Option<Uuid> {
        self.user_id
    }

    /// The account that a row is to name.
    ///
    /// # Errors
    /// The console and the system own nothing.
    pub fn account(&self) -> Result<Uuid> {
        self.user_id.ok_or(Error::Forbidden)
    }

    /// The sites this actor may see; `None` is all of them.
    pub fn visible_sites(&self) -> Option<&[Uuid]> {
        self.sites.as_deref()
    }

    fn sees(&self, site: Uuid) -> bool {
        self.visible_sites().is_none_or(|sites| sites.contains(&site))
    }

    /// Whether [`authorize`] would let this through; for showing or hiding a button.
    pub fn may(&self, action: Action, resource: Resource) -> bool {
        authorize(self, action, resource).is_ok()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// See batches and files, download.
    See,
    /// See what is in the trash, and what is known of it.
    SeeTrash,
    /// Read a batch's history: who did what, and when.
    ReadHistory,
    /// Create and edit batches, close them, move them to the trash and back.
    ManageBatches,
    /// Take a closed batch back into work.
    Reopen,
    /// Put a batch on legal hold and release it.
    Hold,
    /// Upload files, move them to the trash and back.
    ManageFiles,
    /// Have API tokens.
    HoldTokens,
    /// Make and end share links.
    Share,
    /// Users, sites, storage, jobs, audit, settings.
    Administer,
}

impl Action {
    pub const ALL: [Self; 10] = [
        Self::See,
        Self::SeeTrash,
        Self::ReadHistory,
        Self::ManageBatches,
        Self::Reopen,
        Self::Hold,
        Self::ManageFiles,
        Self::HoldTokens,
        Self::Share,
        Self::Administer,
    ];

    /// The least role that may, within what it sees.
    fn least_role(self) -> Role {
        match self {
            Self::See | Self::ReadHistory => Role::Viewer,
            Self::SeeTrash | Self::ManageBatches | Self::ManageFiles | Self::HoldTokens | Self::Share => {
                Role::Staff
            }
            Self::Reopen | Self::Hold | Self::Administer => Role::Admin,
        }
    }
}

/// What is acted on.
#[derive(Clone, Copy, Debug)]
pub enum Resource {
    /// Something that belongs to this site.
    Site(Uuid),
    /// The installation as a whole.
    System,
}

/// Lets the actor pass or says why not.
///
/// # Errors
/// [`Error::NotFound`] for what the actor may not see, exactly as for what does not exist;
/// [`Error::Forbidden`] for what they see but may not do.
pub fn authorize(actor: &Actor, action: Action, resource: Resource) -> Result<()> {
    match resource {
        Resource::Site(site) if !actor.sees(site) => return Err(Error::NotFound),
        Resource::System if actor.is_held_to_a_site => return Err(Error::Forbidden),
        Resource::Site(_) | Resource::System => {}
    }
    if actor.role < action.least_role() {
        return Err(Error::Forbidden);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);

    fn actor(role: Role) -> Actor {
        Actor::user(Uuid::from_u128(9), "someone".to_owned(), role, vec![OWN], None)
    }

    /// The table of `product.md`: o allowed, - forbidden, x looks like it is not there.
    #[test]
    fn the_role_table() {
        let table = [
            // action,              own site: viewer staff admin, other site: viewer staff admin
            (Action::See, "ooo", "xxo"),
            (Action::SeeTrash, "-oo", "xxo"),
            (Action::ReadHistory, "ooo", "xxo"),
            (Action::ManageBatches, "-oo", "xxo"),
            (Action::ManageFiles, "-oo", "xxo"),
            (Action::Reopen, "--o", "xxo"),
            (Action::Hold, "--o", "xxo"),
            (Action::HoldTokens, "-oo", "xxo"),
            (Action::Share, "-oo", "xxo"),
            (Action::Administer, "--o", "xxo"),
        ];
        assert_eq!(table.len(), Action::ALL.len(), "every action has its row");
        for (action, own, other) in table {
            for (site, expected) in [(OWN, own), (OTHER, other)] {
                let got: String = Role::ALL
                    .into_iter()
                    .map(|role| letter(authorize(&actor(role), action, Resource::Site(site))))
                    .collect();
                assert_eq!(got, expected, "{action:?} on {site}");
            }
        }
    }

    /// For viewer, staff and admin, at their own and at another site.
    #[test]
    fn a_tokens_scope_is_an_upper_bound() {
        let acts = [Action::See, Action::ManageFiles, Action::Reopen, Action::Administer];
        let table = [
            // scope,       own site,             other site
            (Scope::Read, ["o---", "o---", "o---"], ["xxxx", "xxxx", "o---"]),
            (Scope::Upload, ["o---", "oo--", "oo--"], ["xxxx", "xxxx", "oo--"]),
            (Scope::Admin, ["o---", "oo--", "oooo"], ["xxxx", "xxxx", "oooo"]),
        ];
        for (scope, own, other) in table {
            for (site, expected) in [(OWN, own), (OTHER, other)] {
                let got = Role::ALL.map(|role| {
                    let actor = actor(role).within(Ceiling { scope, site: None });
                    acts.map(|act| letter(authorize(&actor, act, Resource::Site(site))))
                        .iter()
                        .collect::<String>()
                });
                assert_eq!(got, expected, "{scope:?} at {site}");
            }
        }
    }

    #[test]
    fn a_token_for_one_site_opens_nothing_else() {
        let admin = actor(Role::Admin).within(Ceiling { scope: Scope::Admin, site: Some(OTHER) });
        assert!(admin.may(Action::Reopen, Resource::Site(OTHER)));
        assert_eq!(letter(authorize(&admin, Action::See, Resource::Site(OWN))), 'x');
        assert!(!admin.may(Action::Administer, Resource::System));
        assert_eq!(admin.visible_sites(), Some([OTHER].as_slice()));
        // A site that its user has lost meanwhile.
        let staff = actor(Role::Staff).within(Ceiling { scope: Scope::Upload, site: Some(OTHER) });
        assert_eq!(staff.visible_sites(), Some([].as_slice()));
    }

    fn letter(decision: Result<()>) -> char {
        match decision {
            Ok(()) => 'o',
            Err(Error::Forbidden) => '-',
            Err(_) => 'x',
        }
    }

    #[test]
    fn the_installation_is_for_admins() {
        assert!(actor(Role::Admin).may(Action::Administer, Resource::System));
        assert!(!actor(Role::Staff).may(Action::Administer, Resource::System));
        assert!(Actor::console().may(Action::Administer, Resource::System));
    }
}
