//! Two-factor by time-based codes (RFC 6238: SHA-1, 6 digits, 30 s, as every app knows them), with recovery codes.
//! A code counts once: the last step is kept.

use std::net::{IpAddr, Ipv6Addr};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::PgConnection;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::SecretString;
use serde_json::json;
use sha2::{Digest, Sha256};
use totp_rs::{Builder, Secret, Totp};
use uuid::Uuid;

use super::{
    access::{Action, Actor, Resource, authorize},
    audit::{self, Subject},
    auth, second_rule, throttle, users,
};
use crate::{
    app::App,
    db::{self, two_factor::FactorRow, users::UserRow},
    error::{Error, Result},
};

const CODES: usize = 10;
/// Between the password and the code.
const HALF_WAY: TimeDelta = TimeDelta::minutes(5);

/// How somebody's second factor stands.
pub enum Status {
    Off,
    On {
        since: DateTime<Utc>,
        codes_left: i64,
        /// It cannot be turned off: the role needs it.
        is_required: bool,
    },
}

/// A secret on its way into an app.
pub struct Enrolment {
    /// To type in, in base 32.
    pub secret: String,
    /// The same as `otpauth:` address, for the QR code.
    pub uri: String,
}

pub async fn status(app: &App, actor: &Actor) -> Result<Status> {
    let account = actor.account()?;
    app.db
        .run(move |conn| match db::two_factor::find(conn, account)?.and_then(|factor| factor.enabled_at) {
            Some(since) => Ok(Status::On {
                since,
                codes_left: db::two_factor::codes_left(conn, account)?,
                is_required: second_rule::binds(conn, account)?,
            }),
            None => Ok(Status::Off),
        })
        .await
}

/// Makes a secret; it counts once [`confirm`] has seen a code made from it. An earlier unconfirmed one is forgotten.
///
/// # Errors
/// [`Error::Conflict`] when two-factor is on already.
pub async fn begin(app: &App, actor: &Actor, username: &str) -> Result<Enrolment> {
    let (account, now) = (actor.account()?, app.clock.now());
    let secret = rand::random::<[u8; 20]>();
    app.db
        .transaction(move |conn| {
            not_on(conn, account)?;
            db::two_factor::delete(conn, account)?;
            let row = FactorRow {
                user_id: account,
                secret: secret.to_vec(),
                created_at: now,
                enabled_at: None,
                last_step: 0,
            };
            db::two_factor::insert(conn, &row)
        })
        .await?;
    Ok(enrolment(&secret, username))
}

/// The secret that waits for its first code, to show it once more after a wrong one.
pub async fn pending(app: &App, actor: &Actor, username: &str) -> Result<Enrolment> {
    let account = actor.account()?;
    let factor = app.db.run(move |conn| db::two_factor::find(conn, account)).await?;
    let factor = factor.filter(|factor| factor.enabled_at.is_none()).ok_or_else(nothing_begun)?;
    Ok(enrolment(&factor.secret, username))
}

fn enrolment(secret: &[u8], username: &str) -> Enrolment {
    let secret = Secret::new(secret.into()).to_base32();
    let account = percent_encoding::utf8_percent_encode(username, percent_encoding::NON_ALPHANUMERIC);
    let uri = format!("otpauth://totp/Stillage:{account}?secret={secret}&issuer=Stillage");
    Enrolment { secret, uri }
}

fn nothing_begun() -> Error {
    Error::conflict("nothing_begun", "Nothing waits for a code. Begin again.")
}

fn not_on(conn: &mut PgConnection, account: Uuid) -> Result<()> {
    match db::two_factor::find_for_update(conn, account)? {
        Some(FactorRow { enabled_at: Some(_), .. }) => {
            Err(Error::conflict("two_factor_on", "Two-factor is on already. Turn it off first."))
        }
        _ => Ok(()),
    }
}

