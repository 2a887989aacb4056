//! Hands the trail out, event by event in the order of ids.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::{
    app::App,
    db::audit_seals::{self, WholeEvent},
    domain::access::{Action, Actor, Resource, authorize},
    error::Result,
};

/// Events read in one step.
const STEP: i64 = 1000;

/// Calls `each` with every event from `since` on, as a JSON object with its seal. Memory stays constant.
///
/// # Errors
/// [`crate::error::Error::Forbidden`] for all but admins, and what `each` returns.
pub async fn export(
    app: &App,
    actor: &Actor,
    since: Option<DateTime<Utc>>,
    mut each: impl FnMut(Value) -> Result<()>,
) -> Result<usize> {
    authorize(actor, Action::Administer, Resource::System)?;
    let (mut after, mut count) = (0, 0);
    loop {
        let events = app.db.run(move |conn| audit_seals::events_after(conn, after, since, STEP)).await?;
        let Some((last, _)) = events.last() else { return Ok(count) };
        after = last.id;
        count += events.len();
        for (event, seal) in events {
            each(object(event, seal))?;
        }
    }
}

fn object(event: WholeEvent, seal: Option<i64>) -> Value {
    json!({
        "id": event.id,
        "at": event.at,
        "actor": event.actor,
        "actor_id": event.actor_id,
        "address": event.address,
        "action": event.action,
        "subject": event.subject,
        "batch_id": event.batch_id,
        "attachment_id": event.attachment_id,
        "details": event.details,
        "seal": seal,
    })
}
