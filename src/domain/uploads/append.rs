//! One append: takes the lease, writes, records how far it came every few seconds, and either stores the whole
//! file or gives the lease back. Of two at once, one gets the lease; the lock on the staged file keeps out
//! whoever lost it without knowing.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::TimeDelta;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{Checksum, LIFE, Seen, discard, living, own, seen};
use crate::{
    app::App,
    blocking,
    db::{
        self,
        uploads::{Claim, UploadRow},
    },
    domain::{
        access::{Action, Actor, Resource},
        content,
        inflow::Inflow,
        intake::{self, Arrival},
        limits::{LimitKey, Permit},
        recheck::Watch,
    },
    error::{Error, Refusal, Result, UploadTrouble},
    storage::{Resumed, Staging, key},
};

/// A lease runs out this long after the last record: soon after a crash the upload goes on.
const LEASE: TimeDelta = TimeDelta::seconds(6);
/// How often is recorded how far the bytes came.
const RECORD: Duration = Duration::from_secs(2);
/// Whoever lost the lease notices within this time and lets go of the staged file.
const LET_GO: Duration = Duration::from_secs(4);
const LET_GO_POLL: Duration = Duration::from_millis(50);

/// What there was to append to.
pub enum Begun {
    Open(Box<Append>),
    /// No bytes are to come. When the file is stored already, the client lost the answer and repeats the end.
    Nothing(Box<Seen>),
}

/// How the bytes of a request ended.
pub enum Came {
    Whole,
    /// The connection broke; what came before counts, unless a checksum was to prove it.
    Broken,
}

/// One request that appends. Dropped without [`Append::end`], it leaves the lease to run out.
pub struct Append {
    app: Arc<App>,
    actor: Actor,
    row: UploadRow,
    claim: Claim,
    inflow: Inflow,
    checksum: Option<Checksum>,
    recorded: Instant,
    watch: Watch,
    _permit: Permit,
}

impl Append {
    /// Opens an upload at `offset` for `announced` more bytes (`None` when the client does not say).
    ///
    /// # Errors
    /// As [`super::look`]; [`UploadTrouble::Offset`], [`UploadTrouble::Busy`], [`UploadTrouble::TooMuch`]; every
    /// refusal of an upload to this batch.
    pub async fn begin(
        app: &Arc<App>,
        actor: &Actor,
        id: Uuid,
        offset: u64,
        announced: Option<u64>,
        checksum: Option<Checksum>,
    ) -> Result<Begun> {
        let claim = Claim { upload: id, lease: Uuid::now_v7() };
        let (asked, now) = (actor.clone(), app.clock.now());
        let (found, batch) = app
            .db
            .transaction(move |conn| {
                let (row, batch) = own(conn, &asked, id)?;
                living(&row, now)?;
                if row.received as u64 != offset {
                    return Err(UploadTrouble::Offset.into());
                }
                if announced.is_some_and(|more| more > (row.length - row.received) as u64) {
                    return Err(UploadTrouble::TooMuch.into());
                }
                let comes = row.state == "open" && announced != Some(0);
                if comes && !db::uploads::take(conn, claim, row.received, now, now + LEASE)? {
                    return Err(UploadTrouble::Busy.into());
                }
                Ok((seen(conn, row)?, comes.then_some(batch)))
            })
            .await?;
        let Some(batch) = batch else { return Ok(Begun::Nothing(Box::new(found))) };
        let watch = Watch::of(actor, Action::ManageFiles, Resource::Site(batch.site_id));
        let opened = match intake::takes_files(&batch) {
            Ok(()) => Self::open(app, actor, found.row, claim, checksum, watch).await,
            Err(error) => Err(error),
        };
        match opened {
            Ok(append) => Ok(Begun::Open(Box::new(append))),
            Err(error) => {
                give_up(app, claim, &error).await;
                Err(error)
            }
        }
    }