/// Turns two-factor on, given the first code, and returns the recovery codes: they are seen this once.
///
/// # Errors
/// [`Error::Invalid`] for a wrong code, [`Error::Throttled`] after too many.
pub async fn confirm(app: &App, actor: &Actor, code: &str) -> Result<Vec<String>> {
    let (account, now) = (actor.account()?, app.clock.now());
    throttle(app, account).await?;
    let (actor, code) = (actor.clone(), code.to_owned());
    app.db
        .transaction(move |conn| {
            not_on(conn, account)?;
            let factor = db::two_factor::find_for_update(conn, account)?.ok_or_else(nothing_begun)?;
            let step = step_of(&factor.secret, &code, now).ok_or_else(|| {
                Error::invalid("code", "This is not the code. Wait for the next one and try that.")
            })?;
            db::two_factor::enable(conn, account, step, now)?;
            let codes: Vec<String> = (0..CODES).map(|_| new_code()).collect();
            let hashes: Vec<Vec<u8>> = codes.iter().map(|code| hash(code)).collect();
            db::two_factor::add_codes(conn, account, &hashes)?;
            audit::record(conn, now, &actor, "two_factor.on", Subject::User(account), json!({}))?;
            Ok(codes)
        })
        .await
}

/// Turns one's own two-factor off, given the password.
///
/// # Errors
/// [`Error::Invalid`] for a wrong password, [`Error::Throttled`] after too many; [`Error::Conflict`] where an admin
/// requires it.
pub async fn turn_off(app: &App, actor: &Actor, password: SecretString) -> Result<()> {
    let (account, now) = (actor.account()?, app.clock.now());
    throttle(app, account).await?;
    let user = app.db.run(move |conn| db::users::find(conn, account)).await?.ok_or(Error::NotFound)?;
    let is_right =
        auth::is_hashable(&password) && app.passwords.verify(password, Some(user.password_hash)).await?;
    if !is_right {
        return Err(Error::invalid("password", "The password is wrong."));
    }
    let actor = actor.clone();
    app.db
        .transaction(move |conn| {
            if second_rule::binds(conn, account)? {
                return Err(Error::conflict(
                    "two_factor_required",
                    "Your role needs two-factor: it stays on.",
                ));
            }
            take_away(conn, &actor, account, now)
        })
        .await
}

/// Takes a user's second factor away, for somebody who has lost it, and ends their sessions and tokens.
pub async fn reset(app: &App, actor: &Actor, username: &str) -> Result<()> {
    authorize(actor, Action::Administer, Resource::System)?;
    let (actor, now, username) = (actor.clone(), app.clock.now(), users::normalise(username));
    app.db
        .transaction(move |conn| {
            let user = users::named(conn, &username)?;
            users::end_access(conn, user.id, now)?;
            take_away(conn, &actor, user.id, now)
        })
        .await
}

/// The same by id, from the person's page; returns their name. Without a second factor nothing happens.
///
/// # Errors
/// [`Error::NotFound`] for nobody.
pub async fn reset_of(app: &App, actor: &Actor, id: Uuid) -> Result<String> {
    authorize(actor, Action::Administer, Resource::System)?;
    let (actor, now) = (actor.clone(), app.clock.now());
    app.db
        .transaction(move |conn| {
            let user = db::users::find_for_update(conn, id)?.ok_or(Error::NotFound)?;
            if is_on(conn, id)? {
                users::end_access(conn, id, now)?;
                take_away(conn, &actor, id, now)?;
            }
            Ok(user.display_name)
        })
        .await
}

fn take_away(conn: &mut PgConnection, actor: &Actor, user: Uuid, now: DateTime<Utc>) -> Result<()> {
    if db::two_factor::delete(conn, user)? {
        audit::record(conn, now, actor, "two_factor.off", Subject::User(user), json!({}))?;
    }
    Ok(())
}

/// Whether this user has to bring a code.
pub(super) fn is_on(conn: &mut PgConnection, user: Uuid) -> Result<bool> {
    Ok(db::two_factor::find(conn, user)?.is_some_and(|factor| factor.enabled_at.is_some()))
}

/// Proof that somebody gave the right password a moment ago, good for `HALF_WAY`, for this browser (its CSRF
/// token) and as long as the password stays.
///
/// # Errors
/// None in practice: HMAC takes a key of any length.
pub fn half_way(app: &App, user: &UserRow, csrf: &str) -> Result<String> {
    let until = (app.clock.now() + HALF_WAY).timestamp();
    let proof = hex::encode(proof(app, user, until, csrf)?.finalize().into_bytes());
    Ok(format!("{}.{until}.{proof}", user.id))
}

