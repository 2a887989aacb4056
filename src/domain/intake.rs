//! The door through which every file comes in, whatever brought it. It streams to disk in constant memory,
//! checks, publishes and records; what it does not acknowledge leaves no trace. `docs/architecture.md` has the
//! protocol step by step.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use diesel::{Connection, PgConnection};
use serde_json::json;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::{
    access::{Action, Actor},
    audit::{self, Subject},
    batches,
    content::{self, Type},
    copies,
    placed::Placed,
    slots::Slot,
};
use crate::{
    app::App,
    blocking,
    clock::Clock,
    config::{self, StorageMode},
    db::{
        self,
        attachments::{AttachmentRow, Found},
        batches::Change,
    },
    error::{Error, Refusal, Result},
    storage::{Staged, Staging, StorageError, key},
};

/// How many bytes gather before they go to a blocking thread together: large enough that the hop costs
/// nothing, small enough that hundreds of uploads fit in memory.
const CHUNK: usize = 256 * 1024;

/// Longest file name that is recorded, in bytes.
const NAME_MAX_BYTES: usize = 1024;

/// A batch that the actor may upload to.
pub struct Intake {
    app: Arc<App>,
    actor: Actor,
    batch_id: Uuid,
    _slot: Slot,
}

impl Intake {
    /// Lets the actor in, once for all files of a request.
    ///
    /// # Errors
    /// [`Error::NotFound`] and [`Error::Forbidden`] as everywhere, [`Refusal::BatchClosed`],
    /// [`Error::Conflict`] for a batch in the trash, [`Error::Unavailable`] when too many uploads are under way.
    pub async fn open(app: &Arc<App>, actor: &Actor, batch_id: Uuid) -> Result<Self> {
        let asked = actor.clone();
        app.db
            .run(move |conn| {
                let batch = batches::visible(conn, &asked, Action::ManageFiles, batch_id)?;
                batches::not_in_trash(&batch)?;
                if batch.status == "closed" { Err(Refusal::BatchClosed.into()) } else { Ok(()) }
            })
            .await?;
        let slot = app.slots.take(actor.account()?)?;
        Ok(Self { app: Arc::clone(app), actor: actor.clone(), batch_id, _slot: slot })
    }

    /// Begins one file.
    ///
    /// # Errors
    /// [`Refusal::UnsupportedType`] when the name's extension is not allowed.
    pub fn file(&self, filename: &str) -> Result<Incoming<'_>> {
        if filename.is_empty() || filename.len() > NAME_MAX_BYTES || filename.contains('\0') {
            return Err(Refusal::Malformed { reason: "The file's name cannot be used.".into() }.into());
        }
        Ok(Incoming {
            kind: content::claimed_by(filename)?,
            filename: filename.to_owned(),
            intake: self,
            head: Vec::new(),
            head_checked: false,
            gathered: Vec::new(),
            gathered_size: 0,
            size: 0,
            writing: None,
        })
    }
}

/// One file on its way in. Dropping it forgets the file.
pub struct Incoming<'a> {
    intake: &'a Intake,
    filename: String,
    kind: &'static Type,
    head: Vec<u8>,
    head_checked: bool,
    gathered: Vec<Bytes>,
    gathered_size: usize,
    size: u64,
    /// The staged file, with a blocking thread that writes to it; `None` before the first chunk.
    writing: Option<JoinHandle<Result<Staging>>>,
}

