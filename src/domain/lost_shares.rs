//! Share links end for good when their maker loses the right to hand out what they open: disabled, another role, a site
//! taken away. Giving the right back brings no link back.

use chrono::{DateTime, Utc};
use diesel::PgConnection;
use serde_json::json;
use uuid::Uuid;

use super::{
    access::{Action, Actor, Resource, authorize},
    audit,
    shares::subject,
};
use crate::{
    db::{self, users::UserRow},
    error::{Error, Result},
};

/// Ends the links that `maker`, as the row is now, could not make any more, in the transaction of what is the reason
/// for it.
pub(super) fn end_lost(
    conn: &mut PgConnection,
    actor: &Actor,
    maker: Uuid,
    now: DateTime<Utc>,
) -> Result<()> {
    let user = db::users::find(conn, maker)?.ok_or(Error::NotFound)?;
    let mut kept = Vec::new();
    if user.disabled_at.is_none() {
        let maker = as_is(conn, &user)?;
        let sites = db::sites::all(conn)?.into_iter().map(|site| site.id);
        kept.extend(sites.filter(|site| maker.may(Action::Share, Resource::Site(*site))));
    }
    let ended = db::shares::revoke_of_maker(conn, maker, &kept, now)?;
    let events = ended
        .into_iter()
        .map(|(id, batch, file)| (subject(batch, file), json!({ "share": id, "why": "maker_lost_access" })));
    audit::record_many(conn, now, actor, "share.revoke", events)
}

/// Whether the actor may still share at this moment. Their row stays as it is until the transaction ends, so that no
/// link is made while [`end_lost`] ends them.
///
/// # Errors
/// As [`authorize`]; [`Error::Unauthenticated`] for who was disabled meanwhile.
pub(super) fn check_maker(conn: &mut PgConnection, actor: &Actor, site: Uuid) -> Result<()> {
    let user = db::users::find_for_share(conn, actor.account()?)?.ok_or(Error::Unauthenticated)?;
    if user.disabled_at.is_some() {
        return Err(Error::Unauthenticated);
    }
    authorize(&as_is(conn, &user)?, Action::Share, Resource::Site(site))
}

fn as_is(conn: &mut PgConnection, user: &UserRow) -> Result<Actor> {
    let sites = db::sites::of_user(conn, user.id)?;
    Ok(Actor::user(user.id, user.display_name.clone(), user.role.parse()?, sites, None))
}
