//! Reading a file whose local copy does not serve: the bucket's copy is spooled, verified, and only then handed
//! out, so that nobody ever gets wrong bytes. What was spooled heals the local copy, or stays in the cache where
//! there is none to be.

use std::{fs::File, io::Write, os::unix::fs::OpenOptionsExt, sync::Arc};

use futures_util::TryStreamExt;
use nix::fcntl::OFlag;
use serde_json::json;

use super::{Place, cloud, enqueue_heal, failed};
use crate::{
    app::App,
    blocking, db,
    db::attachments::AttachmentRow,
    domain::{
        access::Actor,
        audit::{self, Subject},
    },
    error::Result,
    storage::{Home, Identity, Staged, StorageError, spool},
};

/// A file from the bucket.
pub struct Fetched {
    pub file: File,
}

/// The bytes of a file from the cache or the bucket; `None` when there is no sound copy there. `local` is the
/// state of the copy that should be on local storage, if one should.
///
/// # Errors
/// The bucket cannot be reached.
pub async fn fetch(app: &Arc<App>, row: &AttachmentRow, local: Option<&str>) -> Result<Option<Fetched>> {
    let Some(bucket) = &app.cloud else { return Ok(None) };
    let id = row.id;
    let state = app.db.run(move |conn| db::copies::state(conn, id, Place::Cloud.as_str())).await?;
    if state.as_deref() != Some("present") {
        return Ok(None);
    }
    let what = identity(row);
    if local.is_none() {
        let (store, name) = (Arc::clone(&app.store), row.stored_name.clone());
        if let Some(file) = blocking::run(move || Ok(store.open_cached(&name, what.size))).await? {
            return Ok(Some(Fetched { file }));
        }
    }
    bucket.may_try().map_err(failed)?;
    let _place = bucket.fetching().await;
    let Some(bytes) = bucket.read(&row.stored_name, None).await.map_err(failed)? else {
        distrust(app, row, "missing").await?;
        return Ok(None);
    };
    let store = Arc::clone(&app.store);
    let spooled = if blocking::run(move || Ok(store.check().is_ok())).await? {
        spool(&app.store, what, bytes).await.map(Spooled::Staged)
    } else {
        // The local storage is away; people can still read.
        spool_elsewhere(what, bytes).await.map(Spooled::Loose)
    };
    match spooled {
        Ok(Spooled::Loose(file)) => Ok(Some(Fetched { file })),
        Ok(Spooled::Staged(staged)) => {
            let file = staged.open().map_err(failed)?;
            keep(app, row, staged, local).await;
            Ok(Some(Fetched { file }))
        }
        Err(StorageError::Mismatch) => {
            distrust(app, row, "corrupt").await?;
            Ok(None)
        }
        Err(error) => Err(failed(error)),
    }
}

enum Spooled {
    Staged(Staged),
    Loose(File),
}

fn identity(row: &AttachmentRow) -> Identity {
    let mut sha256 = [0; 32];
    // A constraint keeps the length.
    sha256.copy_from_slice(&row.sha256);
    Identity { size: row.size_bytes as u64, sha256 }
}

/// Puts verified bytes where they belong. A failure costs the next reader a download, nothing more.
async fn keep(app: &Arc<App>, row: &AttachmentRow, staged: Staged, local: Option<&str>) {
    let (store, name) = (Arc::clone(&app.store), row.stored_name.clone());
    let kept = if local.is_some() {
        let healed = blocking::run(move || store.replace(staged, &name).map_err(failed)).await;
        match healed {
            Ok(()) => record_healed(app, row).await,
            Err(error) => Err(error),
        }
    } else {
        keep_in_cache(app, staged, name).await;
        Ok(())
    };
    if let Err(error) = kept {
        tracing::warn!(attachment = %row.id, ?error, "a file from the bucket could not be kept");
    }
}

/// Keeps verified bytes for the next reader, if they fit.
pub async fn keep_in_cache(app: &Arc<App>, staged: Staged, name: String) {
    let max = app.config.cloud.as_ref().map_or(0, |cloud| cloud.local_cache_max);
    let store = Arc::clone(&app.store);
    if let Err(error) = blocking::run(move || store.cache(staged, &name, max).map_err(failed)).await {
        tracing::warn!(?error, "a file could not be cached");
    }
}

async fn record_healed(app: &Arc<App>, row: &AttachmentRow) -> Result<()> {
    let (id, batch, now) = (row.id, row.batch_id, app.clock.now());
    let details = json!({ "filename": row.original_name, "place": Place::Local });
    app.metrics.healed(Place::Local.as_str());
    tracing::warn!(attachment = %id, "a local copy was healed while it was read");
    app.db
        .transaction(move |conn| {
            db::copies::set(conn, id, Place::Local.as_str(), "present", Some(now), None, now)?;
            audit::record(
                conn,
                now,
                &Actor::system(),
                "copy.heal",
                Subject::Attachment { id, batch },
                details,
            )
        })
        .await
}

/// The bucket's copy is not what it should be: it is marked, and a job looks at all copies.
async fn distrust(app: &Arc<App>, row: &AttachmentRow, state: &'static str) -> Result<()> {
    let (id, batch, now) = (row.id, row.batch_id, app.clock.now());
    let details = json!({ "filename": row.original_name, "place": Place::Cloud, "was": state });
    let action = if state == "corrupt" { "copy.corrupt" } else { "copy.missing" };
    let clock = app.clock.clone();
    tracing::error!(attachment = %id, state, "the copy in the bucket is bad");
    app.db
        .transaction(move |conn| {
            db::copies::set(conn, id, Place::Cloud.as_str(), state, None, None, now)?;
            audit::record(conn, now, &Actor::system(), action, Subject::Attachment { id, batch }, details)?;
            enqueue_heal(conn, &clock, id)
        })
        .await
}

/// Verified bytes in a file without a name, on the system's own disk.
async fn spool_elsewhere(
    what: Identity,
    mut bytes: crate::storage::ByteStream,
) -> Result<File, StorageError> {
    use sha2::{Digest, Sha256};
    let doing = "spool a file";
    let mut file = File::options()
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(OFlag::O_TMPFILE.bits())
        .open(std::env::temp_dir())
        .map_err(StorageError::io(doing))?;
    let (mut hash, mut size) = (Sha256::new(), 0);
    while let Some(chunk) = bytes.try_next().await? {
        size += chunk.len() as u64;
        if size > what.size {
            return Err(StorageError::Mismatch);
        }
        hash.update(&chunk);
        let write = move || file.write_all(&chunk).map(|()| file);
        file = tokio::task::spawn_blocking(write)
            .await
            .map_err(|error| StorageError::io(doing)(std::io::Error::other(error)))?
            .map_err(StorageError::io(doing))?;
    }
    let found = Identity { size, sha256: hash.finalize().into() };
    if found == what { Ok(file) } else { Err(StorageError::Mismatch) }
}

/// An address at which the bucket, or the CDN before it, hands the file out to whoever has the address, for
/// `SIGNED_URL_TTL_SECONDS`.
///
/// # Errors
/// Cloud storage is off.
pub async fn signed_url(app: &App, row: &AttachmentRow, disposition: &str) -> Result<Option<String>> {
    let Some(settings) = &app.config.cloud else { return Ok(None) };
    if let Some(cdn) = &settings.cdn {
        return Ok(Some(super::cdn::url(cdn, &row.stored_name, app.clock.now())));
    }
    cloud(app)?
        .signed_url(&row.stored_name, settings.signed_url_ttl, disposition, &row.content_type)
        .await
        .map(Some)
        .map_err(failed)
}