impl Incoming<'_> {
    /// Takes the next bytes. While one chunk is hashed and written, the next gathers.
    ///
    /// # Errors
    /// The reason why this file will not be stored; the caller drops it then.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.size += bytes.len() as u64;
        let limit = self.intake.app.config.max_upload_size;
        if self.size > limit {
            return Err(Refusal::TooLarge { limit_mb: limit / config::MB }.into());
        }
        if !self.head_checked {
            let missing = content::HEAD - self.head.len();
            self.head.extend_from_slice(&bytes[..bytes.len().min(missing)]);
            if self.head.len() == content::HEAD {
                self.check_head()?;
            }
        }
        self.gathered_size += bytes.len();
        self.gathered.push(bytes);
        if self.gathered_size >= CHUNK { self.flush().await } else { Ok(()) }
    }

    fn check_head(&mut self) -> Result<()> {
        self.head_checked = true;
        self.kind.check_head(&self.head)
    }

    async fn flush(&mut self) -> Result<()> {
        let staging = self.at_rest().await?;
        let chunks = std::mem::take(&mut self.gathered);
        self.gathered_size = 0;
        let app = Arc::clone(&self.intake.app);
        self.writing = Some(tokio::task::spawn_blocking(move || append(&app, staging, &chunks)));
        Ok(())
    }

    /// The staged file once nothing writes to it; `None` before the first chunk.
    async fn at_rest(&mut self) -> Result<Option<Staging>> {
        match self.writing.take() {
            Some(writing) => writing.await.map_err(Error::internal)?.map(Some),
            None => Ok(None),
        }
    }

    /// Ends the file: durable, checked, published, recorded. Only when this returns is it stored.
    ///
    /// # Errors
    /// The reason why it is not stored; nothing is left of it then.
    pub async fn finish(mut self) -> Result<Found> {
        if self.size == 0 {
            return Err(Refusal::EmptyFile.into());
        }
        if !self.head_checked {
            self.check_head()?;
        }
        let staging = self.at_rest().await?;
        let Self { intake, filename, kind, gathered, .. } = self;
        let id = Uuid::now_v7();
        let stored_name = key::stored_name(Uuid::new_v4(), &filename);

        let app = Arc::clone(&intake.app);
        let check = move || {
            let staged = append(&app, staging, &gathered)?.finish().map_err(refuse)?;
            let pixels = kind.check_whole(staged.open().map_err(refuse)?)?;
            Ok((Whole::of(&staged, pixels), staged))
        };
        let app = Arc::clone(&intake.app);
        let name = stored_name.clone();
        let (whole, placed) = if app.config.storage_mode == StorageMode::Cloud {
            let (whole, staged) = blocking::run(check).await?;
            (whole, Placed::in_bucket(&app, staged, name).await?)
        } else {
            let publish = move || {
                let (whole, staged) = check()?;
                Ok((whole, Placed::Local(app.store.publish(staged, &name).map_err(refuse)?)))
            };
            blocking::run(publish).await?
        };

        let row = AttachmentRow {
            id,
            batch_id: intake.batch_id,
            stored_name,
            original_name: filename,
            content_type: kind.media_type.to_owned(),
            size_bytes: whole.size,
            sha256: whole.sha256.to_vec(),
            width: whole.pixels.map(|(width, _)| width),
            height: whole.pixels.map(|(_, height)| height),
            state: "available".to_owned(),
            scan: "skipped".to_owned(),
            uploaded_by: intake.actor.account()?,
            uploaded_at: intake.app.clock.now(),
            trashed_at: None,
            trashed_by: None,
        };
        record(&intake.app, &intake.actor, row, placed).await
    }
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

fn append(app: &App, staging: Option<Staging>, chunks: &[Bytes]) -> Result<Staging> {
    let mut staging = match staging {
        Some(staging) => staging,
        None => app.store.stage().map_err(refuse)?,
    };
    for chunk in chunks {
        staging.write(chunk).map_err(refuse)?;
    }
    Ok(staging)
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
async fn record(app: &Arc<App>, actor: &Actor, row: AttachmentRow, placed: Placed) -> Result<Found> {
    let id = row.id;
    let (actor, clock, mode) = (actor.clone(), app.clock.clone(), app.config.storage_mode);
    let outcome = app.db.run(move |conn| Ok(commit(conn, &actor, &row, &clock, mode))).await;
    match outcome {
        Ok(Outcome::Committed(found)) => {
            placed.confirm(app).await;
            app.metrics.stored(found.row.size_bytes as u64);
            Ok(*found)
        }
        Ok(Outcome::RolledBack(error)) | Err(error) => {
            placed.take_back(app).await?;
            Err(error)
        }
        Ok(Outcome::Unknown(error)) => {
            // In doubt the file stays: if no row names it, the reconciler moves it aside later.
            placed.confirm(app).await;
            settle(app, id).await.ok_or(error)
        }
    }
}

fn commit(
    conn: &mut PgConnection,
    actor: &Actor,
    row: &AttachmentRow,
    clock: &Clock,
    mode: StorageMode,
) -> Outcome {
    let (mut ready, now) = (false, clock.now());
    let result = conn.transaction(|conn| {
        db::attachments::insert(conn, row)?;
        copies::record_new(conn, clock, mode, row.id, now)?;
        let subject = Subject::Attachment { id: row.id, batch: row.batch_id };
        let details = json!({
            "filename": row.original_name,
            "size": row.size_bytes,
            "sha256": hex::encode(&row.sha256),
        });
        audit::record(conn, now, actor, "attachment.upload", subject, details)?;
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

/// Reads a row back whose commit was not answered; the database may need a moment to come back.
async fn settle(app: &App, id: Uuid) -> Option<Found> {
    for pause_ms in [0, 100, 300, 900, 2700] {
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        match app.db.run(move |conn| db::attachments::find(conn, id)).await {
            Ok(Some(found)) => return Some(found),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, %id, "an unanswered commit is not settled yet"),
        }
    }
    tracing::error!(%id, "an upload's commit was never answered; its file stays for the reconciler");
    None
}
