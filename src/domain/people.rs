//! What admins see of people and change about them: names, roles, sites, whether they may come in.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::PgConnection;
use serde_json::json;
use uuid::Uuid;

use super::{
    access::{Action, Actor, Resource, Role, authorize},
    audit::{self, Subject},
    batches::cut_to_page,
    ended_access, maintenance,
    password_links::{self, Link},
    recheck,
    second_rule::{self, Rule},
    sites,
    users::{self, NewUser},
};
pub use crate::db::people::State;
use crate::{
    app::App,
    db::{self, people::Filter, sites::Site, users::UserRow},
    error::{Error, Result},
};

/// People on one page of the list.
pub const PAGE: usize = 100;

/// What the list is asked for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub query: String,
    pub role: Option<Role>,
    pub state: Option<State>,
    pub site: Option<Uuid>,
    /// The user name after which the page starts.
    pub after: Option<String>,
}

pub struct List {
    /// Who needs two-factor.
    pub second_rule: Rule,
    /// Each with the names of their sites.
    pub people: Vec<(UserRow, Vec<String>)>,
    /// Where the next page starts, if there is one.
    pub next: Option<String>,
    pub sites: Vec<Site>,
}

/// People by user name, [`PAGE`] at a time.
pub async fn list(app: &App, actor: &Actor, wanted: Wanted) -> Result<List> {
    authorize(actor, Action::Administer, Resource::System)?;
    app.db
        .run(move |conn| {
            let query = wanted.query.trim();
            let filter = Filter {
                query: (!query.is_empty()).then(|| query.to_owned()),
                role: wanted.role.map(Role::as_str),
                state: wanted.state,
                site: wanted.site,
                // PostgreSQL takes no NUL, and nobody has such a name.
                after: wanted.after.map(|after| after.replace('\0', "")),
            };
            let mut rows = db::people::page(conn, &filter, PAGE as i64 + 1)?;
            let next = cut_to_page(&mut rows, PAGE, |user| user.username.clone());
            let ids: Vec<Uuid> = rows.iter().map(|user| user.id).collect();
            let mut sites_of: HashMap<Uuid, Vec<String>> = HashMap::new();
            for (user, site) in db::people::memberships(conn, &ids)? {
                sites_of.entry(user).or_default().push(site);
            }
            let people = rows.into_iter().map(|user| {
                let sites = sites_of.remove(&user.id).unwrap_or_default();
                (user, sites)
            });
            Ok(List {
                second_rule: second_rule::current(conn)?,
                people: people.collect(),
                next,
                sites: db::sites::all(conn)?,
            })
        })
        .await
}

/// One person with all that their page shows.
pub struct Whole {
    pub user: UserRow,
    pub member_of: Vec<Uuid>,
    /// All there are, to choose from.
    pub sites: Vec<Site>,
    /// How many sessions of theirs can be used at this moment.
    pub sessions: usize,
    /// Until when a link to choose a password works, if there is one.
    pub link_until: Option<DateTime<Utc>>,
    /// Since when they sign in with a code too.
    pub second_since: Option<DateTime<Utc>>,
}

/// # Errors
/// [`Error::NotFound`] for nobody.
pub async fn show(app: &App, actor: &Actor, id: Uuid) -> Result<Whole> {
    authorize(actor, Action::Administer, Resource::System)?;
    let (now, (idle_since, made_since)) = (app.clock.now(), maintenance::session_limits(app));
    app.db
        .run(move |conn| {
            Ok(Whole {
                user: db::users::find(conn, id)?.ok_or(Error::NotFound)?,
                member_of: db::sites::of_user(conn, id)?,
                sites: db::sites::all(conn)?,
                sessions: db::sessions::living_of_user(conn, id, idle_since, made_since)?.len(),
                second_since: db::two_factor::find(conn, id)?.and_then(|factor| factor.enabled_at),
                link_until: db::password_links::expiry_of(conn, id, now)?,
            })
        })
        .await
}

/// Who is to be added.
#[derive(Clone, Debug)]
pub struct Invitation {
    pub username: String,
    /// Empty: the user name.
    pub display_name: String,
    pub role: Role,
    /// Empty while there is one site to choose: that one.
    pub sites: Vec<Uuid>,
}

/// Adds somebody who chooses their password with the link that is returned.
///
/// # Errors
/// [`Error::Invalid`] for input that will not do, [`Error::Conflict`] for a taken user name.
pub async fn invite(app: &App, actor: &Actor, invitation: Invitation) -> Result<(UserRow, Link)> {
    authorize(actor, Action::Administer, Resource::System)?;
    let Invitation { username, display_name, role, sites } = invitation;
    let new = NewUser::invited(&username, &display_name, role)?;
    let now = app.clock.now();
    recheck::people(app, actor, move |conn, actor| {
        // Nobody removes a site meanwhile.
        db::users::lock_able_admins(conn)?;
        let all = db::sites::all(conn)?;
        let sites = match all.as_slice() {
            [only] if sites.is_empty() => vec![only.id],
            _ => known_sites(&all, sites, role)?,
        };
        let user = users::insert(conn, &actor, new, None, &sites, now)?;
        let link = password_links::issue(conn, &actor, &user, now)?;
        Ok((user, link))
    })
    .await
}

