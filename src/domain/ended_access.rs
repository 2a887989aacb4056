//! What outlives a person's right, unless it is ended with it: share links end permanently when their maker may no longer
//! hand out what they open (disabled, another role, a site taken away), API tokens held to a site when their owner loses
//! the site. Giving the right back revives neither.

use chrono::{DateTime, Utc};
use diesel::PgConnection;
use serde_json::json;
use uuid::Uuid;

use super::{
    access::{Action, Actor, Resource},
    audit::{self, Subject},
    shares::subject,
};
use crate::{
    db::{self, users::UserRow},
    error::{Error, Result},
};

/// Ends the links and tokens that `owner`, as the row is now, could not make any more, in the transaction of what is the
/// reason for it.
pub(super) fn end_lost(
    conn: &mut PgConnection,
    actor: &Actor,
    owner: Uuid,
    now: DateTime<Utc>,
) -> Result<()> {
    let user = db::users::find(conn, owner)?.ok_or(Error::NotFound)?;
    let (mut shared, mut seen) = (Vec::new(), Vec::new());
    if user.disabled_at.is_none() {
        let owner = as_is(conn, &user)?;
        let sites: Vec<Uuid> = db::sites::all(conn)?.into_iter().map(|site| site.id).collect();
        let may =
            |action| sites.iter().copied().filter(|site| owner.may(action, Resource::Site(*site))).collect();
        (shared, seen) = (may(Action::Share), may(Action::See));
    }
    let ended = db::shares::revoke_of_maker(conn, owner, &shared, now)?;
    let events = ended
        .into_iter()
        .map(|(id, batch, file)| (subject(batch, file), json!({ "share": id, "why": "maker_lost_access" })));
    audit::record_many(conn, now, actor, "share.revoke", events)?;
    let ended = db::tokens::revoke_outside(conn, owner, &seen, now)?;
    let events = ended.into_iter().map(|(id, name)| {
        (Subject::User(owner), json!({ "token": id, "name": name, "why": "owner_lost_access" }))
    });
    audit::record_many(conn, now, actor, "token.revoke", events)
}

fn as_is(conn: &mut PgConnection, user: &UserRow) -> Result<Actor> {
    let sites = db::sites::of_user(conn, user.id)?;
    Ok(Actor::user(user.id, user.display_name.clone(), user.role.parse()?, sites, None))
}
