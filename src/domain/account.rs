//! What people see of their own account and change about it. Everybody may, and only their own: no function
//! here takes somebody's id.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use super::{
    recheck,
    access::Actor,
    audit::{self, Subject},
    auth, maintenance, passwords, sites, users,
};
pub use crate::db::sessions::SessionFacts;
use crate::{
    app::App,
    db::{self, sites::Site, users::UserRow},
    error::{Error, Result},
};

pub struct Own {
    pub user: UserRow,
    /// The sites this person sees.
    pub sites: Vec<Site>,
    pub many_sites: bool,
    /// Living ones, the latest used first.
    pub sessions: Vec<SessionFacts>,
}

pub async fn show(app: &App, actor: &Actor) -> Result<Own> {
    let (id, actor) = (actor.account()?, actor.clone());
    let (idle_since, made_since) = maintenance::session_limits(app);
    app.db
        .run(move |conn| {
            Ok(Own {
                user: db::users::find(conn, id)?.ok_or(Error::NotFound)?,
                sites: sites::visible_in(conn, &actor)?,
                many_sites: db::sites::all(conn)?.len() > 1,
                sessions: db::sessions::living_of_user(conn, id, idle_since, made_since)?,
            })
        })
        .await
}

/// Changes the name that others see.
///
/// # Errors
/// [`Error::Invalid`] for a name that will not do.
pub async fn rename(app: &App, actor: &Actor, display_name: &str) -> Result<String> {
    let (id, now) = (actor.account()?, app.clock.now());
    let name = display_name.trim().to_owned();
    users::check_display_name(&name).map_err(|problem| Error::Invalid(vec![problem]))?;
    recheck::own(app, actor, move |conn, actor| {
            let user = db::users::find_for_update(conn, id)?.ok_or(Error::NotFound)?;
            if name != user.display_name {
                users::put_display_name(conn, &actor, &user, &name, now)?;
            }
            Ok(name)
        })
        .await
}

/// Changes the password. Every session and token ends, the caller's too: whoever sits in front of this one is given a new
/// one, and a stolen key is worth nothing.
///
/// # Errors
/// [`Error::Invalid`] for a wrong current password (field `current`) and for a new one that will not do (field
/// `password`); [`Error::Throttled`] after too many wrong ones, for an open screen must not allow guessing.
pub async fn change_password(
    app: &App,
    actor: &Actor,
    current: SecretString,
    new: SecretString,
) -> Result<UserRow> {
    let id = actor.account()?;
    let user = auth::confirm_password(app, actor, "current", current).await?;
    passwords::check_new_password_of(&user.username, &new)
        .map_err(|problem| Error::Invalid(vec![problem]))?;
    let hash = app.passwords.hash(new).await?;
    let now = app.clock.now();
    recheck::own(app, actor, move |conn, actor| {
            let latest = auth::still(conn, &user)?;
            users::put_password(conn, &actor, &latest, &hash, "own", now)?;
            db::users::find(conn, id)?.ok_or(Error::NotFound)
        })
        .await
}

/// Ends one of one's own sessions.
///
/// # Errors
/// [`Error::NotFound`] for one that is over, or somebody else's.
pub async fn revoke(app: &App, actor: &Actor, session: Uuid) -> Result<()> {
    let (id, now) = (actor.account()?, app.clock.now());
    recheck::own(app, actor, move |conn, actor| {
            if !db::sessions::delete_of_user(conn, id, session)? {
                return Err(Error::NotFound);
            }
            revoked(conn, &actor, id, 1, now)
        })
        .await
}

/// Ends all of one's own sessions but this one and returns how many.
pub async fn revoke_others(app: &App, actor: &Actor, kept: Uuid) -> Result<usize> {
    let (id, now) = (actor.account()?, app.clock.now());
    recheck::own(app, actor, move |conn, actor| {
            let ended = db::sessions::delete_others(conn, id, kept)?;
            if ended > 0 {
                revoked(conn, &actor, id, ended, now)?;
            }
            Ok(ended)
        })
        .await
}

fn revoked(
    conn: &mut diesel::PgConnection,
    actor: &Actor,
    user: Uuid,
    sessions: usize,
    now: DateTime<Utc>,
) -> Result<()> {
    audit::record(conn, now, actor, "session.revoke", Subject::User(user), json!({ "sessions": sessions }))
}
