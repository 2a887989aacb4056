//! What people see of their own account and change about it. Everybody may, and only their own: no function
//! here takes somebody's id.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use super::{
    access::Actor,
    audit::{self, Subject},
    auth, maintenance, password_rules, recheck, sites, users,
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
    password_rules::check(app, &[&user.username, &user.display_name], &new).await?;
    let hash = app.passwords.hash(new).await?;
    let now = app.clock.now();
    recheck::own(app, actor, move |conn, actor| {
        let latest = auth::still(conn, &user)?;
        users::put_password(conn, &actor, &latest, &hash, "own", now)?;
        db::users::find(conn, id)?.ok_or(Error::NotFound)
    })
    .await
}

/// Ends one of the actor's own sessions, given the password (ASVS 5.0, 7.5.2).
///
/// # Errors
/// [`Error::NotFound`] for a session that is over, or of somebody else; [`Error::Invalid`] for a wrong password (field
/// `password`), [`Error::Throttled`] after too many.
pub async fn revoke(app: &App, actor: &Actor, session: Uuid, password: SecretString) -> Result<()> {
    let (id, now) = (actor.account()?, app.clock.now());
    if !app.db.run(move |conn| db::sessions::is_of_user(conn, id, session)).await? {
        return Err(Error::NotFound);
    }
    let user = auth::confirm_password(app, actor, "password", password).await?;
    recheck::own(app, actor, move |conn, actor| {
        auth::still(conn, &user)?;
        if !db::sessions::delete_of_user(conn, id, session)? {
            return Err(Error::NotFound);
        }
        revoked(conn, &actor, id, 1, now)
    })
    .await
}

/// Ends all of the actor's own sessions but `kept`, given the password (ASVS 5.0, 7.5.2), and returns how many.
///
/// # Errors
/// [`Error::Invalid`] for a wrong password (field `password`), [`Error::Throttled`] after too many.
pub async fn revoke_others(app: &App, actor: &Actor, kept: Uuid, password: SecretString) -> Result<usize> {
    let (id, now) = (actor.account()?, app.clock.now());
    let user = auth::confirm_password(app, actor, "password", password).await?;
    recheck::own(app, actor, move |conn, actor| {
        auth::still(conn, &user)?;
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
