//! The rows behind the sessions of the signed in. Only hashes of keys come here, never a key; what the state
//! holds is the web layer's affair.

use serde_json::Value;
use uuid::Uuid;

use super::maintenance::session_limits;
use crate::{
    app::App,
    db::{self, sessions::SessionRow, users::UserRow},
    error::Result,
};

pub use crate::db::sessions::LiveSession;

/// A session's last use is written at most this often.
const TOUCH_EVERY: chrono::TimeDelta = chrono::TimeDelta::seconds(60);

/// The session under `key_hash`, if it is still good, with its user as they are at this moment.
pub async fn load(app: &App, key_hash: Vec<u8>) -> Result<Option<LiveSession>> {
    let (idle_since, made_since) = session_limits(app);
    let now = app.clock.now();
    app.db
        .run(move |conn| {
            let live = db::sessions::find_live(conn, &key_hash, idle_since, made_since)?;
            // Either way: a use in the future was written by a clock that has been set back since.
            if live.as_ref().is_some_and(|live| (now - live.last_seen_at).abs() >= TOUCH_EVERY) {
                db::sessions::touch(conn, &key_hash, now)?;
                if let Some(live) = &live {
                    db::users::seen(conn, live.user_id, now)?;
                }
            }
            Ok(live)
        })
        .await
}

/// A session that is to begin.
pub struct NewSession {
    pub key_hash: Vec<u8>,
    pub user_id: Uuid,
    /// The [`password_mark`] of the account as it was verified.
    pub password: Option<i64>,
    /// As the browser gives it; may be empty.
    pub user_agent: String,
    /// Where it comes from; empty when that is not known.
    pub address: String,
    pub state: Value,
}

/// Tells one password of an account from the next, by when it was set. The database keeps microseconds.
pub fn password_mark(user: &UserRow) -> Option<i64> {
    user.password_set_at.map(|at| at.timestamp_micros())
}

/// Keeps a new session, unless the password was replaced or the account disabled while it was still being verified: its
/// key then opens nothing, also when the account is enabled again, and the next page asks to sign in.
pub async fn begin(app: &App, new: NewSession) -> Result<()> {
    let now = app.clock.now();
    app.db
        .transaction(move |conn| {
            let user = db::users::find_for_update(conn, new.user_id)?;
            let user = user.filter(|user| user.disabled_at.is_none());
            if user.is_none_or(|user| password_mark(&user) != new.password) {
                return Ok(());
            }
            let row = SessionRow {
                id: Uuid::new_v4(),
                key_hash: new.key_hash,
                user_id: new.user_id,
                state: new.state,
                created_at: now,
                last_seen_at: now,
                user_agent: new.user_agent,
                address: new.address,
            };
            db::sessions::insert(conn, &row)?;
            db::users::seen(conn, row.user_id, now)
        })
        .await
}

/// Keeps what changed in a session; one that was ended meanwhile stays ended.
pub async fn update(app: &App, key_hash: Vec<u8>, state: Value) -> Result<()> {
    app.db.run(move |conn| db::sessions::set_state(conn, &key_hash, &state)).await?;
    Ok(())
}

/// Ends a session at once, on every instance.
pub async fn end(app: &App, key_hash: Vec<u8>) -> Result<()> {
    app.db.run(move |conn| db::sessions::delete(conn, &key_hash)).await
}
