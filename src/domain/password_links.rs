//! One-time links with which a person chooses a password: the first one, or a new one after a reset.
//!
//! A link works once and for [`LIFE`]; a newer one, a password set in another way and disabling the account end
//! it. The token is 128 random bits, seen only by the admin who made the link; the database holds its SHA-256.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::PgConnection;
use secrecy::SecretString;
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    access::Actor,
    audit::{self, Subject},
    password_rules, passwords, recheck, users,
};
use crate::{
    app::App,
    db::{self, password_links::NewLink, users::UserRow},
    error::{Error, Result},
};

/// How long a link works.
pub const LIFE: TimeDelta = TimeDelta::hours(24);

/// A link that was just made. Its token cannot be had again.
pub struct Link {
    pub token: String,
    pub expires_at: DateTime<Utc>,
}

/// Takes a person's password away and makes a link to choose a new one. Their sessions and tokens end.
///
/// # Errors
/// [`Error::Conflict`] for one's own account (which has a page for that), for a disabled one, and for the last
/// admin who can sign in.
pub async fn reset(app: &App, actor: &Actor, id: Uuid) -> Result<(UserRow, Link)> {
    let now = app.clock.now();
    recheck::people(app, actor, move |conn, actor| {
        let (user, admins) = users::locked(conn, id)?;
        if actor.id() == Some(id) {
            return Err(Error::conflict(
                "own_password",
                "Change your own password on your account page; a link is for others.",
            ));
        }
        if user.disabled_at.is_some() {
            let message = format!("{} is disabled. Enable the account first.", user.display_name);
            return Err(Error::conflict("user_disabled", message));
        }
        users::keep_an_admin(&admins, id)?;
        db::users::set_password_hash(conn, id, passwords::NOBODYS_HASH, None, now)?;
        users::end_access(conn, id, now)?;
        let link = issue(conn, &actor, &user, now)?;
        Ok((user, link))
    })
    .await
}

/// Makes a link in the place of an older one.
pub(super) fn issue(
    conn: &mut PgConnection,
    actor: &Actor,
    user: &UserRow,
    now: DateTime<Utc>,
) -> Result<Link> {
    let link = Link { token: hex::encode(rand::random::<[u8; 16]>()), expires_at: now + LIFE };
    let row = NewLink {
        user_id: user.id,
        token_hash: hash(&link.token),
        created_at: now,
        expires_at: link.expires_at,
    };
    db::password_links::put(conn, &row)?;
    let details = json!({ "username": user.username, "expires_at": link.expires_at });
    audit::record(conn, now, actor, "user.reset_link", Subject::User(user.id), details)?;
    Ok(link)
}

/// Whose link it is.
///
/// # Errors
/// [`Error::NotFound`] for one that was never made, was used, replaced, has expired, or whose account is disabled.
pub async fn look(app: &App, token: &str) -> Result<UserRow> {
    let (hash, now) = (hash(token), app.clock.now());
    app.db.run(move |conn| db::password_links::find_user(conn, &hash, now)?.ok_or(Error::NotFound)).await
}

/// Sets the password that the person chose, and uses the link up.
///
/// # Errors
/// [`Error::NotFound`] as [`look`]; [`Error::Invalid`] for a password that will not do, which leaves the link.
pub async fn redeem(
    app: &App,
    token: &str,
    password: SecretString,
    address: Option<IpAddr>,
) -> Result<UserRow> {
    let user = look(app, token).await?;
    password_rules::check(app, &[&user.username, &user.display_name], &password).await?;
    let password_hash = app.passwords.hash(password).await?;
    let (token_hash, now) = (hash(token), app.clock.now());
    app.db
        .transaction(move |conn| {
            // Whoever takes it away is the one: a second request, and one after a disabling, find nothing.
            let id = db::password_links::take(conn, &token_hash, now)?.ok_or(Error::NotFound)?;
            let user = db::users::find_for_update(conn, id)?.ok_or(Error::NotFound)?;
            let actor = Actor::user(id, user.display_name.clone(), user.role.parse()?, Vec::new(), address);
            users::put_password(conn, &actor, &user, &password_hash, "link", now)?;
            Ok(user)
        })
        .await
}

/// Removes links that no longer work and returns how many went.
pub(super) async fn expire(app: &App) -> Result<usize> {
    let now = app.clock.now();
    app.db.run(move |conn| db::password_links::delete_expired(conn, now)).await
}

fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token).to_vec()
}
