//! The door through which every file comes in, whatever brought it. It streams to disk in constant memory,
//! checks, publishes and records; what it does not acknowledge leaves no trace. `docs/architecture.md` has the
//! protocol step by step.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use diesel::{Connection, PgConnection};
use serde_json::json;
use uuid::Uuid;

use super::{
    access::{Action, Actor, Resource},
    audit::{self, Subject},
    batches,
    content::{self, Type},
    copies,
    inflow::Inflow,
    kind::Kind,
    limits::{LimitKey, Permit},
    placed::Placed,
    previews,
    recheck::{self, Watch},
    scan::{self, Origin},
};
use crate::{
    app::App,
    blocking,
    clock::Clock,
    config::{self, StorageMode},
    db::{
        self,
        attachments::{AttachmentRow, Found},
        batches::{BatchRow, Change},
        uploads::Claim,
    },
    error::{Error, Refusal, Result, UploadTrouble},
    storage::{Staged, StorageError, key},
};

/// Longest file name that is recorded, in bytes.
pub const NAME_MAX_BYTES: usize = 1024;

/// A batch that the actor may upload to.
pub struct Intake {
    app: Arc<App>,
    actor: Actor,
    batch_id: Uuid,
    watch: Watch,
    _permit: Permit,
}

impl Intake {
    /// Lets the actor in, once for all files of a request.
    ///
    /// # Errors
    /// [`Error::NotFound`] and [`Error::Forbidden`] as everywhere, [`Refusal::BatchClosed`],
    /// [`Error::Conflict`] for a batch in the trash, [`Error::Unavailable`] when too many uploads are under way.
    pub async fn open(app: &Arc<App>, actor: &Actor, batch_id: Uuid) -> Result<Self> {
        let asked = actor.clone();
        let site = app
            .db
            .run(move |conn| {
                let batch = batches::visible(conn, &asked, Action::ManageFiles, batch_id)?;
                takes_files(&batch).map(|()| batch.site_id)
            })
            .await?;
        let watch = Watch::of(actor, Action::ManageFiles, Resource::Site(site));
        let permit = app.limits.uploads.acquire(&[LimitKey::of(actor).ok_or(Error::Forbidden)?])?;
        Ok(Self { app: Arc::clone(app), actor: actor.clone(), batch_id, watch, _permit: permit })
    }

    /// Begins one file.
    ///
    /// # Errors
    /// [`Refusal::UnsupportedType`] when the name's extension is not allowed.
    pub fn file(&self, filename: &str) -> Result<Incoming<'_>> {
        let kind = kind_of(&self.app, filename)?;
        let inflow = Inflow::new(&self.app, kind);
        Ok(Incoming { intake: self, filename: filename.to_owned(), inflow, watch: self.watch.clone() })
    }
}

/// # Errors
/// [`Refusal::BatchClosed`], [`Error::Conflict`] for a batch in the trash.
pub(super) fn takes_files(batch: &BatchRow) -> Result<()> {
    batches::not_in_trash(batch)?;
    if batch.status == "closed" { Err(Refusal::BatchClosed.into()) } else { Ok(()) }
}

/// The type that a file of this name must have.
///
/// # Errors
/// [`Refusal::UnsupportedType`] for an extension that is not allowed, [`Refusal::Malformed`] for a name that
/// cannot be recorded.
pub(super) fn kind_of(app: &App, filename: &str) -> Result<&'static Type> {
    if filename.is_empty() || filename.len() > NAME_MAX_BYTES || filename.contains('\0') {
        return Err(Refusal::Malformed { reason: "The file's name cannot be used.".into() }.into());
    }
    content::claimed_by(filename, &app.settings.now().extras)
}

/// # Errors
/// [`Refusal::TooLarge`] when a file of `size` bytes is over the limit.
pub(super) fn check_size(app: &App, size: u64) -> Result<()> {
    let limit = app.settings.now().max_upload_size;
    if size > limit { Err(Refusal::TooLarge { limit_mb: limit / config::MB }.into()) } else { Ok(()) }
}

/// One file on its way in. Dropping it forgets the file.
pub struct Incoming<'a> {
    intake: &'a Intake,
    filename: String,
    inflow: Inflow,
    watch: Watch,
}

