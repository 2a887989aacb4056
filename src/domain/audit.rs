//! Events: written in the transaction of what they describe, or not at all; [`reads`] beside what they describe.
//! [`actions`] are all there are. [`seal`] chains them, [`verify`] proves that nobody changed them since and [`watch`]
//! does so every day, [`anchor`] keeps their head elsewhere, [`export`] hands them out, [`list`] and [`history`] show
//! them, [`who`] tells people from what is none.

pub mod actions;
pub mod anchor;
pub mod export;
pub mod history;
pub mod list;
pub mod reads;
pub mod seal;
pub mod verify;
pub mod watch;
pub mod who;

use chrono::{DateTime, Utc};
use diesel::PgConnection;
use serde_json::Value;
use uuid::Uuid;

use super::access::Actor;
use crate::{
    db::{self, audit::NewEvent},
    error::Result,
};

pub use crate::db::audit::EventRow;

/// What an event is about.
#[derive(Clone, Copy, Debug)]
pub enum Subject {
    Batch(Uuid),
    Attachment { id: Uuid, batch: Uuid },
    User(Uuid),
    Site(Uuid),
    System,
}

impl Subject {
    fn key(self) -> String {
        match self {
            Self::Batch(id) => format!("batch:{id}"),
            Self::Attachment { id, .. } => format!("attachment:{id}"),
            Self::User(id) => format!("user:{id}"),
            Self::Site(id) => format!("site:{id}"),
            Self::System => "system".to_owned(),
        }
    }
}

/// Adds one event. `action` is `noun.verb`, such as `batch.close`.
pub fn record(
    conn: &mut PgConnection,
    at: DateTime<Utc>,
    actor: &Actor,
    action: &str,
    subject: Subject,
    details: Value,
) -> Result<()> {
    db::audit::insert(conn, &event(at, actor, action, subject, details))
}

/// Adds the same act on several things.
pub fn record_many(
    conn: &mut PgConnection,
    at: DateTime<Utc>,
    actor: &Actor,
    action: &str,
    subjects: impl IntoIterator<Item = (Subject, Value)>,
) -> Result<()> {
    let events: Vec<_> =
        subjects.into_iter().map(|(subject, details)| event(at, actor, action, subject, details)).collect();
    db::audit::insert_many(conn, &events)
}

fn event<'a>(
    at: DateTime<Utc>,
    actor: &'a Actor,
    action: &'a str,
    subject: Subject,
    mut details: Value,
) -> NewEvent<'a> {
    if let (Some(token), Some(details)) = (actor.token(), details.as_object_mut()) {
        details.insert(who::TOKEN.to_owned(), token.into());
    }
    let (batch_id, attachment_id) = match subject {
        Subject::Batch(id) => (Some(id), None),
        Subject::Attachment { id, batch } => (Some(batch), Some(id)),
        Subject::User(_) | Subject::Site(_) | Subject::System => (None, None),
    };
    NewEvent {
        at,
        actor: &actor.name,
        actor_id: actor.id(),
        address: actor.address.map(|address| address.to_string()),
        action,
        subject: subject.key(),
        batch_id,
        attachment_id,
        details,
    }
}
