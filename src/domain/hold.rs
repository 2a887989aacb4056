//! Legal hold: a batch that somebody may ask for in a dispute loses nothing until an admin releases it. Whatever
//! removes things asks [`retention`](super::retention) first.

use diesel::PgConnection;
use serde_json::json;
use uuid::Uuid;

use super::{
    access::{Action, Actor},
    audit::{self, Subject},
    batches, recheck,
};
use crate::{
    app::App,
    db::{self, batches::BatchRow},
    error::{Error, Result},
};

const REASON_MAX_CHARS: usize = 500;

/// Puts a batch on hold, in the trash or not. One that is on hold already keeps its first reason.
///
/// # Errors
/// [`Error::Invalid`] for a reason that will not do.
pub async fn hold(app: &App, actor: &Actor, id: Uuid, reason: &str) -> Result<BatchRow> {
    set(app, actor, id, Some(reason.trim().replace("\r\n", "\n"))).await
}

/// Takes a batch off hold. One that is on none stays as it is.
pub async fn release(app: &App, actor: &Actor, id: Uuid) -> Result<BatchRow> {
    set(app, actor, id, None).await
}

async fn set(app: &App, actor: &Actor, id: Uuid, reason: Option<String>) -> Result<BatchRow> {
    let now = app.clock.now();
    recheck::transaction(app, actor, move |conn, actor| {
        let batch = batches::locked(conn, &actor, Action::Hold, id)?;
        if batch.held_at.is_some() == reason.is_some() {
            return Ok(batch);
        }
        if let Some(reason) = &reason {
            check(reason)?;
            db::batches::set_hold(conn, id, Some((now, actor.account()?, reason)), now)?;
            let details = json!({ "number": batch.number, "reason": reason });
            audit::record(conn, now, &actor, "batch.hold", Subject::Batch(id), details)?;
        } else {
            db::batches::set_hold(conn, id, None, now)?;
            let details = json!({ "number": batch.number, "reason": batch.hold_reason });
            audit::record(conn, now, &actor, "batch.release", Subject::Batch(id), details)?;
        }
        Ok(batch)
    })
    .await
}

/// Who put a batch on hold, while it is.
pub(super) fn by(conn: &mut PgConnection, batch: &BatchRow) -> Result<Option<String>> {
    let user = batch.held_by.map(|id| db::users::find(conn, id)).transpose()?.flatten();
    Ok(user.map(|user| user.display_name))
}

fn check(reason: &str) -> Result<()> {
    if reason.chars().count() > REASON_MAX_CHARS {
        return Err(Error::invalid("reason", format!("At most {REASON_MAX_CHARS} characters.")));
    }
    if reason.chars().any(|c| c.is_control() && c != '\n') {
        return Err(Error::invalid("reason", "Control characters cannot stand here."));
    }
    Ok(())
}
