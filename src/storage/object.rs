//! A bucket of S3, Cloudflare R2 or any engine that speaks their language, as a home of files.
//!
//! Every request is signed together with the SHA-256 of its body, and what was put is read back before it
//! counts: an engine's own word is not enough, since checksums of composed objects differ between engines and
//! some ignore put-if-absent. Reading back costs one download per file.
//!
//! Limits: a process that dies in the middle of a large file leaves its parts in the bucket; a lifecycle rule
//! for incomplete uploads removes them (`docs/operations.md`).

use std::{
    ops::Range,
    sync::{
        Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::{
    BackoffConfig, ClientOptions, GetOptions, GetRange, ObjectStore, ObjectStoreExt, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, Checksum, S3ConditionalPut},
    path::Path,
    signer::{SignedUrlOptions, Signer},
};
use secrecy::ExposeSecret;
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

use super::{ByteStream, Held, Home, Identity, Placing, Result, StorageError, explain, key};
use crate::config::{Bucket, Patience};

/// Files fetched at once for people who wait for them.
const FETCHES: usize = 32;

/// While the bucket does not answer, one request for somebody who waits tries it this often; the others fail at once.
const TRY_EVERY: Duration = Duration::from_secs(10);

pub struct ObjectStorage {
    pub(super) s3: AmazonS3,
    bucket: String,
    /// Host and port, for messages.
    host: String,
    /// Why the last request failed; `None` while all is well.
    trouble: RwLock<Option<String>>,
    /// Whether a trouble has passed that nobody has taken note of yet.
    recovered: AtomicBool,
    /// When the bucket may be tried again for somebody who waits; `None` while it answers.
    next_try: Mutex<Option<Instant>>,
    /// Places for files that are fetched for somebody who waits.
    fetches: Semaphore,
}

/// After this time a request is not repeated any more. Whoever waited out one timeout does not wait for another.
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);

impl ObjectStorage {
    /// Prepares the client; asks nothing of the network.
    ///
    /// # Errors
    /// The settings cannot be used.
    pub fn new(bucket: &Bucket, patience: Patience) -> Result<Self> {
        let backoff = BackoffConfig {
            init_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(2),
            base: 2.0,
        };
        let retry = RetryConfig { backoff, max_retries: patience.retries, retry_timeout: RETRY_TIMEOUT };
        let client = ClientOptions::new()
            .with_timeout_disabled()
            .with_connect_timeout(patience.connect)
            .with_read_timeout(patience.read)
            .with_allow_http(bucket.endpoint.as_deref().is_some_and(|url| url.starts_with("http://")));
        let mut builder = AmazonS3Builder::new()
            .with_client_options(client)
            .with_retry(retry)
            .with_bucket_name(&bucket.name)
            .with_region(&bucket.region)
            .with_access_key_id(&bucket.access_key_id)
            .with_secret_access_key(bucket.secret_access_key.expose_secret())
            .with_checksum_algorithm(Checksum::SHA256)
            .with_conditional_put(S3ConditionalPut::ETagMatch);
        let aws = format!("s3.{}.amazonaws.com", bucket.region);
        let host = match &bucket.endpoint {
            Some(url) => {
                builder = builder.with_endpoint(url);
                url.split("://").nth(1).unwrap_or(url).split('/').next().unwrap_or(url).to_owned()
            }
            None => aws,
        };
        let s3 = builder
            .build()
            .map_err(|error| StorageError::Cloud(explain::reason(&error, &bucket.name, &host)))?;
        Ok(Self {
            s3,
            bucket: bucket.name.clone(),
            host,
            trouble: RwLock::new(None),
            recovered: AtomicBool::new(false),
            next_try: Mutex::new(None),
            fetches: Semaphore::new(FETCHES),
        })
    }

    /// Where it is, for people: bucket and host.
    pub fn place(&self) -> String {
        format!("{} at {}", self.bucket, self.host)
    }

    /// Why the last request failed, in one line; asks nothing of the network.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a trouble has passed since this was last asked.
    pub fn take_recovered(&self) -> bool {
        self.recovered.swap(false, Ordering::Relaxed)
    }