/// What is to hold about somebody.
#[derive(Clone, Debug)]
pub struct Change {
    pub display_name: String,
    pub role: Role,
    /// `None` leaves them: a page that does not mention sites does not ask.
    pub sites: Option<Vec<Uuid>>,
}

/// What came of a change.
pub struct Changed {
    pub user: UserRow,
    /// Another role ends every session of the person.
    pub signed_out: bool,
}

/// Changes somebody's name, role and sites. What stays as it was leaves no trace. Other sites count from their
/// next request on; another role ends their sessions. Share links to what they may not share any more end for good.
///
/// # Errors
/// [`Error::NotFound`] for nobody; [`Error::Invalid`] for input that will not do; [`Error::Conflict`] for taking
/// the role from the last admin who can sign in.
pub async fn change(app: &App, actor: &Actor, id: Uuid, change: Change) -> Result<Changed> {
    let now = app.clock.now();
    recheck::people(app, actor, move |conn, actor| {
        let (user, admins) = users::locked(conn, id)?;
        let name = change.display_name.trim();
        users::check_display_name(name).map_err(|problem| Error::Invalid(vec![problem]))?;
        if name != user.display_name {
            users::put_display_name(conn, &actor, &user, name, now)?;
        }
        // Who gives up being an admin must not end up seeing nothing where sites are not mentioned.
        let is_nowhere = change.role != Role::Admin && db::sites::of_user(conn, id)?.is_empty();
        let chosen = match change.sites {
            None if is_nowhere => Some(vec![sites::default_site(conn)?.id]),
            chosen => chosen,
        };
        if let Some(chosen) = chosen {
            put_sites(conn, &actor, &user, chosen, change.role, now)?;
        }
        let signed_out = user.role != change.role.as_str();
        if signed_out {
            users::keep_an_admin(&admins, id)?;
            db::users::set_role(conn, id, change.role.as_str(), now)?;
            users::end_access(conn, id, now)?;
            let details = json!({ "username": user.username, "role": [user.role, change.role.as_str()] });
            audit::record(conn, now, &actor, "user.role", Subject::User(id), details)?;
        }
        ended_access::end_lost(conn, &actor, id, now)?;
        let user = db::users::find(conn, id)?.ok_or(Error::NotFound)?;
        Ok(Changed { user, signed_out })
    })
    .await
}

fn put_sites(
    conn: &mut PgConnection,
    actor: &Actor,
    user: &UserRow,
    chosen: Vec<Uuid>,
    role: Role,
    now: DateTime<Utc>,
) -> Result<()> {
    let all = db::sites::all(conn)?;
    let after = known_sites(&all, chosen, role)?;
    let before = db::sites::of_user(conn, user.id)?;
    let names = |ids: &[Uuid]| -> Vec<String> {
        all.iter().filter(|site| ids.contains(&site.id)).map(|site| site.name.clone()).collect()
    };
    let (from, to) = (names(&before), names(&after));
    if from == to {
        return Ok(());
    }
    db::sites::set_of_user(conn, user.id, &after, now)?;
    let details = json!({ "username": user.username, "sites": [from, to] });
    audit::record(conn, now, actor, "user.sites", Subject::User(user.id), details)
}

/// The chosen sites, if they are there. Admins see all of them and need to belong to none.
fn known_sites(all: &[Site], chosen: Vec<Uuid>, role: Role) -> Result<Vec<Uuid>> {
    if chosen.is_empty() && role != Role::Admin {
        return Err(Error::invalid(
            "sites",
            "Choose at least one site: without one there is nothing to see.",
        ));
    }
    if chosen.iter().all(|id| all.iter().any(|site| site.id == *id)) {
        Ok(chosen)
    } else {
        Err(sites::gone())
    }
}

/// Disables an account (and ends its sessions) or enables it again. Doing it twice changes nothing.
///
/// # Errors
/// [`Error::NotFound`] for nobody; [`Error::Conflict`] for the last admin who can sign in.
pub async fn set_enabled(app: &App, actor: &Actor, id: Uuid, enabled: bool) -> Result<UserRow> {
    let now = app.clock.now();
    recheck::people(app, actor, move |conn, actor| users::set_enabled_in(conn, &actor, id, enabled, now))
        .await
}
