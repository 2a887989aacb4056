//! What the malware scanner means for a file: nothing is published without its word, when there is one to ask.

use serde_json::json;
use uuid::Uuid;

use super::{
    access::Actor,
    audit::{self, Subject},
};
use crate::{
    app::App,
    blocking, config,
    error::{Error, Refusal, Result},
    scanner::{self, Obstacle, ScanError, Verdict},
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
/// [`Refusal::Infected`], which the audit log keeps; [`Refusal::Unscannable`] for a file that the scanner cannot look
/// into; [`Refusal::ScannerUnavailable`] for every answer that is no clear verdict, and for a file larger than what the
/// scanner was seen to look at.
pub async fn screen(app: &App, staged: Staged, origin: Origin<'_>) -> Result<(Staged, &'static str)> {
    let Some(scanner) = &app.scanner else { return Ok((staged, "skipped")) };
    let (staged, file) = blocking::run(move || {
        let file = staged.open().map_err(Error::internal)?;
        Ok((staged, file))
    })
    .await?;
    match scanner.scan(file, staged.size).await {
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
        Err(ScanError::Unscannable(obstacle)) => {
            let Origin { actor, batch_id, filename } = origin;
            tracing::warn!(?obstacle, filename, %batch_id, user = actor.name, "a file that cannot be scanned was refused");
            Err(Refusal::Unscannable { reason: unscannable(obstacle) }.into())
        }
        Err(error) => Err(unavailable(app, &error).into()),
    }
}

fn unscannable(obstacle: Obstacle) -> &'static str {
    match obstacle {
        Obstacle::Encrypted => {
            "The file is protected with a password or against changes, so the malware scanner cannot look inside. \
             Save it without protection and send that."
        }
        Obstacle::Damaged => {
            "The file is damaged, so the malware scanner cannot look inside. Open it on your device, save it again and \
             send that."
        }
    }
}

fn unavailable(app: &App, error: &ScanError) -> Refusal {
    let reason = match error {
        ScanError::NotCovered { looks_up_to } => {
            let settings = scanner::required_settings(app.settings.now().max_upload_size);
            tracing::error!(%error, "a file was refused because it would not be scanned; in clamd.conf: {settings}");
            match looks_up_to / config::MB {
                0 => "The malware scanner does not look at files of this size. Tell an admin.".into(),
                mb => format!(
                    "The file is larger than the malware scanner takes: it looks at files of up to {mb} MB. Tell an admin."
                )
                .into(),
            }
        }
        ScanError::AboveLimit(_) => {
            tracing::error!(%error, "a file was not scanned, so it is not stored");
            "The file is larger than the malware scanner takes.".into()
        }
        _ => {
            tracing::error!(%error, "a file was not scanned, so it is not stored");
            "The malware scanner does not answer. Try again in a moment, or tell an admin.".into()
        }
    };
    Refusal::ScannerUnavailable { reason }
}