    async fn open(
        app: &Arc<App>,
        actor: &Actor,
        row: UploadRow,
        claim: Claim,
        checksum: Option<Checksum>,
        watch: Watch,
    ) -> Result<Self> {
        let permit = app.limits.uploads.acquire(&[LimitKey::of(actor).ok_or(Error::Forbidden)?])?;
        let kind = intake::kind_of(app, &row.filename)?;
        // The limit may have been lowered since the upload was begun.
        intake::check_size(app, row.length as u64)?;
        let Some((staging, head)) = staged(app, &row).await? else {
            // Its bytes are gone: the client asks for the offset and begins again.
            let (now, expires_at) = (app.clock.now(), row.expires_at);
            app.db.run(move |conn| db::uploads::advance(conn, claim, 0, now, None, expires_at)).await?;
            return Err(UploadTrouble::Offset.into());
        };
        let inflow = Inflow::resume(app, kind, staging, head, checksum.is_none());
        Ok(Self {
            app: Arc::clone(app),
            actor: actor.clone(),
            row,
            claim,
            inflow,
            checksum,
            recorded: Instant::now(),
            watch,
            _permit: permit,
        })
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// The reason why this request, or the whole upload, is over; it goes to [`Append::end`].
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        if self.inflow.size() + bytes.len() as u64 > self.row.length as u64 {
            return Err(UploadTrouble::TooMuch.into());
        }
        if let Some(checksum) = &mut self.checksum {
            checksum.update(&bytes);
        }
        self.watch.ask(&self.app).await?;
        self.inflow.write(bytes).await?;
        if self.recorded.elapsed() < RECORD {
            return Ok(());
        }
        self.record(true).await
    }

    /// Nothing came for a while. The lease is not prolonged then: a client that lost its connection comes back
    /// on another one, and must not wait for this one to notice.
    ///
    /// # Errors
    /// [`UploadTrouble::Busy`] when the upload went on elsewhere.
    pub async fn idle(&mut self) -> Result<()> {
        let claim = self.claim;
        let holds = self.app.db.run(move |conn| db::uploads::holds(conn, claim)).await?;
        if holds { Ok(()) } else { Err(UploadTrouble::Busy.into()) }
    }

    /// Ends the request: stores the whole file, or records how far it came. `came` is how the bytes ended, or
    /// why they are not wanted.
    ///
    /// # Errors
    /// Why not. After a refusal the upload is gone; after anything else it can be resumed.
    pub async fn end(self, came: Result<Came>) -> Result<Seen> {
        let (app, claim) = (Arc::clone(&self.app), self.claim);
        let ended = match came {
            Ok(came) => self.conclude(came).await,
            Err(error) => {
                // The staged file is let go before anybody else may take the upload.
                drop(self);
                Err(error)
            }
        };
        if let Err(error) = &ended {
            give_up(&app, claim, error).await;
        }
        ended
    }

    async fn conclude(mut self, came: Came) -> Result<Seen> {
        if let Some(checksum) = self.checksum.take() {
            // What is not proven is not recorded, and cut off by whoever comes next.
            if matches!(came, Came::Broken) {
                let (app, claim, row) = (self.app, self.claim, self.row);
                app.db.run(move |conn| db::uploads::release(conn, claim)).await?;
                return Ok(Seen { row, sha256: None });
            }
            if !checksum.matches() {
                return Err(UploadTrouble::Checksum.into());
            }
            self.inflow.check_so_far()?;
        }
        if self.inflow.size() < self.row.length as u64 {
            self.record(false).await?;
            return Ok(Seen { row: self.row, sha256: None });
        }
        self.store().await
    }

    /// Makes durable what came so far and records it; `stays` keeps the lease. The last byte is not recorded
    /// before the file is stored.
    async fn record(&mut self, stays: bool) -> Result<()> {
        if self.checksum.is_none() && self.inflow.size() < self.row.length as u64 {
            self.inflow.pause(|staging| staging.sync().map_err(intake::refuse)).await?;
            self.row.received = self.inflow.size() as i64;
        }
        self.row.expires_at = self.app.clock.now() + LIFE;
        keep(&self.app, self.claim, &self.row, stays).await?;
        self.recorded = Instant::now();
        Ok(())
    }

