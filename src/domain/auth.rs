//! Passwords, signing in, and the first admin.

use std::net::IpAddr;

use argon2::{Argon2, PasswordHasher, PasswordVerifier, password_hash::phc::PasswordHash};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{
    access::{Actor, Role},
    audit::{self, Subject},
    sites, throttle, two_factor, users, weak,
};
use crate::{
    app::App,
    blocking::Gate,
    db::{self, settings, users::UserRow},
    error::{Error, FieldError, Result},
};

/// Least length of a password in characters (ASVS 5.0, 6.2.1 asks for 8 and recommends 15).
pub const PASSWORD_MIN_CHARS: usize = 12;
/// Longest password in bytes: a bound on what one request may hash, far above any real one.
const PASSWORD_MAX_BYTES: usize = 1024;
/// Longest name that is looked up and kept in the trail, in bytes: far above any real one.
const NAME_MAX_BYTES: usize = 256;

const SETUP_TOKEN_KEY: &str = "setup_token_sha256";

/// Hashes passwords with Argon2id, off the async threads and never more at once than there are cores: each
/// takes 19 MiB and a core.
#[derive(Clone)]
pub struct Passwords {
    gate: Gate,
}

impl Passwords {
    pub fn new() -> Self {
        Self { gate: Gate::new(std::thread::available_parallelism().map_or(1, usize::from)) }
    }

    /// The hash to keep, in PHC string format.
    pub async fn hash(&self, password: SecretString) -> Result<String> {
        self.gate
            .run(move || {
                let hash: PasswordHash = Argon2::default()
                    .hash_password(password.expose_secret().as_bytes())
                    .map_err(|error| Error::Internal(anyhow::anyhow!("hashing failed: {error}")))?;
                Ok(hash.to_string())
            })
            .await
    }

    /// Whether `password` is the one behind `hash`. Without a hash (no such user) the same work is done, so
    /// that the time tells nothing.
    pub async fn verify(&self, password: SecretString, hash: Option<String>) -> Result<bool> {
        self.gate
            .run(move || {
                let known = hash.is_some();
                let hash = hash.unwrap_or_else(|| NOBODYS_HASH.to_owned());
                let hash = PasswordHash::new(&hash)
                    .map_err(|error| Error::Internal(anyhow::anyhow!("stored hash is broken: {error}")))?;
                let password = password.expose_secret().as_bytes();
                Ok(Argon2::default().verify_password(password, &hash).is_ok() && known)
            })
            .await
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

/// A hash with the default parameters, whose password nobody knows.
pub(super) const NOBODYS_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$YmVjYXVzZSBub2JvZHk$\
    2Qm0bQd5S5rGhXJrTzUJmYQ0k4kF0bZ0jz0y3rT6v4Y";

/// Checks a new password.
///
/// # Errors
/// What is wrong with it, for the field `password`.
pub fn check_new_password(password: &SecretString) -> Result<(), FieldError> {
    let password = password.expose_secret();
    let chars = password.chars().count();
    if chars < PASSWORD_MIN_CHARS {
        return Err(FieldError::new(
            "password",
            format!(
                "{chars} characters. {PASSWORD_MIN_CHARS} or more are needed; three words in a row do well."
            ),
        ));
    }
    if password.len() > PASSWORD_MAX_BYTES {
        return Err(FieldError::new("password", "The password is longer than 1,024 bytes."));
    }
    if weak::is_weak(password) {
        return Err(FieldError::new(
            "password",
            "This is one of the first that anybody would try. Three words that do not belong together do well.",
        ));
    }
    Ok(())
}

/// Whether a given password is short enough to be hashed at all.
pub(super) fn is_hashable(password: &SecretString) -> bool {
    password.expose_secret().len() <= PASSWORD_MAX_BYTES
}

/// The same for somebody whose name is known: it is no secret.
///
/// # Errors
/// What is wrong with it, for the field `password`.
pub fn check_new_password_of(username: &str, password: &SecretString) -> Result<(), FieldError> {
    check_new_password(password)?;
    if weak::is_name(password.expose_secret(), username) {
        return Err(FieldError::new("password", "The user's name is no secret. Choose something else."));
    }
    Ok(())
}

/// How far a right password leads.
pub enum SignIn {
    In(Box<UserRow>),
    /// A code is needed too: [`super::two_factor::finish`].
    HalfWay(Box<UserRow>),
}

/// Signs a person in by name and password.
///
/// # Errors
/// [`Error::Unauthenticated`] for a wrong name, a wrong password and a disabled account alike;
/// [`Error::Throttled`] after too many attempts.
pub async fn sign_in(
    app: &App,
    username: &str,
    password: SecretString,
    address: Option<IpAddr>,
) -> Result<SignIn> {
    let username = users::normalise(username);
    if let Some(address) = address {
        throttle::attempt(app, &username, address).await?;
    }
    // Nobody has such a name, and PostgreSQL takes no NUL.
    let is_no_name = username.len() > NAME_MAX_BYTES || username.contains('\0');
    if is_no_name || !is_hashable(&password) {
        let shown = if is_no_name { "a name that nobody has".to_owned() } else { username };
        failed(app, Subject::System, shown, address).await?;
        return Err(Error::Unauthenticated);
    }
    let name = username.clone();
    let user = app.db.run(move |conn| db::users::find_by_name(conn, &name)).await?;
    let user = user.filter(|user| user.disabled_at.is_none());
    let right = app.passwords.verify(password, user.as_ref().map(|user| user.password_hash.clone())).await?;

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
            let subject = known.map_or(Subject::System, |user| Subject::User(user.id));
            failed(app, subject, username, address).await?;
            Err(Error::Unauthenticated)
        }
    }
}

