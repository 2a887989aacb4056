//! Accounts. The last enabled admin can be neither disabled nor demoted, and what ends a person's right to be
//! here ends their sessions in the same transaction.

use chrono::{DateTime, Utc};
use diesel::PgConnection;
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use super::{
    access::{Action, Actor, Resource, Role, authorize},
    audit::{self, Subject},
    auth, sites,
};
use crate::{
    app::App,
    db::{self, users::UserRow},
    error::{Error, FieldError, Result},
};

const USERNAME_MAX_CHARS: usize = 64;

/// A checked request for an account, not yet hashed or stored.
pub struct NewUser {
    username: String,
    role: Role,
}

impl NewUser {
    /// # Errors
    /// [`Error::Invalid`] with a message for each field that will not do.
    pub fn checked(username: &str, role: Role, password: &SecretString) -> Result<Self> {
        let username = normalise(username);
        let problems: Vec<FieldError> =
            [check_username(&username), auth::check_new_password_of(&username, password)]
                .into_iter()
                .filter_map(Result::err)
                .collect();
        if problems.is_empty() { Ok(Self { username, role }) } else { Err(Error::Invalid(problems)) }
    }
}

/// Names are compared without case and surrounding space.
pub fn normalise(username: &str) -> String {
    username.trim().to_lowercase()
}

fn check_username(username: &str) -> Result<(), FieldError> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_' | '@');
    let length = username.chars().count();
    if (1..=USERNAME_MAX_CHARS).contains(&length) && username.chars().all(good) {
        Ok(())
    } else {
        Err(FieldError::new(
            "username",
            "A user name has 1 to 64 small letters, digits, dots, dashes, underscores or @.",
        ))
    }
}

/// Adds an account that belongs to the named sites, or to the default one when none is named.
///
/// # Errors
/// [`Error::Invalid`] for a name, password or site that will not do; [`Error::Conflict`] for a taken name.
pub async fn add(
    app: &App,
    actor: &Actor,
    username: &str,
    role: Role,
    site_names: Vec<String>,
    password: SecretString,
) -> Result<UserRow> {
    authorize(actor, Action::Administer, Resource::System)?;
    let new = NewUser::checked(username, role, &password)?;
    let hash = app.passwords.hash(password).await?;
    let (actor, now) = (actor.clone(), app.clock.now());
    app.db
        .transaction(move |conn| {
            let sites = if site_names.is_empty() {
                vec![sites::default_site(conn)?.id]
            } else {
                site_names
                    .iter()
                    .map(|name| Ok(sites::by_name(conn, name)?.id))
                    .collect::<Result<Vec<_>>>()?
            };
            insert(conn, &actor, new, hash, &sites, now)
        })
        .await
}

pub(super) fn insert(
    conn: &mut PgConnection,
    actor: &Actor,
    new: NewUser,
    password_hash: String,
    sites: &[Uuid],
    now: DateTime<Utc>,
) -> Result<UserRow> {
    if db::users::find_by_name(conn, &new.username)?.is_some() {
        return Err(Error::conflict("username_taken", format!("There is a user {} already.", new.username)));
    }
    let user = UserRow {
        id: Uuid::now_v7(),
        display_name: new.username.clone(),
        username: new.username,
        password_hash,
        role: new.role.to_string(),
        disabled_at: None,
        created_at: now,
        updated_at: now,
    };
    db::users::insert(conn, &user)?;
    for &site in sites {
        db::sites::add_member(conn, site, user.id, now)?;
    }
    let details = json!({ "username": user.username, "role": user.role, "sites": sites });
    audit::record(conn, now, actor, "user.add", Subject::User(user.id), details)?;
    Ok(user)
}

/// Sets a password and ends the user's sessions and tokens.
pub async fn set_password(app: &App, actor: &Actor, username: &str, password: SecretString) -> Result<()> {
    authorize(actor, Action::Administer, Resource::System)?;
    auth::check_new_password_of(&normalise(username), &password)
        .map_err(|problem| Error::Invalid(vec![problem]))?;
    let hash = app.passwords.hash(password).await?;
    let (actor, now, username) = (actor.clone(), app.clock.now(), normalise(username));
    app.db
        .transaction(move |conn| {
            let user = named(conn, &username)?;
            db::users::set_password_hash(conn, user.id, &hash, now)?;
            end_access(conn, user.id, now)?;
            audit::record(conn, now, &actor, "user.password", Subject::User(user.id), json!({}))
        })
        .await
}

/// Disables an account (and ends its sessions and tokens) or enables it again. Doing it twice changes nothing.
///
/// # Errors
/// [`Error::Conflict`] for the last enabled admin.
pub async fn set_enabled(app: &App, actor: &Actor, username: &str, enabled: bool) -> Result<()> {
    authorize(actor, Action::Administer, Resource::System)?;
    let (actor, now, username) = (actor.clone(), app.clock.now(), normalise(username));
    app.db
        .transaction(move |conn| {
            let user = named(conn, &username)?;
            if user.disabled_at.is_none() == enabled {
                return Ok(());
            }
            if !enabled {
                keep_an_admin(conn, user.id)?;
                end_access(conn, user.id, now)?;
            }
            db::users::set_disabled(conn, user.id, (!enabled).then_some(now), now)?;
            let action = if enabled { "user.enable" } else { "user.disable" };
            audit::record(conn, now, &actor, action, Subject::User(user.id), json!({}))
        })
        .await
}

/// Ends every session and token of a user, in the transaction of what is the reason for it.
pub(super) fn end_access(conn: &mut PgConnection, user: Uuid, now: DateTime<Utc>) -> Result<()> {
    db::users::end_sessions(conn, user)?;
    db::tokens::revoke_of_user(conn, user, now)?;
    Ok(())
}

/// Everybody, by name.
pub async fn list(app: &App, actor: &Actor) -> Result<Vec<UserRow>> {
    authorize(actor, Action::Administer, Resource::System)?;
    app.db.run(db::users::all).await
}

/// # Errors
/// [`Error::Conflict`] when `leaving` is the only enabled admin. Holds the admins' rows until the transaction
/// ends, so that two admins cannot disable each other at once.
fn keep_an_admin(conn: &mut PgConnection, leaving: Uuid) -> Result<()> {
    let admins = db::users::enabled_admins_for_update(conn)?;
    if admins.len() == 1 && admins[0].id == leaving {
        return Err(Error::conflict(
            "last_admin",
            "This is the last admin. Make another one first, or nobody could run the place.",
        ));
    }
    Ok(())
}

pub(super) fn named(conn: &mut PgConnection, username: &str) -> Result<UserRow> {
    db::users::find_by_name(conn, username)?
        .ok_or_else(|| Error::invalid("username", format!("There is no user \u{201c}{username}\u{201d}.")))
}