    /// Stores the whole file; large ones take longer than a lease.
    async fn store(mut self) -> Result<Seen> {
        self.inflow.check_all()?;
        let Self { app, actor, mut row, claim, inflow, .. } = self;
        let arrival = Arrival {
            batch_id: row.batch_id,
            stored_name: key::stored_name(row.id, &row.filename),
            filename: row.filename.clone(),
            kind: inflow.kind(),
            claim: Some(claim),
            past: None,
        };
        let storing = async {
            let staged = inflow.close().await?;
            intake::admit(&app, &actor, arrival, staged).await
        };
        let mut storing = std::pin::pin!(storing);
        let found = loop {
            tokio::select! {
                found = &mut storing => break found?,
                () = sleep(RECORD) => {
                    if let Err(error) = keep(&app, claim, &row, true).await {
                        // The transaction that records the file decides; it looks at the claim too.
                        tracing::warn!(error = ?error, upload = %row.id, "a lease was not prolonged");
                    }
                }
            }
        };
        row.received = row.length;
        row.attachment_id = Some(found.row.id);
        Ok(Seen { row, sha256: Some(found.row.sha256) })
    }
}

/// Records the row's offset and prolongs the lease, or gives it back.
async fn keep(app: &App, claim: Claim, row: &UploadRow, stays: bool) -> Result<()> {
    let (received, expires_at, now) = (row.received, row.expires_at, app.clock.now());
    let until = stays.then(|| now + LEASE);
    let kept =
        app.db.run(move |conn| db::uploads::advance(conn, claim, received, now, until, expires_at)).await?;
    if kept { Ok(()) } else { Err(UploadTrouble::Busy.into()) }
}

/// The staged file and its first bytes; `None` when it is not there as it should be. Waits a little for
/// somebody who lost the lease to let go of it.
async fn staged(app: &Arc<App>, row: &UploadRow) -> Result<Option<(Staging, Vec<u8>)>> {
    let until = Instant::now() + LET_GO;
    loop {
        let (store, id, offset) = (Arc::clone(&app.store), row.id, row.received as u64);
        let name = key::stored_name(row.id, &row.filename);
        let resumed = blocking::run(move || {
            Ok(match store.resume(id, &name, offset).map_err(intake::refuse)? {
                Resumed::Ready(staging) => {
                    let head = staging.first(content::HEAD).map_err(intake::refuse)?;
                    Some(Some((staging, head)))
                }
                Resumed::Lost => Some(None),
                Resumed::Busy => None,
            })
        })
        .await?;
        match resumed {
            Some(staged) => return Ok(staged),
            None if Instant::now() < until => sleep(LET_GO_POLL).await,
            None => return Err(UploadTrouble::Busy.into()),
        }
    }
}

/// After a failure: a refused upload is forgotten, any other can be resumed at once. Whose right to the batch is gone
/// has nothing to resume; whose session or token ended may go on with another one, unless the account is disabled.
async fn give_up(app: &Arc<App>, claim: Claim, error: &Error) {
    let is_over = match error {
        Error::NotFound | Error::Forbidden => true,
        Error::Unauthenticated => is_of_nobody(app, claim).await,
        Error::Refused(Refusal::StorageUnavailable { .. } | Refusal::ScannerUnavailable { .. }) => false,
        // A batch in the trash is the one conflict there is.
        Error::Refused(_) | Error::Conflict { .. } => true,
        _ => false,
    };
    let end = if is_over { db::uploads::forget } else { db::uploads::release };
    let ended = app.db.run(move |conn| end(conn, claim)).await;
    let cleaned = match ended {
        Ok(true) if is_over => discard(app, claim.upload).await,
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = cleaned {
        // The lease runs out, and the sweep removes what is left.
        tracing::warn!(error = ?error, upload = %claim.upload, "a failed upload was not tidied up");
    }
}

/// Whether the owner of an upload may not sign in any more.
async fn is_of_nobody(app: &Arc<App>, claim: Claim) -> bool {
    let found = app.db.run(move |conn| {
        let Some(upload) = db::uploads::find(conn, claim.upload)? else { return Ok(true) };
        Ok(db::users::find(conn, upload.user_id)?.is_none_or(|user| user.disabled_at.is_some()))
    });
    // In doubt it stays, and runs out by itself.
    found.await.unwrap_or_else(|error| {
        tracing::warn!(error = ?error, upload = %claim.upload, "whose upload it is was not found out");
        false
    })
}
