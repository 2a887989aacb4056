//! What the malware scanner means for a file: nothing is published without its word, when there is one to ask.

use serde_json::json;
use uuid::Uuid;

use super::{
    access::Actor,
    audit::{self, Subject},
};
use crate::{
    app::App,
    blocking,
    error::{Error, Refusal, Result},
    scanner::{ScanError, Verdict},
    storage::Staged,
};

/// Where a staged file is to go, for the trail.
pub struct Origin<'a> {
    pub actor: &'a Actor,
    pub batch_id: Uuid,
    pub filename: &'a str,
}

/// Has a staged file scanned and hands it back with what its row says of it: `clean`, or `skipped` without a
/// scanner.
///
/// # Errors
/// [`Refusal::Infected`], which the trail keeps; [`Refusal::ScannerUnavailable`] for every answer that is no clear
/// verdict.
pub async fn screen(app: &App, staged: Staged, origin: Origin<'_>) -> Result<(Staged, &'static str)> {
    let Some(scanner) = &app.scanner else { return Ok((staged, "skipped")) };
    let (staged, file) = blocking::run(move || {
        let file = staged.open().map_err(Error::internal)?;
        Ok((staged, file))
    })
    .await?;
    match scanner.scan(file).await {
        Ok(Verdict::Clean) => Ok((staged, "clean")),
        Ok(Verdict::Infected(found)) => {
            let Origin { actor, batch_id, filename } = origin;
            tracing::warn!(found, filename, %batch_id, user = actor.name, "malware was refused");
            let (actor, now) = (actor.clone(), app.clock.now());
            let details = json!({
                "filename": filename,
                "found": found,
                "size": staged.size,
                "sha256": hex::encode(staged.sha256),
            });
            let subject = Subject::Batch(batch_id);
            app.db
                .run(move |conn| audit::record(conn, now, &actor, "attachment.infected", subject, details))
                .await?;
            Err(Refusal::Infected { found }.into())
        }
        Err(error) => {
            tracing::error!(%error, "a file was not scanned, so it is not stored");
            let reason = match error {
                ScanError::AboveLimit(_) => "The file is larger than the malware scanner takes.",
                _ => "The malware scanner does not answer. Try again in a moment, or tell an admin.",
            };
            Err(Refusal::ScannerUnavailable { reason }.into())
        }
    }
}
