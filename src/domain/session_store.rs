//! The rows behind the sessions of the signed in. Only hashes of keys come here, never a key; what the state
//! holds is the web layer's affair.

use serde_json::Value;
use uuid::Uuid;

use super::maintenance::session_limits;
use crate::{
    app::App,
    db::{self, sessions::SessionRow},
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
            if live.as_ref().is_some_and(|live| now - live.last_seen_at >= TOUCH_EVERY) {
                db::sessions::touch(conn, &key_hash, now)?;
            }
            Ok(live)
        })
        .await
}

/// Keeps a new session of `user_id`.
pub async fn begin(app: &App, key_hash: Vec<u8>, user_id: Uuid, state: Value) -> Result<()> {
    let now = app.clock.now();
    let row = SessionRow { key_hash, user_id, state, created_at: now, last_seen_at: now };
    app.db.run(move |conn| db::sessions::insert(conn, &row)).await
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