    /// Fails at once while the bucket is known not to answer: people need not wait out the timeouts one after the other.
    /// Every few seconds somebody is let through to try.
    ///
    /// # Errors
    /// Why the last request failed.
    pub fn may_try(&self) -> Result<()> {
        let mut next_try = self.next_try.lock().unwrap_or_else(PoisonError::into_inner);
        match *next_try {
            Some(at) if Instant::now() < at => Err(StorageError::Cloud(self.trouble().unwrap_or_default())),
            Some(_) => {
                *next_try = Some(Instant::now() + TRY_EVERY);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Waits for a place to fetch a file for somebody; dropping it gives it back.
    pub async fn fetching(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.fetches.acquire().await.ok()
    }

    /// Whether the bucket is there and can be listed: a missing file then is a missing file, and not a missing
    /// bucket.
    pub async fn check(&self) -> Result<()> {
        let first = self.s3.list(Some(&Path::from(key::BATCHES))).next().await;
        self.told(first.transpose().map(drop))
    }

    /// Looks for the bucket, puts a small object into it, reads it back and deletes it.
    ///
    /// # Errors
    /// A reason in one line.
    pub async fn probe(&self) -> Result<()> {
        let name = Path::from(format!("{}{}", key::PROBE, Uuid::new_v4().hyphenated()));
        let said = Bytes::from_static(b"Stillage was here");
        self.check().await?;
        self.told(self.s3.put(&name, said.clone().into()).await)?;
        let got = match self.s3.get(&name).await {
            Ok(got) => got.bytes().await,
            Err(error) => Err(error),
        };
        let deleted = self.s3.delete(&name).await;
        let got = self.told(got)?;
        self.told(deleted)?;
        if got == said { Ok(()) } else { Err(StorageError::Mismatch) }
    }

    /// An address that lets whoever has it read this one file for `life`, with these headers in the answer.
    pub async fn signed_url(
        &self,
        name: &str,
        life: Duration,
        disposition: &str,
        content_type: &str,
    ) -> Result<String> {
        let options = SignedUrlOptions::new().with_query([
            ("response-content-disposition", disposition),
            ("response-content-type", content_type),
        ]);
        let url = self.s3.signed_url_opts(http_get(), &self.key(name)?, life, &options).await;
        self.told(url).map(Into::into)
    }

    pub(super) fn aside_key(&self, name: &str) -> Result<Path> {
        key::object_aside(name)
            .map_err(|error| StorageError::Cloud(format!("The name cannot be a key: {error}.")))
    }

    pub(super) fn key(&self, name: &str) -> Result<Path> {
        key::object(name).map_err(|error| StorageError::Cloud(format!("The name cannot be a key: {error}.")))
    }

    /// Keeps what a request says about the state of the cloud, and puts its failure into words.
    pub(super) fn told<T>(&self, result: Result<T, object_store::Error>) -> Result<T> {
        let found = result.as_ref().err().map(|error| {
            tracing::debug!(?error, "a request to the bucket failed");
            explain::reason(error, &self.bucket, &self.host)
        });
        let is_silent = result.as_ref().is_err_and(explain::is_silence);
        *self.next_try.lock().unwrap_or_else(PoisonError::into_inner) =
            is_silent.then(|| Instant::now() + TRY_EVERY);
        let mut known = self.trouble.write().unwrap_or_else(PoisonError::into_inner);
        if *known != found {
            match &found {
                Some(trouble) => tracing::error!(bucket = self.bucket, %trouble, "the bucket fails"),
                None => {
                    self.recovered.store(true, Ordering::Relaxed);
                    tracing::info!(bucket = self.bucket, "the bucket works again");
                }
            }
            known.clone_from(&found);
        }
        result.map_err(|_| StorageError::Cloud(found.unwrap_or_default()))
    }

    pub(super) async fn head(&self, key: &Path) -> Result<Option<u64>> {
        match self.s3.head(key).await {
            Err(object_store::Error::NotFound { .. }) => {
                // The answer to HEAD has no body: it may be the bucket that is missing.
                self.check().await?;
                Ok(None)
            }
            Err(error @ object_store::Error::PermissionDenied { .. }) => {
                // For the same reason: a request with an answer says which of the keys is wrong.
                self.check().await?;
                self.told(Err(error))
            }
            other => self.told(other).map(|meta| Some(meta.size)),
        }
    }
}

impl Home for ObjectStorage {
    async fn put(&self, name: &str, what: Identity, bytes: ByteStream, placing: Placing) -> Result<()> {
        let key = self.key(name)?;
        self.send(&key, what, bytes, placing).await?;
        match (self.identify(name).await?, placing) {
            (Some(found), _) if found == what => Ok(()),
            (Some(_), Placing::New) => Err(StorageError::Taken),
            _ => Err(StorageError::Mismatch),
        }
    }

    async fn size(&self, name: &str) -> Result<Option<u64>> {
        self.head(&self.key(name)?).await
    }

    async fn read(&self, name: &str, part: Option<Range<u64>>) -> Result<Option<ByteStream>> {
        let options = GetOptions { range: part.map(GetRange::Bounded), ..GetOptions::default() };
        match self.s3.get_opts(&self.key(name)?, options).await {
            Err(object_store::Error::NotFound { .. }) => {
                self.check().await?;
                Ok(None)
            }
            other => {
                let (bucket, host) = (self.bucket.clone(), self.host.clone());
                let bytes = self.told(other)?.into_stream();
                let said = move |error| StorageError::Cloud(explain::reason(&error, &bucket, &host));
                Ok(Some(bytes.map_err(said).boxed()))
            }
        }
    }

    async fn remove(&self, name: &str) -> Result<()> {
        match self.s3.delete(&self.key(name)?).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            other => self.told(other),
        }
    }

    async fn list(&self) -> Result<Vec<Held>> {
        let found = self.list_published().await?;
        Ok(found.into_iter().map(|found| Held { name: found.name, size: found.size }).collect())
    }
}

fn http_get() -> http::Method {
    http::Method::GET
}
