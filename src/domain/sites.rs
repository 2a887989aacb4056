//! Sites: the places whose batches belong together. After the first start there is one, "Main".

use diesel::PgConnection;
use serde_json::json;
use uuid::Uuid;

use super::{
    access::{Action, Actor, Resource, authorize},
    audit::{self, Subject},
    recheck,
};
use crate::{
    app::App,
    characters,
    clock::Clock,
    db,
    error::{Error, Result},
};

pub use crate::db::sites::Site;

/// Makes the first site if there is none. Instances that start together agree on one.
pub fn ensure_default(conn: &mut PgConnection, clock: &Clock) -> Result<()> {
    if !db::sites::all(conn)?.is_empty() {
        return Ok(());
    }
    let site =
        Site { id: Uuid::now_v7(), name: "Main".to_owned(), is_default: true, created_at: clock.now() };
    match db::sites::insert(conn, &site) {
        // Another instance was faster.
        Err(_) if !db::sites::all(conn)?.is_empty() => Ok(()),
        other => other,
    }
}

/// The sites that `actor` may see, the default one first.
pub async fn visible(app: &App, actor: &Actor) -> Result<Vec<Site>> {
    let actor = actor.clone();
    app.db.run(move |conn| visible_in(conn, &actor)).await
}

pub(super) fn visible_in(conn: &mut PgConnection, actor: &Actor) -> Result<Vec<Site>> {
    let mut sites = db::sites::all(conn)?;
    if let Some(own) = actor.visible_sites() {
        sites.retain(|site| own.contains(&site.id));
    }
    Ok(sites)
}

/// The site of this name, in any case of its letters.
///
/// # Errors
/// [`Error::Invalid`], naming the sites there are.
pub fn by_name(conn: &mut PgConnection, name: &str) -> Result<Site> {
    let sites = db::sites::all(conn)?;
    let known = sites.iter().map(|site| site.name.as_str()).collect::<Vec<_>>().join(", ");
    sites.into_iter().find(|site| site.name.to_lowercase() == name.to_lowercase()).ok_or_else(|| {
        Error::invalid("site", format!("There is no site \u{201c}{name}\u{201d}. Known sites: {known}."))
    })
}

/// The site for whoever names none.
pub fn default_site(conn: &mut PgConnection) -> Result<Site> {
    db::sites::all(conn)?.into_iter().find(|site| site.is_default).ok_or(Error::NotFound)
}

const NAME_MAX_CHARS: usize = 80;

/// A site as admins see it.
pub struct Facts {
    pub site: Site,
    pub members: i64,
    /// For how many years its files are kept at least; 0 for as long as the trash keeps them.
    pub keep_years: i32,
    /// Whether nothing speaks against removing it: not the default one, without batches and members.
    pub can_go: bool,
}

/// All of them, the default one first.
pub async fn list(app: &App, actor: &Actor) -> Result<Vec<Facts>> {
    authorize(actor, Action::Administer, Resource::System)?;
    app.db.run(facts).await
}

/// # Errors
/// [`Error::NotFound`] for none.
pub async fn show(app: &App, actor: &Actor, id: Uuid) -> Result<Facts> {
    authorize(actor, Action::Administer, Resource::System)?;
    app.db
        .run(move |conn| facts(conn)?.into_iter().find(|facts| facts.site.id == id).ok_or(Error::NotFound))
        .await
}

fn facts(conn: &mut PgConnection) -> Result<Vec<Facts>> {
    let (members, used) = (db::sites::member_counts(conn)?, db::sites::with_batches(conn)?);
    let years = db::retention::keep_years(conn)?;
    let sites = db::sites::all(conn)?.into_iter().map(|site| {
        let keep_years = years.get(&site.id).copied().unwrap_or(0);
        let members = members.iter().find(|(id, _)| *id == site.id).map_or(0, |(_, count)| *count);
        Facts {
            can_go: !site.is_default && members == 0 && !used.contains(&site.id),
            members,
            keep_years,
            site,
        }
    });
    Ok(sites.collect())
}