/// Puts a failed attempt on record.
async fn failed(app: &App, subject: Subject, username: String, address: Option<IpAddr>) -> Result<()> {
    let now = app.clock.now();
    let mut stranger = Actor::system();
    stranger.name = "anonymous".to_owned();
    stranger.address = address;
    let details = json!({ "username": username });
    app.db.run(move |conn| audit::record(conn, now, &stranger, "login.failure", subject, details)).await
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
    let new = users::NewUser::checked(username, Role::Admin, &password)?;
    let hash = app.passwords.hash(password).await?;
    let now = app.clock.now();
    app.db
        .transaction(move |conn| {
            setup_is_open(conn, &given)?;
            // Whoever takes the token away first is the one: a second request finds nothing.
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
    let new = users::NewUser::checked(&first.username, Role::Admin, &first.password)?;
    let hash = app.passwords.hash(first.password).await?;
    let now = app.clock.now();
    app.db
        .transaction(move |conn| {
            let site = sites::default_site(conn)?;
            users::insert(conn, &Actor::console(), new, Some(hash), &[site.id], now)
        })
        .await?;
    Ok(true)
}

fn setup_is_open(conn: &mut diesel::PgConnection, given: &str) -> Result<()> {
    let kept: Option<String> = settings::get(conn, SETUP_TOKEN_KEY)?;
    let matches = kept.is_some_and(|kept| kept.as_bytes().ct_eq(given.as_bytes()).into());
    if matches && !db::users::any_admin(conn)? { Ok(()) } else { Err(Error::NotFound) }
}

fn hash_token(token: &str) -> String {
    hex::encode(Sha256::digest(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn right_wrong_and_unknown() {
        let passwords = Passwords::new();
        let hash = passwords.hash("correct horse battery".into()).await.unwrap();
        // The same work for somebody who is not there.
        let cost = |hash: &str| hash.rsplitn(3, '$').last().map(str::to_owned);
        assert_eq!(cost(&hash), cost(NOBODYS_HASH));
        assert!(passwords.verify("correct horse battery".into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("wrong horse battery".into(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("correct horse battery".into(), None).await.unwrap());
    }

    #[test]
    fn password_rules() {
        let check = |password: &str| check_new_password(&password.to_owned().into());
        assert!(check("elevenchars").is_err());
        assert!(check("twelve chars").is_ok());
        assert!(check("пароль длинный").is_ok());
        assert!(check(&"long and longer ".repeat(4)).is_ok());
        assert!(check("Password1234").is_err());
        assert!(check_new_password_of("ines", &"ines12345678".to_owned().into()).is_err());
        assert!(check(&"x".repeat(1025)).is_err());
    }
}
