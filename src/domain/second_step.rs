//! The second step of signing in: a code of the app, or a recovery code, after the right password.
//!
//! Only who has the password gets so far, and an app's code is one of a million, of which three hold at any moment.
//! So wrong ones in a row make everybody wait, longer each time, and at last no code of the app counts any more: all
//! in all a guesser has a hundred tries. The owner is not locked out by it: a recovery code, which nobody guesses, counts
//! at any time and ends the waiting.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::PgConnection;
use hmac::{Hmac, Mac};
use serde_json::json;
use sha2::Sha256;
use uuid::Uuid;

use super::{
    access::Actor,
    audit::{self, Subject},
    auth,
    browsers::{self, Visitor},
    throttle, two_factor,
};
use crate::{
    app::App,
    db::{self, users::UserRow},
    error::{Error, Result},
};

/// Between the password and the code.
const HALF_WAY: TimeDelta = TimeDelta::minutes(5);

/// The wrong code in a row with which the waiting begins; the ones before are slips.
const FIRST_TO_WAIT: i32 = 5;
/// How long after that one; twice as long after each further one, up to the longest.
const FIRST_WAIT: TimeDelta = TimeDelta::seconds(30);
const LONGEST_WAIT: TimeDelta = TimeDelta::minutes(15);
/// The wrong code in a row after which no other counts (NIST SP 800-63B, 5.2.2).
const MOST: i32 = 100;

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
    app.mac("second factor", &format!("{} {until} {csrf} {}", user.id, user.password_hash))
}

/// Lets in who brings a code of the app, or a recovery code, each good once.
///
/// # Errors
/// [`Error::Unauthenticated`] for a wrong code and for a proof that does not hold; [`Error::Throttled`] while codes have
/// to wait; [`Error::Conflict`] once only recovery codes count.
pub async fn finish(app: &App, half: &str, csrf: &str, code: &str, visitor: &Visitor) -> Result<UserRow> {
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
    let attempt = match (browsers::known_to(app, visitor, id), visitor.address) {
        (Some(browser), _) => Some(throttle::in_browser(app, &format!("second {id}"), &browser).await?),
        (None, Some(address)) => Some(throttle::from_network(app, address).await?),
        (None, None) => None,
    };
    let actor = auth::actor_for(&user, visitor.address)?;
    let code = code.to_owned();
    let outcome = app.db.transaction(move |conn| judge(conn, &actor, id, &code, now)).await?;
    match outcome {
        Outcome::Right => {
            if let Some(attempt) = attempt {
                attempt.was_no_guess(app).await?;
            }
            Ok(user)
        }
        Outcome::Wrong => Err(Error::Unauthenticated),
        Outcome::Wait(wait) => Err(Error::Throttled { retry_after: wait.to_std().unwrap_or_default() }),
        Outcome::Locked => Err(Error::conflict(
            "second_locked",
            "After so many wrong codes only a recovery code counts. Without one, ask an admin to turn two-factor off.",
        )),
    }
}

/// What came of a code. None of these undoes what was noted.
enum Outcome {
    Right,
    Wrong,
    /// It was not even looked at.
    Wait(TimeDelta),
    Locked,
}

/// Uses a code up, or counts it as wrong. One at a time for each user, on all instances.
fn judge(
    conn: &mut PgConnection,
    actor: &Actor,
    user: Uuid,
    code: &str,
    now: DateTime<Utc>,
) -> Result<Outcome> {
    let factor = db::two_factor::find_for_update(conn, user)?;
    let Some(factor) = factor.filter(|factor| factor.enabled_at.is_some()) else {
        // Taken away meanwhile: the password was right, but that is to be shown again.
        return Ok(Outcome::Wrong);
    };
    if !two_factor::is_of_app(code) {
        if db::two_factor::use_code(conn, user, &two_factor::hash(code))? {
            return right(conn, actor, user, "recovery", now);
        }
        audit::record(conn, now, actor, "login.second_failure", Subject::User(user), json!({}))?;
        return Ok(Outcome::Wrong);
    }
    if factor.wrong_codes >= MOST {
        return Ok(Outcome::Locked);
    }
    if let Some(until) = factor.wait_until.filter(|until| *until > now) {
        return Ok(Outcome::Wait(until - now));
    }
    if let Some(step) = two_factor::step_of(&factor.secret, code, now)
        && db::two_factor::use_step(conn, user, step)?
    {
        return right(conn, actor, user, "app", now);
    }
    let wrong = factor.wrong_codes + 1;
    db::two_factor::put_wrong(conn, user, wrong, wait_after(wrong).map(|wait| now + wait))?;
    let action = match wrong {
        MOST => "login.second_locked",
        FIRST_TO_WAIT => "login.second_slowed",
        _ => "login.second_failure",
    };
    audit::record(conn, now, actor, action, Subject::User(user), json!({ "in_a_row": wrong }))?;
    Ok(Outcome::Wrong)
}

fn right(
    conn: &mut PgConnection,
    actor: &Actor,
    user: Uuid,
    way: &'static str,
    now: DateTime<Utc>,
) -> Result<Outcome> {
    db::two_factor::put_wrong(conn, user, 0, None)?;
    audit::record(conn, now, actor, "login.success", Subject::User(user), json!({ "second": way }))?;
    Ok(Outcome::Right)
}

/// How long nobody may try again after the wrong code that is the n-th in a row.
fn wait_after(wrong: i32) -> Option<TimeDelta> {
    let doublings = u32::try_from(wrong - FIRST_TO_WAIT).ok()?;
    let wait = 2_i32.checked_pow(doublings).and_then(|times| FIRST_WAIT.checked_mul(times));
    Some(wait.map_or(LONGEST_WAIT, |wait| wait.min(LONGEST_WAIT)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_is_twice_as_long_up_to_the_longest() {
        let seconds = |wrong| wait_after(wrong).map(|wait| wait.num_seconds());
        assert_eq!([1, 4].map(seconds), [None, None]);
        assert_eq!([5, 6, 7, 9].map(seconds), [Some(30), Some(60), Some(120), Some(480)]);
        assert_eq!([10, 11, 40, MOST, i32::MAX].map(seconds), [Some(900); 5]);
    }
}