/// Adds a site. Nobody but admins sees it until somebody belongs to it.
///
/// # Errors
/// [`Error::Invalid`] for a name that will not do, [`Error::Conflict`] for a taken one.
pub async fn add(app: &App, actor: &Actor, name: &str) -> Result<Site> {
    authorize(actor, Action::Administer, Resource::System)?;
    let now = app.clock.now();
    let site = Site { id: Uuid::now_v7(), name: checked_name(name)?, is_default: false, created_at: now };
    recheck::admin(app, actor, move |conn, actor| {
        db::sites::insert(conn, &site).map_err(|error| name_taken(error, &site.name))?;
        audit::record(conn, now, &actor, "site.add", Subject::Site(site.id), json!({ "name": site.name }))?;
        Ok(site)
    })
    .await
}

/// What can be said about a site.
pub struct Change {
    pub name: String,
    /// For how many years its files are kept at least; `None` leaves that as it is.
    pub keep_years: Option<i32>,
}

/// The most years that a site can keep its files at least.
pub const KEEP_YEARS_MAX: i32 = 100;

/// Gives a site another name, and says for how long its files are kept; its batches and people stay with it.
///
/// # Errors
/// As [`add`]; [`Error::NotFound`] for none.
pub async fn change(app: &App, actor: &Actor, id: Uuid, change: Change) -> Result<String> {
    let now = app.clock.now();
    recheck::admin(app, actor, move |conn, actor| {
        let before = db::sites::find_for_update(conn, id)?.ok_or(Error::NotFound)?.name;
        let name = checked_name(&change.name)?;
        let years_before = db::retention::keep_years(conn)?.get(&id).copied().unwrap_or(0);
        let years = change.keep_years.unwrap_or(years_before);
        if !(0..=KEEP_YEARS_MAX).contains(&years) {
            return Err(Error::invalid("keep_years", "A whole number of years from 0 to 100."));
        }
        if name != before {
            db::sites::rename(conn, id, &name).map_err(|error| name_taken(error, &name))?;
            let details = json!({ "name": [before, name] });
            audit::record(conn, now, &actor, "site.rename", Subject::Site(id), details)?;
        }
        if years != years_before {
            db::retention::set_keep_years(conn, id, years)?;
            let details = json!({ "name": name, "keep_years": [years_before, years] });
            audit::record(conn, now, &actor, "site.retention", Subject::Site(id), details)?;
        }
        Ok(name)
    })
    .await
}

/// Removes a site that nothing belongs to and returns its name.
///
/// # Errors
/// [`Error::NotFound`] for none; [`Error::Conflict`] for the default one and for one with batches or people.
pub async fn remove(app: &App, actor: &Actor, id: Uuid) -> Result<String> {
    let now = app.clock.now();
    recheck::people(app, actor, move |conn, actor| {
        // Nobody is put into it meanwhile.
        db::users::lock_able_admins(conn)?;
        let facts = facts(conn)?.into_iter().find(|facts| facts.site.id == id).ok_or(Error::NotFound)?;
        if !facts.can_go {
            return Err(in_use());
        }
        db::sites::delete(conn, id).map_err(|error| {
            // A batch came in at this moment.
            if db::is_in_use(&error) { in_use() } else { error }
        })?;
        let details = json!({ "name": facts.site.name });
        audit::record(conn, now, &actor, "site.remove", Subject::Site(id), details)?;
        Ok(facts.site.name)
    })
    .await
}

fn in_use() -> Error {
    Error::conflict(
        "site_in_use",
        "Only a site without batches and people can be removed, and never the first one.",
    )
}

fn checked_name(name: &str) -> Result<String> {
    let name = name.trim();
    let length = name.chars().count();
    if (1..=NAME_MAX_CHARS).contains(&length) && !name.chars().any(characters::is_unsafe) {
        Ok(name.to_owned())
    } else {
        Err(Error::invalid(
            "name",
            "A site's name has 1 to 80 characters, without line breaks and control characters.",
        ))
    }
}

fn name_taken(error: Error, name: &str) -> Error {
    if db::is_taken(&error) {
        Error::conflict("site_taken", format!("There is a site \u{201c}{name}\u{201d} already."))
    } else {
        error
    }
}

/// A form names a site that is not there any more.
pub(super) fn gone() -> Error {
    Error::invalid("sites", "One of the sites is gone. Load the page again and repeat.")
}