fn proof(app: &App, user: &UserRow, until: i64, csrf: &str) -> Result<Hmac<Sha256>> {
    // A key of its own for this use.
    let key = Sha256::new().chain_update(b"second factor").chain_update(&app.session_key).finalize();
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&key).map_err(Error::internal)?;
    mac.update(format!("{} {until} {csrf} {}", user.id, user.password_hash).as_bytes());
    Ok(mac)
}

/// The second step of signing in: a code of the app, or a recovery code, each good once.
///
/// # Errors
/// [`Error::Unauthenticated`] for a wrong code and for a proof that does not hold; [`Error::Throttled`] after too many.
pub async fn finish(
    app: &App,
    half: &str,
    csrf: &str,
    code: &str,
    address: Option<IpAddr>,
) -> Result<UserRow> {
    let now = app.clock.now();
    let mut parts = half.splitn(3, '.');
    let id: Uuid = parts.next().and_then(|id| id.parse().ok()).ok_or(Error::Unauthenticated)?;
    let until: i64 = parts.next().and_then(|until| until.parse().ok()).ok_or(Error::Unauthenticated)?;
    let given = parts.next().and_then(|mac| hex::decode(mac).ok()).ok_or(Error::Unauthenticated)?;
    let user = app.db.run(move |conn| db::users::find(conn, id)).await?;
    let user = user.filter(|user| user.disabled_at.is_none()).ok_or(Error::Unauthenticated)?;
    if until < now.timestamp() || proof(app, &user, until, csrf)?.verify_slice(&given).is_err() {
        return Err(Error::Unauthenticated);
    }
    throttle(app, id).await?;
    let actor = auth::actor_for(&user, address)?;
    let code = code.to_owned();
    let is_right = app
        .db
        .transaction(move |conn| {
            let way = spend(conn, id, &code, now)?;
            let (action, details) = match way {
                Some(way) => ("login.success", json!({ "second": way })),
                None => ("login.second_failure", json!({})),
            };
            audit::record(conn, now, &actor, action, Subject::User(id), details)?;
            Ok(way.is_some())
        })
        .await?;
    if is_right { Ok(user) } else { Err(Error::Unauthenticated) }
}

/// Uses a code up and says what it was.
fn spend(
    conn: &mut PgConnection,
    user: Uuid,
    code: &str,
    now: DateTime<Utc>,
) -> Result<Option<&'static str>> {
    let Some(factor) = db::two_factor::find(conn, user)?.filter(|factor| factor.enabled_at.is_some()) else {
        // Taken away meanwhile: the password was right, but that is to be shown again.
        return Ok(None);
    };
    if let Some(step) = step_of(&factor.secret, code, now) {
        return Ok(db::two_factor::use_step(conn, user, step)?.then_some("app"));
    }
    Ok(db::two_factor::use_code(conn, user, &hash(code))?.then_some("recovery"))
}

/// Ten attempts at once, then one in six seconds: by account alone, wherever they come from, for only who has the
/// password gets so far.
async fn throttle(app: &App, user: Uuid) -> Result<()> {
    throttle::attempt(app, &format!("second {user}"), Ipv6Addr::from(user.as_u128()).into()).await.map(drop)
}

/// The step that `code` belongs to, one before and one after the present included.
fn step_of(secret: &[u8], code: &str, now: DateTime<Utc>) -> Option<i64> {
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let time = u64::try_from(now.timestamp()).ok()?;
    let step = totp(secret).ok()?.check(&code, time)?;
    i64::try_from(step).ok()
}

fn totp(secret: &[u8]) -> Result<Totp, totp_rs::TotpError> {
    Builder::new().with_secret(Secret::new(secret.into())).build()
}

/// 16 letters and digits in groups, 80 random bits, without those that look alike (RFC 4648 base 32).
fn new_code() -> String {
    let text = Secret::new(Box::new(rand::random::<[u8; 10]>())).to_base32();
    text.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join("-")
}

fn hash(code: &str) -> Vec<u8> {
    let plain: String =
        code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
    Sha256::digest(plain).to_vec()
}
