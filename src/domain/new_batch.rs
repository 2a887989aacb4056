//! A batch that is not there yet, made by a person or by an import.

use chrono::{DateTime, Utc};
use diesel::PgConnection;
use serde_json::json;
use uuid::Uuid;

use super::{
    access::Actor,
    audit::{self, Subject},
    batches::{BatchRow, Details, number_taken},
};
use crate::{
    db::{self, batches::NewBatchRow},
    error::{Error, Result},
};

/// Makes the batch and its event, in the caller's transaction.
pub(super) fn insert(
    conn: &mut PgConnection,
    actor: &Actor,
    account: Uuid,
    site_id: Uuid,
    details: Details,
    now: DateTime<Utc>,
) -> Result<BatchRow> {
    let details = details.checked()?;
    let id = Uuid::now_v7();
    let row = NewBatchRow {
        id,
        site_id,
        number: &details.number,
        product: &details.product,
        notes: &details.notes,
        created_by: account,
        created_at: now,
        updated_at: now,
        last_activity_at: now,
    };
    db::batches::insert(conn, &row).map_err(|error| number_taken(error, &details.number))?;
    let event = json!({ "number": details.number, "product": details.product });
    audit::record(conn, now, actor, "batch.create", Subject::Batch(id), event)?;
    db::batches::find(conn, id)?.ok_or(Error::NotFound)
}
