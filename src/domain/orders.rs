//! Work that an admin ordered and a job does later. The order is asked about again when the job runs, and between the
//! steps of a long one: what an account ordered that was disabled or is no admin's any more is not done.

use serde_json::json;
use uuid::Uuid;

use super::{
    access::Actor,
    audit::{self, Subject},
    recheck,
};
use crate::{app::App, error::Result};

/// Whether an order stands; one that does not is put on record. `by` is `None` for what nobody with an account ordered,
/// and for orders of earlier versions.
pub async fn stands(app: &App, by: Option<Uuid>, job: &'static str) -> Result<bool> {
    let Some(by) = by else { return Ok(true) };
    let now = app.clock.now();
    app.db
        .transaction(move |conn| {
            if recheck::is_still_admin(conn, by)? {
                return Ok(true);
            }
            tracing::warn!(job, %by, "an order is not carried out: who gave it is no admin any more");
            let details = json!({ "job": job });
            audit::record(conn, now, &Actor::system(), "job.refused", Subject::User(by), details)?;
            Ok(false)
        })
        .await
}
