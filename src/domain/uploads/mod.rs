//! Resumable uploads: begun, looked at, ended. What is appended goes through `append`, and the whole file
//! through the same door as every other (`intake`).
//!
//! What a crash leaves behind is put right by whoever comes next: the row says how many bytes are durable, and
//! the staged file is cut to that. The last bytes count only in the transaction that records the file, so that
//! an upload that looks whole is stored, and stored once. A staged file that is gone starts again at zero.

mod append;
mod checksum;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::PgConnection;
use uuid::Uuid;

use super::{
    access::{Action, Actor},
    batches, intake, recheck,
};
use crate::{
    app::App,
    blocking,
    db::{self, batches::BatchRow, uploads::UploadRow},
    error::{Error, Refusal, Result, UploadTrouble},
};

pub use append::{Append, Begun, Came};
pub use checksum::Checksum;

/// An upload lives for this long after its last byte.
const LIFE: TimeDelta = TimeDelta::hours(24);
/// One that is over is remembered for this long, for clients that lost the answer.
const MEMORY: TimeDelta = TimeDelta::days(7);

/// Unfinished uploads of one person. Each may keep a staged file for as long as it lives.
const OPEN_MAX: usize = 1000;
/// When somebody may come back who has as many.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// What a client wants to send.
pub struct Offer {
    pub batch_id: Uuid,
    pub filename: String,
    pub length: u64,
    /// As the client sent it.
    pub metadata: String,
}

/// An upload as its owner sees it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub row: UploadRow,
    /// SHA-256 of the stored file, once it is stored.
    pub sha256: Option<Vec<u8>>,
}

/// Begins an upload; nothing is written to the store before its first byte.
///
/// # Errors
/// As for any upload to the batch, and every refusal that can be told before a byte is there; [`Error::TooMany`] when
/// the actor has too many that are not finished. Requests at the same moment may get a few past that.
pub async fn create(app: &Arc<App>, actor: &Actor, offer: Offer) -> Result<Seen> {
    let now = app.clock.now();
    let store = Arc::clone(&app.store);
    let (kind, limit, store) = (
        intake::kind_of(app, &offer.filename),
        intake::check_size(app, offer.length),
        blocking::run(move || store.check().map_err(intake::refuse)).await,
    );
    let user_id = actor.account()?;
    let row = recheck::transaction(app, actor, move |conn, actor| {
            let batch = batches::visible(conn, &actor, Action::ManageFiles, offer.batch_id)?;
            intake::takes_files(&batch)?;
            kind?;
            limit?;
            if offer.length == 0 {
                return Err(Refusal::EmptyFile.into());
            }
            // A store that takes nothing says so before the bytes come.
            store?;
            if db::uploads::open_of(conn, user_id, now, OPEN_MAX as i64)? >= OPEN_MAX {
                let message = format!(
                    "You have {OPEN_MAX} unfinished uploads. Finish or cancel some of them; what nobody goes on with \
                     ends by itself after a day."
                );
                return Err(Error::TooMany {
                    code: "too_many_uploads",
                    message: message.into(),
                    retry_after: RETRY_AFTER,
                });
            }
            let row = UploadRow {
                id: Uuid::new_v4(),
                batch_id: offer.batch_id,
                user_id,
                filename: offer.filename,
                metadata: offer.metadata,
                // Below 2^50, for it is within the limit.
                length: offer.length as i64,
                received: 0,
                state: "open".to_owned(),
                attachment_id: None,
                lease: None,
                lease_until: None,
                created_at: now,
                updated_at: now,
                expires_at: now + LIFE,
            };
            db::uploads::insert(conn, &row)?;
            Ok(row)
        })
        .await?;
    Ok(Seen { row, sha256: None })
}

/// How far an upload is.
///
/// # Errors
/// [`Error::NotFound`] for what is not the actor's, [`UploadTrouble::Over`] when it expired or was cancelled.
pub async fn look(app: &App, actor: &Actor, id: Uuid) -> Result<Seen> {
    let (actor, now) = (actor.clone(), app.clock.now());
    app.db
        .run(move |conn| {
            let (row, _) = own(conn, &actor, id)?;
            living(&row, now)?;
            seen(conn, row)
        })
        .await
}

/// Ends an upload and forgets its bytes.
///
/// # Errors
/// As [`look`], and [`UploadTrouble::Finished`] when the file is stored.
pub async fn cancel(app: &Arc<App>, actor: &Actor, id: Uuid) -> Result<()> {
    let now = app.clock.now();
    recheck::transaction(app, actor, move |conn, actor| {
        let (row, _) = own(conn, &actor, id)?;
        living(&row, now)?;
        if db::uploads::cancel(conn, id, now)? { Ok(()) } else { Err(UploadTrouble::Finished.into()) }
    })
    .await?;
    discard(app, id).await
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Uploads whose time was over.
    pub expired: usize,
    /// Staged files removed.
    pub files: usize,
    /// Rows of ended uploads removed.
    pub forgotten: usize,
}

/// Ends uploads whose time is over and removes the staged files of those that ended in whatever way.
pub async fn sweep(app: &Arc<App>) -> Result<Swept> {
    let now = app.clock.now();
    let expired = app.db.run(move |conn| db::uploads::expire(conn, now)).await?;
    let store = Arc::clone(&app.store);
    // The files first, then the rows: a row is there before its file, so that no new upload is swept.
    let staged = blocking::run(move || store.resumable().map_err(Error::internal)).await?;
    let asked = staged.clone();
    let open = app.db.run(move |conn| db::uploads::open_among(conn, &asked)).await?;
    let left: Vec<Uuid> = staged.into_iter().filter(|id| !open.contains(id)).collect();
    let files = left.len();
    for id in left {
        discard(app, id).await?;
    }
    let forgotten = app.db.run(move |conn| db::uploads::remove_ended(conn, now - MEMORY)).await?;
    Ok(Swept { expired, files, forgotten })
}

async fn discard(app: &Arc<App>, id: Uuid) -> Result<()> {
    let store = Arc::clone(&app.store);
    blocking::run(move || store.discard(id).map_err(Error::internal)).await
}

/// The actor's own upload and its batch, as long as they may upload to that.
fn own(conn: &mut PgConnection, actor: &Actor, id: Uuid) -> Result<(UploadRow, BatchRow)> {
    let row = db::uploads::find(conn, id)?.ok_or(Error::NotFound)?;
    if actor.id() != Some(row.user_id) {
        return Err(Error::NotFound);
    }
    let batch = batches::visible(conn, actor, Action::ManageFiles, row.batch_id)?;
    Ok((row, batch))
}

fn living(row: &UploadRow, now: DateTime<Utc>) -> Result<()> {
    match row.state.as_str() {
        "finished" => Ok(()),
        "open" if row.expires_at > now => Ok(()),
        _ => Err(UploadTrouble::Over.into()),
    }
}

fn seen(conn: &mut PgConnection, row: UploadRow) -> Result<Seen> {
    let sha256 = match row.attachment_id {
        Some(id) => db::attachments::locate(conn, id)?.map(|located| located.row.sha256),
        None => None,
    };
    Ok(Seen { row, sha256 })
}
