//! Hands the trail out, event by event in the order of ids.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::who::ActorKind;
use crate::{
    app::App,
    db::{
        audit_list,
        audit_seals::{self, WholeEvent},
    },
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
        let (events, usernames) = app
            .db
            .run(move |conn| {
                let events = audit_seals::events_after(conn, after, since, STEP)?;
                let ids: HashSet<Uuid> = events.iter().filter_map(|(event, _)| event.actor_id).collect();
                let names = audit_list::user_names(conn, &ids.into_iter().collect::<Vec<_>>())?;
                let names = names.into_iter().map(|(id, username, _)| (id, username));
                Ok((events, names.collect::<HashMap<_, _>>()))
            })
            .await?;
        let Some((last, _)) = events.last() else { return Ok(count) };
        after = last.id;
        count += events.len();
        for (event, seal) in events {
            let username = event.actor_id.and_then(|id| usernames.get(&id));
            each(object(&event, username, seal))?;
        }
    }
}

fn object(event: &WholeEvent, username: Option<&String>, seal: Option<i64>) -> Value {
    json!({
        "id": event.id,
        "at": event.at,
        "actor": event.actor,
        "actor_kind": ActorKind::of(&event.actor, event.actor_id, &event.details).as_str(),
        "username": username,
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
