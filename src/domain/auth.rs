//! Signing in, and the first admin.

use std::net::IpAddr;

use hmac::Mac;
use secrecy::SecretString;
use serde_json::json;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{
    access::{Actor, Role},
    audit::{self, Subject},
    browsers::{self, Visitor},
    passwords, sites, throttle, two_factor, users,
};
use crate::{
    app::App,
    db::{self, settings, users::UserRow},
    error::{Error, Result},
};

/// Longest name that is looked up and kept in the trail, in bytes: far above any real one.
const NAME_MAX_BYTES: usize = 256;

const SETUP_TOKEN_KEY: &str = "setup_token_sha256";

/// How far a right password leads.
pub enum SignIn {
    In(Box<UserRow>),
    /// A code is needed too: [`super::second_step::finish`].
    HalfWay(Box<UserRow>),
}

/// Signs a person in by name and password. What turns out to be right is not counted as an attempt.
///
/// # Errors
/// [`Error::Unauthenticated`] for a wrong name, a wrong password and a disabled account alike;
/// [`Error::Throttled`] after too many attempts.
pub async fn sign_in(app: &App, username: &str, password: SecretString, visitor: &Visitor) -> Result<SignIn> {
    let username = users::normalise(username);
    let address = visitor.address;
    // Nobody has such a name, and PostgreSQL takes no NUL.
    let is_no_name = username.len() > NAME_MAX_BYTES || username.contains('\0');
    let user = if is_no_name {
        None
    } else {
        let name = username.clone();
        app.db.run(move |conn| db::users::find_by_name(conn, &name)).await?
    };
    let user = user.filter(|user| user.disabled_at.is_none());
    let browser = user.as_ref().and_then(|user| browsers::known_to(app, visitor, user.id));
    let attempt = match (browser, address) {
        (Some(browser), _) => Some(throttle::in_browser(app, &username, &browser).await?),
        (None, Some(address)) => Some(throttle::attempt(app, &username, address).await?),
        (None, None) => None,
    };
    if is_no_name || !passwords::is_hashable(&password) {
        failed(app, user.as_ref(), &username, address).await?;
        return Err(Error::Unauthenticated);
    }
    let right = app.passwords.verify(password, user.as_ref().map(|user| user.password_hash.clone())).await;
    let right = throttle::judged(app, attempt, right).await?;

    let now = app.clock.now();
    match user {
        Some(user) if right => {
            let actor = actor_for(&user, address)?;
            let id = user.id;
            let needs_code = app
                .db
                .run(move |conn| {
                    if two_factor::is_on(conn, id)? {
                        return Ok(true);
                    }
                    audit::record(conn, now, &actor, "login.success", Subject::User(id), json!({}))?;
                    Ok(false)
                })
                .await?;
            Ok(if needs_code { SignIn::HalfWay(Box::new(user)) } else { SignIn::In(Box::new(user)) })
        }
        known => {
            failed(app, known.as_ref(), &username, address).await?;
            Err(Error::Unauthenticated)
        }
    }
}

/// Puts a failed attempt on record. A name that is no account's is not kept as typed, for people type passwords there:
/// of a keyed hash of it 16 bits are kept, enough to recognise one that comes again, too few to guess it from.
async fn failed(app: &App, user: Option<&UserRow>, typed: &str, address: Option<IpAddr>) -> Result<()> {
    let (subject, details) = match user {
        Some(user) => (Subject::User(user.id), json!({ "username": user.username })),
        None => {
            let mac = app.mac("unknown user name", typed)?.finalize().into_bytes();
            let shown = format!("an unknown name (#{})", hex::encode(&mac[..2]));
            (Subject::System, json!({ "username": shown, "is_unknown": true }))
        }
    };
    let now = app.clock.now();
    let mut stranger = Actor::system();
    stranger.name = "anonymous".to_owned();
    stranger.address = address;
    app.db.run(move |conn| audit::record(conn, now, &stranger, "login.failure", subject, details)).await
}

/// Asks somebody who is signed in for the password again, before what an open screen alone must not allow.
///
/// # Errors
/// [`Error::Invalid`] for a wrong one, at `field`; [`Error::Throttled`] after too many.
pub(super) async fn confirm_password(
    app: &App,
    actor: &Actor,
    field: &'static str,
    password: SecretString,
) -> Result<UserRow> {
    let id = actor.account()?;
    let user = app.db.run(move |conn| db::users::find(conn, id)?.ok_or(Error::NotFound)).await?;
    let attempt = throttle::own(app, "password", id).await?;
    let is_right = if passwords::is_hashable(&password) {
        app.passwords.verify(password, Some(user.password_hash.clone())).await
    } else {
        Ok(false)
    };
    if throttle::judged(app, Some(attempt), is_right).await? {
        return Ok(user);
    }
    let (actor, now) = (actor.clone(), app.clock.now());
    let details = json!({ "username": user.username });
    app.db
        .run(move |conn| {
            audit::record(conn, now, &actor, "user.password_refused", Subject::User(id), details)
        })
        .await?;
    Err(Error::invalid(field, "This is not your password."))
}

