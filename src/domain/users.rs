//! Accounts: made, disabled, enabled, and the rules that hold for every change of one. The last admin who can
//! sign in can be neither disabled nor demoted, and what ends a person's right to be here ends their sessions and tokens in
//! the same transaction. What the admin's pages show and change is in [`super::people`].

use chrono::{DateTime, Utc};
use diesel::PgConnection;
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use super::{
    access::{Action, Actor, Resource, Role, authorize},
    audit::{self, Subject},
    ended_access, names, password_rules, passwords, recheck, sites,
};
use crate::{
    app::App,
    characters, db,
    error::{Error, FieldError, Result},
};

pub use crate::db::users::UserRow;

const USERNAME_MAX_CHARS: usize = 64;
const DISPLAY_NAME_MAX_CHARS: usize = 80;

/// A checked request for an account, not yet hashed or stored.
pub struct NewUser {
    username: String,
    display_name: String,
    role: Role,
}

impl NewUser {
    /// Somebody whose password is known already.
    ///
    /// # Errors
    /// [`Error::Invalid`] with a message for each field that will not do.
    pub async fn checked(app: &App, username: &str, role: Role, password: &SecretString) -> Result<Self> {
        let username = normalise(username);
        let mut problems: Vec<FieldError> = check_username(&username).err().into_iter().collect();
        match password_rules::check(app, &[&username], password).await {
            Err(Error::Invalid(more)) => problems.extend(more),
            other => other?,
        }
        if !problems.is_empty() {
            return Err(Error::Invalid(problems));
        }
        Ok(Self { display_name: username.clone(), username, role })
    }

    /// Somebody who chooses their password later. Without a display name they go by their user name.
    ///
    /// # Errors
    /// As [`NewUser::checked`].
    pub fn invited(username: &str, display_name: &str, role: Role) -> Result<Self> {
        let username = normalise(username);
        let display_name = match display_name.trim() {
            "" => username.clone(),
            name => name.to_owned(),
        };
        whole([
            check_username(&username),
            check_display_name(&display_name),
            check_not_reserved("display_name", &display_name),
        ])?;
        Ok(Self { username, display_name, role })
    }
}

/// All problems of a form at once.
fn whole<const N: usize>(checks: [Result<(), FieldError>; N]) -> Result<()> {
    let problems: Vec<FieldError> = checks.into_iter().filter_map(Result::err).collect();
    if problems.is_empty() { Ok(()) } else { Err(Error::Invalid(problems)) }
}

/// Names are compared without case and surrounding space.
pub fn normalise(username: &str) -> String {
    username.trim().to_lowercase()
}

fn check_username(username: &str) -> Result<(), FieldError> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_' | '@');
    let length = username.chars().count();
    if !(1..=USERNAME_MAX_CHARS).contains(&length) || !username.chars().all(good) {
        return Err(FieldError::new(
            "username",
            "A user name has 1 to 64 small letters, digits, dots, dashes, underscores or @.",
        ));
    }
    check_not_reserved("username", username)
}

/// Who bears such a name has kept it from an earlier version; nobody gets one any more.
fn check_not_reserved(field: &'static str, name: &str) -> Result<(), FieldError> {
    if names::is_reserved(name) {
        return Err(FieldError::new(
            field,
            "This name, or one that looks like it, stands for Stillage itself. Choose another one.",
        ));
    }
    Ok(())
}

