//! Views and downloads on record: written in the hop that looks the file up, so that a read waits for nothing more
//! than one statement, and never fails because of it.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::PgConnection;
use serde_json::json;

use super::{Subject, event};
use crate::{
    db::{attachments::AttachmentRow, audit_reads},
    domain::access::Actor,
};

pub use crate::db::audit_reads::Reader;

/// Looks of one person at one file within this time are one event: a viewer asks for a file many times.
pub const ONE_LOOK: TimeDelta = TimeDelta::minutes(15);

/// What a request for a file comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Nothing that is on record: a HEAD, or bytes that the client has already.
    Nothing,
    View,
    Download,
}

/// Puts a read on record. What goes wrong here goes to the log; the reader gets their file.
pub fn note(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    actor: &Actor,
    reading: Reading,
    row: &AttachmentRow,
) {
    let action = match reading {
        Reading::Nothing => return,
        Reading::View => "attachment.view",
        Reading::Download => "attachment.download",
    };
    let subject = Subject::Attachment { id: row.id, batch: row.batch_id };
    let event = event(now, actor, action, subject, json!({ "filename": row.original_name }));
    let written = match reading {
        Reading::View => audit_reads::insert_unless_since(conn, &event, now - ONE_LOOK),
        Reading::Download | Reading::Nothing => audit_reads::insert(conn, &event),
    };
    if let Err(error) = written {
        tracing::error!(error = ?error, action, attachment = %row.id, "a read is not on record");
    }
}
