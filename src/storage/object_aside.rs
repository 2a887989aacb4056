//! Objects that nobody knows: moved aside within the bucket, where they wait as long as deleted files do.

use futures_util::TryStreamExt;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, path::Path};

use super::{Found, ObjectStorage, Result, key};

impl ObjectStorage {
    /// Every object of a file, with the time at which it came.
    pub async fn list_published(&self) -> Result<Vec<Found>> {
        self.list_under(key::BATCHES).await
    }

    /// What was moved aside, with the time of the move.
    pub async fn list_aside(&self) -> Result<Vec<Found>> {
        self.list_under(key::TRASH).await
    }

    /// Moves an object of no file aside: copied, then removed, so that nothing is lost in between.
    pub async fn set_aside(&self, stored_name: &str) -> Result<()> {
        let (from, to) = (self.key(stored_name)?, self.aside_key(stored_name)?);
        self.told(self.s3.copy(&from, &to).await)?;
        self.told(self.s3.delete(&from).await)
    }

    /// Removes for good what was moved aside. What is not there is a success.
    pub async fn remove_aside(&self, stored_name: &str) -> Result<()> {
        match self.s3.delete(&self.aside_key(stored_name)?).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            other => self.told(other),
        }
    }

    async fn list_under(&self, folder: &str) -> Result<Vec<Found>> {
        let found = |meta: ObjectMeta| Found {
            name: meta.location.filename().unwrap_or_default().to_owned(),
            size: meta.size,
            modified: meta.last_modified.into(),
            changed: meta.last_modified.into(),
        };
        let listed: std::result::Result<Vec<_>, _> =
            self.s3.list(Some(&Path::from(folder))).map_ok(found).try_collect().await;
        self.told(listed)
    }
}
