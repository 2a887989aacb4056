//! Two-factor by time-based codes (RFC 6238: SHA-1, 6 digits, 30 s, as every app knows them), with recovery codes.
//! A code counts once: the last step is kept.

use chrono::{DateTime, Utc};
use diesel::PgConnection;
use secrecy::SecretString;
use serde_json::json;
use sha2::{Digest, Sha256};
use totp_rs::{Builder, Secret, Totp};
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

use super::{
    access::Actor,
    audit::{self, Subject},
    auth, recheck, second_rule, users,
};
use crate::{
    app::App,
    db::{self, two_factor::FactorRow},
    error::{Error, Result},
};

const CODES: usize = 10;
/// How long an app's codes are.
const DIGITS: usize = 6;

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
            // A button that is pressed twice: one after the other.
            db::users::find_for_update(conn, account)?.ok_or(Error::NotFound)?;
            not_on(conn, account)?;
            db::two_factor::delete(conn, account)?;
            let row = FactorRow {
                user_id: account,
                secret: secret.to_vec(),
                created_at: now,
                enabled_at: None,
                last_step: 0,
                wrong_codes: 0,
                wait_until: None,
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

/// Turns two-factor on, given the password and the first code, and returns the recovery codes: they are seen this once.
///
/// # Errors
/// [`Error::Invalid`] for a wrong password or code, [`Error::Throttled`] after too many wrong passwords.
pub async fn confirm(app: &App, actor: &Actor, password: SecretString, code: &str) -> Result<Vec<String>> {
    let (account, now) = (actor.account()?, app.clock.now());
    app.db.run(move |conn| waiting(conn, account).map(drop)).await?;
    let user = auth::confirm_password(app, actor, "password", password).await?;
    let (actor, code) = (actor.clone(), code.to_owned());
    app.db
        .transaction(move |conn| {
            auth::still(conn, &user)?;
            let factor = waiting(conn, account)?;
            let step = step_of(&factor.secret, &code, now).ok_or_else(|| {
                Error::invalid("code", "This is not the code. Wait for the next one and try that.")
            })?;
            db::two_factor::enable(conn, account, step, now)?;
            audit::record(conn, now, &actor, "two_factor.on", Subject::User(account), json!({}))?;
            put_codes(conn, account)
        })
        .await
}

/// The factor that waits for its first code, locked.
fn waiting(conn: &mut PgConnection, account: Uuid) -> Result<FactorRow> {
    not_on(conn, account)?;
    db::two_factor::find_for_update(conn, account)?.ok_or_else(nothing_begun)
}

/// Makes new recovery codes in the place of all others, given the password: they are seen this once.
///
/// # Errors
/// [`Error::Conflict`] while two-factor is off, [`Error::Invalid`] for a wrong password, [`Error::Throttled`] after too
/// many.
pub async fn renew_codes(app: &App, actor: &Actor, password: SecretString) -> Result<Vec<String>> {
    let (account, now) = (actor.account()?, app.clock.now());
    let off = || Error::conflict("two_factor_off", "Two-factor is off. Turn it on first.");
    if !app.db.run(move |conn| is_on(conn, account)).await? {
        return Err(off());
    }
    let user = auth::confirm_password(app, actor, "password", password).await?;
    let actor = actor.clone();
    app.db
        .transaction(move |conn| {
            auth::still(conn, &user)?;
            let factor = db::two_factor::find_for_update(conn, account)?;
            factor.filter(|factor| factor.enabled_at.is_some()).ok_or_else(off)?;
            audit::record(conn, now, &actor, "two_factor.codes", Subject::User(account), json!({}))?;
            put_codes(conn, account)
        })
        .await
}

fn put_codes(conn: &mut PgConnection, account: Uuid) -> Result<Vec<String>> {
    let codes: Vec<String> = (0..CODES).map(|_| new_code()).collect();
    let hashes: Vec<Vec<u8>> = codes.iter().map(|code| hash(code)).collect();
    db::two_factor::replace_codes(conn, account, &hashes)?;
    Ok(codes)
}

/// Turns one's own two-factor off, given the password.
///
/// # Errors
/// [`Error::Invalid`] for a wrong password, [`Error::Throttled`] after too many; [`Error::Conflict`] where an admin
/// requires it.
pub async fn turn_off(app: &App, actor: &Actor, password: SecretString) -> Result<()> {
    let (account, now) = (actor.account()?, app.clock.now());
    let user = auth::confirm_password(app, actor, "password", password).await?;
    let actor = actor.clone();
    app.db
        .transaction(move |conn| {
            auth::still(conn, &user)?;
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
    let (now, username) = (app.clock.now(), users::normalise(username));
    recheck::people(app, actor, move |conn, actor| {
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
    let now = app.clock.now();
    recheck::people(app, actor, move |conn, actor| {
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

/// Whether this has the form of an app's code; recovery codes never have.
pub(super) fn is_of_app(code: &str) -> bool {
    let mut chars = code.chars().filter(|c| !c.is_whitespace());
    chars.clone().count() == DIGITS && chars.all(|c| c.is_ascii_digit())
}

/// The step that `code` belongs to, one before and one after the present included.
pub(super) fn step_of(secret: &[u8], code: &str, now: DateTime<Utc>) -> Option<i64> {
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let time = u64::try_from(now.timestamp()).ok()?;
    let step = totp(secret).ok()?.check(&code, time)?;
    i64::try_from(step).ok()
}

fn totp(secret: &[u8]) -> Result<Totp, totp_rs::TotpError> {
    Builder::new().with_secret(Secret::new(secret.into())).build()
}

/// Random bytes of a recovery code: 120 bits, so that a fast hash is enough (ASVS 5.0, 6.5.2 asks for 112). Earlier
/// versions made them of 80 bits; those count until their owner makes new ones.
const CODE_BYTES: usize = 15;

/// 24 letters and digits in groups of four (RFC 4648 base 32, which has no 0, 1, 8 and 9).
fn new_code() -> String {
    let text = Secret::new(Box::new(rand::random::<[u8; CODE_BYTES]>())).to_base32();
    text.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join("-")
}

/// The hash of a recovery code, however it was typed: case, blanks, dashes and full-width signs make no difference, and
/// digits that no code has are taken for the letters that look like them.
pub(super) fn hash(code: &str) -> Vec<u8> {
    let read = |c: char| match c.to_ascii_uppercase() {
        '0' => 'O',
        '1' => 'I',
        '8' => 'B',
        other => other,
    };
    let plain: String = code.nfkc().filter(char::is_ascii_alphanumeric).map(read).collect();
    Sha256::digest(plain).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_code_has_120_bits_in_readable_groups() {
        let code = new_code();
        let groups: Vec<&str> = code.split('-').collect();
        assert!(groups.len() == 6 && groups.iter().all(|group| group.len() == 4), "{code}");
        assert!(code.chars().all(|c| matches!(c, 'A'..='Z' | '2'..='7' | '-')), "{code}");
        assert_ne!(code, new_code());
        assert!(!is_of_app(&code));
    }

    #[test]
    fn recovery_code_counts_however_it_is_typed() {
        let right = hash("ABOB-IIII-2345-WXYZ-QRST-MNOP");
        for typed in [
            "abob-iiii-2345-wxyz-qrst-mnop",
            " ABOBIIII2345WXYZQRSTMNOP ",
            "abob iiii 2345 wxyz qrst mnop",
            "AB0B-I1I1-2345-WXYZ-QRST-MN0P",
            "A80B\u{2013}IIII\u{a0}2345_wxyz.qrst\tmnop",
            "\u{ff21}BOB-IIII-\u{ff12}345-WXYZ-QRST-MNOP",
        ] {
            assert_eq!(hash(typed), right, "{typed:?}");
        }
        assert_ne!(hash("ABOB-IIII-2345-WXYZ-QRST-MNOQ"), right);
    }
}
