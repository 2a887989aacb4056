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

/// Who acts, as they are at this moment.
#[derive(Clone, Debug)]
pub struct Actor {
    /// `None` for the console and for the system itself.
    user_id: Option<Uuid>,
    /// The name that the audit trail keeps.
    pub name: String,
    pub role: Role,
    /// Sites this person belongs to. Admins see all of them.
    sites: Vec<Uuid>,
    pub address: Option<IpAddr>,
}

impl Actor {
    pub fn user(user_id: Uuid, name: String, role: Role, sites: Vec<Uuid>, address: Option<IpAddr>) -> Self {
        Self { user_id: Some(user_id), name, role, sites, address }
    }

    /// Whoever has a shell on the server.
    pub fn console() -> Self {
        Self {
            user_id: None,
            name: "console".to_owned(),
            role: Role::Admin,
            sites: Vec::new(),
            address: None,
        }
    }

    /// Stillage itself, in jobs.
    pub fn system() -> Self {
        Self { name: "system".to_owned(), ..Self::console() }
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
        if self.role == Role::Admin { None } else { Some(&self.sites) }
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
    /// Create and edit batches, close them, move them to the trash and back.
    ManageBatches,
    /// Take a closed batch back into work.
    Reopen,
    /// Upload files, move them to the trash and back.
    ManageFiles,
    /// Users, sites, storage, jobs, audit, settings.
    Administer,
}

impl Action {
    pub const ALL: [Self; 5] =
        [Self::See, Self::ManageBatches, Self::Reopen, Self::ManageFiles, Self::Administer];

    /// The least role that may, within what it sees.
    fn least_role(self) -> Role {
        match self {
            Self::See => Role::Viewer,
            Self::ManageBatches | Self::ManageFiles => Role::Staff,
            Self::Reopen | Self::Administer => Role::Admin,
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
    if let Resource::Site(site) = resource
        && !actor.sees(site)
    {
        return Err(Error::NotFound);
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
            (Action::ManageBatches, "-oo", "xxo"),
            (Action::ManageFiles, "-oo", "xxo"),
            (Action::Reopen, "--o", "xxo"),
            (Action::Administer, "--o", "xxo"),
        ];
        assert_eq!(table.len(), Action::ALL.len(), "every action has its row");
        for (action, own, other) in table {
            for (site, expected) in [(OWN, own), (OTHER, other)] {
                let got: String = Role::ALL
                    .into_iter()
                    .map(|role| match authorize(&actor(role), action, Resource::Site(site)) {
                        Ok(()) => 'o',
                        Err(Error::Forbidden) => '-',
                        Err(_) => 'x',
                    })
                    .collect();
                assert_eq!(got, expected, "{action:?} on {site}");
            }
        }
    }

    #[test]
    fn the_installation_is_for_admins() {
        assert!(actor(Role::Admin).may(Action::Administer, Resource::System));
        assert!(!actor(Role::Staff).may(Action::Administer, Resource::System));
        assert!(Actor::console().may(Action::Administer, Resource::System));
    }
}
