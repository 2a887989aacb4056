//! A new file in its home, before its row says so: on local storage, or in the bucket where that is the primary
//! home. What no row will ever name is taken back.

use std::sync::Arc;

use super::{copies, intake::refuse};
use crate::{
    app::App,
    blocking,
    config::StorageMode,
    error::Result,
    storage::{self, Home, Placing, Published, Staged},
};

/// A file in the home that an upload waits for. Until its row is committed it may be taken back.
pub(super) enum Placed {
    Local(Published),
    /// The staged bytes go to the cache afterwards: who uploads a file often looks at it next.
    Bucket {
        staged: Staged,
        name: String,
    },
}

impl Placed {
    /// Puts a checked file into its home.
    pub(super) async fn place(app: &Arc<App>, staged: Staged, name: String) -> Result<Self> {
        if app.config.storage_mode == StorageMode::Cloud {
            return Self::in_bucket(app, staged, name).await;
        }
        let store = Arc::clone(&app.store);
        blocking::run(move || store.publish(staged, &name).map(Self::Local).map_err(refuse)).await
    }

    /// Puts a checked file into the bucket and verifies it there.
    async fn in_bucket(app: &Arc<App>, staged: Staged, name: String) -> Result<Self> {
        let file = staged.open().map_err(refuse)?;
        let bytes = storage::stream_file(file, 0..staged.size);
        let bucket = copies::cloud(app)?;
        bucket.may_try().map_err(refuse)?;
        bucket.put(&name, staged.identity(), bytes, Placing::New).await.map_err(refuse)?;
        Ok(Self::Bucket { staged, name })
    }

    pub(super) async fn confirm(self, app: &Arc<App>) {
        match self {
            Self::Local(published) => published.confirm(),
            Self::Bucket { staged, name } => copies::keep_in_cache(app, staged, name).await,
        }
    }

    pub(super) async fn take_back(self, app: &Arc<App>) -> Result<()> {
        match self {
            Self::Local(published) => {
                let take_back = move || {
                    published.take_back();
                    Ok(())
                };
                blocking::run(take_back).await
            }
            Self::Bucket { name, .. } => {
                if let Err(error) = copies::cloud(app)?.remove(&name).await {
                    tracing::warn!(%name, %error, "an object without a row stays in the bucket");
                }
                Ok(())
            }
        }
    }
}