impl Incoming<'_> {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// The reason why this file will not be stored; the caller drops it then.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        check_size(&self.intake.app, self.inflow.size() + bytes.len() as u64)?;
        self.watch.ask(&self.intake.app).await?;
        self.inflow.write(bytes).await
    }

    /// Ends the file: durable, checked, published, recorded. Only when this returns is it stored.
    ///
    /// # Errors
    /// The reason why it is not stored; nothing is left of it then.
    pub async fn finish(mut self) -> Result<Found> {
        if self.inflow.size() == 0 {
            return Err(Refusal::EmptyFile.into());
        }
        self.inflow.check_all()?;
        let Self { intake, filename, inflow, .. } = self;
        let arrival = Arrival {
            batch_id: intake.batch_id,
            stored_name: key::stored_name(Uuid::new_v4(), &filename),
            filename,
            kind: inflow.kind(),
            claim: None,
            past: None,
        };
        let staged = inflow.close().await?;
        admit(&intake.app, &intake.actor, arrival, staged).await
    }
}

/// What is known of a file before it is stored.
pub(super) struct Arrival {
    pub batch_id: Uuid,
    pub filename: String,
    pub kind: &'static Type,
    /// Its name in the store, `{uuid}_{name}`.
    pub stored_name: String,
    /// The resumable upload that ends with this file, if it is one.
    pub claim: Option<Claim>,
    /// What it was in an older system, if it comes from one.
    pub past: Option<Past>,
}

/// What an imported file keeps.
pub(super) struct Past {
    pub uploaded_at: DateTime<Utc>,
    /// The account that the row names.
    pub account: Uuid,
    /// Who uploaded it, when that is nobody with an account.
    pub uploader: Option<String>,
}

/// The last steps of every file, whatever brought it: checked, scanned, published, recorded. Only when this returns is
/// it stored.
///
/// # Errors
/// The reason why it is not stored; nothing is left of it then, but for the staged file of a resumable upload.
pub(super) async fn admit(app: &Arc<App>, actor: &Actor, arrival: Arrival, staged: Staged) -> Result<Found> {
    let Arrival { batch_id, filename, kind, stored_name, claim, past } = arrival;
    let (staged, whole) = blocking::run(move || {
        let pixels = kind.check_whole(staged.open().map_err(refuse)?)?;
        let whole = Whole::of(&staged, pixels);
        Ok((staged, whole))
    })
    .await?;
    let (staged, scan) = scan::screen(app, staged, Origin { actor, batch_id, filename: &filename }).await?;
    let placed = Placed::place(app, staged, stored_name.clone()).await?;

    let row = AttachmentRow {
        id: Uuid::now_v7(),
        batch_id,
        stored_name,
        original_name: filename,
        content_type: kind.media_type.to_owned(),
        size_bytes: whole.size,
        sha256: whole.sha256.to_vec(),
        width: whole.pixels.map(|(width, _)| width),
        height: whole.pixels.map(|(_, height)| height),
        state: "available".to_owned(),
        scan: scan.to_owned(),
        uploaded_by: past.as_ref().map_or_else(|| actor.account(), |past| Ok(past.account))?,
        uploaded_at: past.as_ref().map_or_else(|| app.clock.now(), |past| past.uploaded_at),
        trashed_at: None,
        trashed_by: None,
        kind: Kind::of_type(kind.media_type).key().to_owned(),
        note: String::new(),
    };
    record(app, actor, row, claim, past, placed).await
}

/// What is known of a whole file.
struct Whole {
    size: i64,
    sha256: [u8; 32],
    pixels: Option<(i32, i32)>,
}

impl Whole {
    fn of(staged: &Staged, pixels: Option<(u32, u32)>) -> Self {
        // Both fit: sizes stay below 2^50 by configuration, sides below 2^27 by the bound on pixels.
        Self {
            size: staged.size as i64,
            sha256: staged.sha256,
            pixels: pixels.map(|(width, height)| (width as i32, height as i32)),
        }
    }
}

/// What a storage failure means to whoever uploads. The details go to the log.
pub(super) fn refuse(error: StorageError) -> Error {
    tracing::error!(%error, "an upload was not stored");
    let reason = match error {
        StorageError::ReadOnly(reason) => reason.into(),
        StorageError::Full => "The disk of the server is full.".into(),
        StorageError::Cloud(_) => "The cloud storage does not take files right now.".into(),
        StorageError::Io { .. } | StorageError::Mismatch | StorageError::Taken => {
            "The disk of the server failed.".into()
        }
    };
    Refusal::StorageUnavailable { reason }.into()
}

