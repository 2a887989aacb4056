//! Sites: the places whose batches belong together. After the first start there is one, "Main".

use diesel::PgConnection;
use uuid::Uuid;

use super::access::Actor;
use crate::{
    app::App,
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