pub(super) fn check_display_name(name: &str) -> Result<(), FieldError> {
    let length = name.chars().count();
    let is_good = (1..=DISPLAY_NAME_MAX_CHARS).contains(&length)
        && !name.chars().any(characters::is_unsafe)
        && names::can_be_seen(name);
    if is_good {
        Ok(())
    } else {
        Err(FieldError::new(
            "display_name",
            "A name has 1 to 80 characters, without line breaks, control characters and invisible ones.",
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
    let new = NewUser::checked(app, username, role, &password).await?;
    let hash = app.passwords.hash(password).await?;
    let now = app.clock.now();
    recheck::people(app, actor, move |conn, actor| {
        let sites = if site_names.is_empty() {
            vec![sites::default_site(conn)?.id]
        } else {
            site_names.iter().map(|name| Ok(sites::by_name(conn, name)?.id)).collect::<Result<Vec<_>>>()?
        };
        insert(conn, &actor, new, Some(hash), &sites, now)
    })
    .await
}

/// Stores a new account. Without a hash nobody can sign in to it until a password is chosen.
pub(super) fn insert(
    conn: &mut PgConnection,
    actor: &Actor,
    new: NewUser,
    password_hash: Option<String>,
    sites: &[Uuid],
    now: DateTime<Utc>,
) -> Result<UserRow> {
    let user = UserRow {
        id: Uuid::now_v7(),
        username: new.username,
        display_name: new.display_name,
        password_set_at: password_hash.is_some().then_some(now),
        password_hash: password_hash.unwrap_or_else(|| passwords::NOBODYS_HASH.to_owned()),
        role: new.role.to_string(),
        disabled_at: None,
        created_at: now,
        updated_at: now,
        last_seen_at: None,
    };
    db::users::insert(conn, &user).map_err(|error| {
        if db::is_taken(&error) {
            Error::conflict("username_taken", format!("There is a user {} already.", user.username))
        } else {
            error
        }
    })?;
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
    let username = normalise(username);
    let name = username.clone();
    let user = app.db.run(move |conn| db::users::find_by_name(conn, &name)).await?;
    let display_name = user.as_ref().map_or("", |user| &user.display_name);
    password_rules::check(app, &[&username, display_name], &password).await?;
    let hash = app.passwords.hash(password).await?;
    let now = app.clock.now();
    recheck::people(app, actor, move |conn, actor| {
        let user = named(conn, &username)?;
        put_password(conn, &actor, &user, &hash, "admin", now)
    })
    .await
}

/// Replaces a password: the person's sessions and tokens end, and a link to choose one works no more. `by` is for the
/// trail: `own`, `link` or `admin`.
pub(super) fn put_password(
    conn: &mut PgConnection,
    actor: &Actor,
    user: &UserRow,
    hash: &str,
    by: &'static str,
    now: DateTime<Utc>,
) -> Result<()> {
    db::users::set_password_hash(conn, user.id, hash, Some(now), now)?;
    db::password_links::delete_of_user(conn, user.id)?;
    end_access(conn, user.id, now)?;
    let details = json!({ "username": user.username, "by": by });
    audit::record(conn, now, actor, "user.password", Subject::User(user.id), details)
}

/// Changes the name that others see; the old and the new one go into the trail.
///
/// # Errors
/// [`Error::Invalid`] for a name that stands for Stillage itself.
pub(super) fn put_display_name(
    conn: &mut PgConnection,
    actor: &Actor,
    user: &UserRow,
    name: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    check_not_reserved("display_name", name).map_err(|problem| Error::Invalid(vec![problem]))?;
    db::users::set_display_name(conn, user.id, name, now)?;
    let details = json!({ "username": user.username, "display_name": [user.display_name, name] });
    audit::record(conn, now, actor, "user.change", Subject::User(user.id), details)
}

/// Disables an account (and ends its sessions, tokens and share links for good) or enables it again. Doing it twice changes nothing.
///
/// # Errors
/// [`Error::Conflict`] for the last admin who can sign in.
pub async fn set_enabled(app: &App, actor: &Actor, username: &str, enabled: bool) -> Result<()> {
    let (now, username) = (app.clock.now(), normalise(username));
    recheck::people(app, actor, move |conn, actor| {
        let id = named(conn, &username)?.id;
        set_enabled_in(conn, &actor, id, enabled, now).map(drop)
    })
    .await
}

/// [`set_enabled`] by id, within a transaction.
pub(super) fn set_enabled_in(
    conn: &mut PgConnection,
    actor: &Actor,
    id: Uuid,
    enabled: bool,
    now: DateTime<Utc>,
) -> Result<UserRow> {
    let (user, admins) = locked(conn, id)?;
    if user.disabled_at.is_none() == enabled {
        return Ok(user);
    }
    if !enabled {
        keep_an_admin(&admins, id)?;
        end_access(conn, id, now)?;
        db::password_links::delete_of_user(conn, id)?;
    }
    db::users::set_disabled(conn, id, (!enabled).then_some(now), now)?;
    let action = if enabled { "user.enable" } else { "user.disable" };
    audit::record(conn, now, actor, action, Subject::User(id), json!({ "username": user.username }))?;
    ended_access::end_lost(conn, actor, id, now)?;
    Ok(user)
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

/// An account and the admins who can sign in, locked until the transaction ends, so that two admins cannot
/// disable each other at once. The admins come first: everybody who changes people queues there.
pub(super) fn locked(conn: &mut PgConnection, id: Uuid) -> Result<(UserRow, Vec<Uuid>)> {
    let admins = db::users::lock_able_admins(conn)?;
    let user = db::users::find_for_update(conn, id)?.ok_or(Error::NotFound)?;
    Ok((user, admins))
}

/// # Errors
/// [`Error::Conflict`] when `leaving` is the only one of the locked `admins`.
pub(super) fn keep_an_admin(admins: &[Uuid], leaving: Uuid) -> Result<()> {
    if admins == [leaving] {
        return Err(Error::conflict(
            "last_admin",
            "This is the last admin who can sign in. Make another one first, or nobody could run the place.",
        ));
    }
    Ok(())
}

pub(super) fn named(conn: &mut PgConnection, username: &str) -> Result<UserRow> {
    db::users::find_by_name(conn, username)?
        .ok_or_else(|| Error::invalid("username", format!("There is no user \u{201c}{username}\u{201d}.")))
}