/// How a transaction ended.
enum Outcome {
    Committed(Box<Found>),
    /// Nothing was kept, without doubt.
    RolledBack(Error),
    /// The answer to the commit was lost.
    Unknown(Error),
}

/// Records a file that is in its home, or takes it back.
async fn record(
    app: &Arc<App>,
    actor: &Actor,
    row: AttachmentRow,
    claim: Option<Claim>,
    past: Option<Past>,
    placed: Placed,
) -> Result<Found> {
    let id = row.id;
    let (actor, clock, mode) = (actor.clone(), app.clock.clone(), app.config.storage_mode);
    let outcome =
        app.db.run(move |conn| Ok(commit(conn, &actor, &row, claim, past.as_ref(), &clock, mode))).await;
    match outcome {
        Ok(Outcome::Committed(found)) => {
            placed.confirm(app).await;
            app.metrics.stored(found.row.size_bytes as u64);
            Ok(*found)
        }
        Ok(Outcome::RolledBack(error)) | Err(error) => {
            placed.take_back(app).await?;
            Err(db::trouble::explained(error))
        }
        Ok(Outcome::Unknown(error)) => {
            // In doubt the file stays: if no row names it, the reconciler moves it aside later.
            placed.confirm(app).await;
            tracing::error!(%id, ?error, "the commit of an upload was not answered");
            settle(app, id).await.ok_or_else(Error::database_busy)
        }
    }
}

fn commit(
    conn: &mut PgConnection,
    actor: &Actor,
    row: &AttachmentRow,
    claim: Option<Claim>,
    past: Option<&Past>,
    clock: &Clock,
    mode: StorageMode,
) -> Outcome {
    let (mut ready, now) = (false, clock.now());
    let result = conn.transaction(|conn| {
        // The rights count now, not when the first byte came: see `recheck`.
        let actor = &recheck::current(conn, now, actor)?;
        batches::visible(conn, actor, Action::ManageFiles, row.batch_id)?;
        db::attachments::insert(conn, row)?;
        copies::record_new(conn, clock, mode, row.id, now)?;
        let subject = Subject::Attachment { id: row.id, batch: row.batch_id };
        let mut details = json!({
            "filename": row.original_name,
            "size": row.size_bytes,
            "sha256": hex::encode(&row.sha256),
        });
        let action = if let Some(past) = past {
            if let Some(uploader) = &past.uploader {
                db::imports::set_uploader(conn, row.id, uploader)?;
            }
            details["stored_name"] = json!(row.stored_name);
            details["uploaded_at"] = json!(past.uploaded_at);
            details["uploaded_by"] = json!(past.uploader);
            "attachment.import"
        } else {
            "attachment.upload"
        };
        audit::record(conn, now, actor, action, subject, details)?;
        previews::order(conn, clock, row.id, &row.content_type)?;
        if let Some(claim) = claim
            && !db::uploads::finish(conn, claim, row.id, now)?
        {
            return Err(UploadTrouble::Busy.into());
        }
        // Last, because it locks the batch's row against other uploads until the commit. It also sees a batch
        // that was closed or deleted while the bytes were coming in.
        if !db::batches::count_into_open(conn, row.batch_id, Change::added(row), now)? {
            let batch = db::batches::find(conn, row.batch_id)?.ok_or(Error::NotFound)?;
            batches::not_in_trash(&batch)?;
            return Err(Refusal::BatchClosed.into());
        }
        let found = db::attachments::find(conn, row.id)?.ok_or(Error::NotFound)?;
        ready = true;
        Ok(found)
    });
    match result {
        Ok(found) => Outcome::Committed(Box::new(found)),
        Err(error) if ready => Outcome::Unknown(error),
        Err(error) => Outcome::RolledBack(error),
    }
}

/// Reads a row back whose commit was not answered. A database that answers has done it within seconds or never will;
/// one that comes back after a crash may need longer until it answers.
async fn settle(app: &App, id: Uuid) -> Option<Found> {
    let mut absent = 0;
    for pause_ms in [0, 100, 300, 900, 2700, 5000, 10_000] {
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        match app.db.run(move |conn| db::attachments::find(conn, id)).await {
            Ok(Some(found)) => return Some(found),
            Ok(None) if absent == 3 => break,
            Ok(None) => absent += 1,
            Err(error) => tracing::warn!(%error, %id, "an unanswered commit is not settled yet"),
        }
    }
    tracing::error!(%id, "an upload's commit was never answered; its file stays for the reconciler");
    None
}
