//! Who has to have a second factor: what an admin asks for, and who is asked in vain so far.

use diesel::PgConnection;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    access::{Action, Actor, Resource, Role, authorize},
    audit::{self, Subject},
    recheck,
};
use crate::{
    app::App,
    db::{self, sessions::LiveSession, settings},
    error::{Error, Result},
};

pub use crate::db::sessions::SECOND_RULE as KEY;

/// Whose accounts need a second factor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    #[default]
    Nobody,
    Admins,
    /// Everybody who may change something.
    Staff,
    Everybody,
}

impl Rule {
    pub const ALL: [Self; 4] = [Self::Nobody, Self::Admins, Self::Staff, Self::Everybody];

    pub fn key(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Admins => "admins",
            Self::Staff => "staff",
            Self::Everybody => "everybody",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.key() == text)
    }

    pub fn holds_for(self, role: Role) -> bool {
        match self {
            Self::Nobody => false,
            Self::Admins => role == Role::Admin,
            Self::Staff => role >= Role::Staff,
            Self::Everybody => true,
        }
    }
}

pub(super) fn current(conn: &mut PgConnection) -> Result<Rule> {
    Ok(settings::get(conn, KEY)?.unwrap_or_default())
}

/// The rule, for the page that changes it.
pub async fn show(app: &App, actor: &Actor) -> Result<Rule> {
    authorize(actor, Action::Administer, Resource::System)?;
    app.db.run(current).await
}

/// Changes the rule. It holds from everybody's next request on.
///
/// # Errors
/// [`Error::Invalid`] for what is no rule.
pub async fn require(app: &App, actor: &Actor, wanted: &str) -> Result<Rule> {
    authorize(actor, Action::Administer, Resource::System)?;
    let rule = Rule::parse(wanted).ok_or_else(|| Error::invalid("required", "Choose who needs it."))?;
    let (clock, now) = (app.clock.clone(), app.clock.now());
    recheck::admin(app, actor, move |conn, actor| {
        settings::lock(conn, KEY)?;
        let before = current(conn)?;
        if before != rule {
            settings::put(conn, &clock, KEY, &rule)?;
            let details = json!({ "two_factor_required": [before, rule] });
            audit::record(conn, now, &actor, "settings.two_factor", Subject::System, details)?;
        }
        Ok(rule)
    })
    .await
}

/// Whether a session's user needs a second factor and has none.
///
/// # Errors
/// The database holds what no program of ours wrote.
pub fn is_missing(live: &LiveSession) -> Result<bool> {
    let Some(rule) = live.second_rule.clone().filter(|_| !live.has_second) else { return Ok(false) };
    let rule: Rule = serde_json::from_value(rule).map_err(Error::internal)?;
    Ok(rule.holds_for(live.role.parse()?))
}

/// Whether somebody of this account may not do without.
pub(super) fn binds(conn: &mut PgConnection, user: uuid::Uuid) -> Result<bool> {
    let user = db::users::find(conn, user)?.ok_or(Error::NotFound)?;
    Ok(current(conn)?.holds_for(user.role.parse()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_each_rule_binds() {
        let table = [
            (Rule::Nobody, [false, false, false]),
            (Rule::Admins, [false, false, true]),
            (Rule::Staff, [false, true, true]),
            (Rule::Everybody, [true, true, true]),
        ];
        for (rule, expected) in table {
            assert_eq!(Role::ALL.map(|role| rule.holds_for(role)), expected, "{rule:?}");
            assert_eq!(Rule::parse(rule.key()), Some(rule));
            assert_eq!(serde_json::to_value(rule).unwrap(), rule.key(), "what the database keeps");
        }
        assert_eq!(Rule::parse("all"), None);
    }
}