/// Locks the account of somebody who gave the password a moment ago.
///
/// # Errors
/// [`Error::Unauthenticated`] when an admin reset or disabled it meanwhile: what was proven is worth nothing any more.
pub(super) fn still(conn: &mut diesel::PgConnection, user: &UserRow) -> Result<UserRow> {
    let latest = db::users::find_for_update(conn, user.id)?.ok_or(Error::NotFound)?;
    if latest.password_hash != user.password_hash || latest.disabled_at.is_some() {
        return Err(Error::Unauthenticated);
    }
    Ok(latest)
}

/// Puts on record that somebody signed out; the session itself ends with its cookie.
pub async fn signed_out(app: &App, actor: &Actor) -> Result<()> {
    let (id, actor, now) = (actor.account()?, actor.clone(), app.clock.now());
    app.db
        .run(move |conn| audit::record(conn, now, &actor, "session.end", Subject::User(id), json!({})))
        .await
}

pub(super) fn actor_for(user: &UserRow, address: Option<IpAddr>) -> Result<Actor> {
    Ok(Actor::user(user.id, user.display_name.clone(), user.role.parse()?, Vec::new(), address))
}

/// A fresh one-time token for the page that makes the first admin, or `None` when there is an admin. An older
/// token stops working.
pub async fn issue_setup_token(app: &App) -> Result<Option<String>> {
    let clock = app.clock.clone();
    app.db
        .transaction(move |conn| {
            if db::users::any_admin(conn)? {
                settings::remove(conn, SETUP_TOKEN_KEY)?;
                return Ok(None);
            }
            let token = hex::encode(rand::random::<[u8; 16]>());
            settings::put(conn, &clock, SETUP_TOKEN_KEY, &hash_token(&token))?;
            Ok(Some(token))
        })
        .await
}

/// Whether `token` opens the set-up page.
///
/// # Errors
/// [`Error::NotFound`] for a wrong token, and for every token once there is an admin.
pub async fn check_setup_token(app: &App, token: &str) -> Result<()> {
    let given = hash_token(token);
    app.db.run(move |conn| setup_is_open(conn, &given)).await
}

/// Makes the first admin with the set-up link's token.
///
/// # Errors
/// [`Error::NotFound`] as [`check_setup_token`]; [`Error::Invalid`] for a name or password that will not do.
pub async fn set_up(app: &App, token: &str, username: &str, password: SecretString) -> Result<UserRow> {
    check_setup_token(app, token).await?;
    let given = hash_token(token);
    let new = users::NewUser::checked(app, username, Role::Admin, &password).await?;
    let hash = app.passwords.hash(password).await?;
    let now = app.clock.now();
    app.db
        .transaction(move |conn| {
            // One after the other: whoever comes second finds an admin, and no token.
            db::users::lock_first_admin(conn)?;
            setup_is_open(conn, &given)?;
            settings::remove(conn, SETUP_TOKEN_KEY)?;
            let site = sites::default_site(conn)?;
            users::insert(conn, &Actor::console(), new, Some(hash), &[site.id], now)
        })
        .await
}

/// Makes the admin that the environment names, if there is no admin yet. Returns whether it did.
pub async fn make_first_admin(app: &App) -> Result<bool> {
    let Some(first) = app.config.first_admin.clone() else { return Ok(false) };
    if app.db.run(db::users::any_admin).await? {
        return Ok(false);
    }
    let new = users::NewUser::checked(app, &first.username, Role::Admin, &first.password).await?;
    let hash = app.passwords.hash(first.password).await?;
    let now = app.clock.now();
    app.db
        .transaction(move |conn| {
            // Another instance, or somebody with the set-up link, may have been faster.
            db::users::lock_first_admin(conn)?;
            if db::users::any_admin(conn)? {
                return Ok(false);
            }
            let site = sites::default_site(conn)?;
            users::insert(conn, &Actor::console(), new, Some(hash), &[site.id], now)?;
            Ok(true)
        })
        .await
}

fn setup_is_open(conn: &mut diesel::PgConnection, given: &str) -> Result<()> {
    let kept: Option<String> = settings::get(conn, SETUP_TOKEN_KEY)?;
    let matches = kept.is_some_and(|kept| kept.as_bytes().ct_eq(given.as_bytes()).into());
    if matches && !db::users::any_admin(conn)? { Ok(()) } else { Err(Error::NotFound) }
}

fn hash_token(token: &str) -> String {
    hex::encode(Sha256::digest(token))
}
