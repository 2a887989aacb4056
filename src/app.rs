//! What a running Stillage is made of. One builder serves the server, the commands, the jobs and the tests.

use std::{sync::Arc, time::Duration};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    clock::Clock,
    config::{Config, DatabaseSource},
    db::{
        self, Db,
        embedded::{Embedded, Options, Owner},
        settings,
    },
    domain::{
        limits::{Capacity, ConcurrencyLimits},
        passwords::Passwords,
        readiness::Readiness,
        settings::Settings,
        sites,
        tally::Tally,
    },
    error::{Error, Result},
    metrics::Metrics,
    render::Renderer,
    scanner::{Patience, Scanner},
    storage::{LocalStore, MarkerPolicy, ObjectStorage},
};

/// Connections that one process keeps at most.
pub const POOL_SIZE: u32 = 16;

/// How long a server that starts waits for PostgreSQL.
const DATABASE_PATIENCE: Duration = Duration::from_secs(60);

/// The parts, shared by everything that runs.
pub struct App {
    pub config: Config,
    /// What admins may change while it runs.
    pub settings: Settings,
    pub db: Db,
    pub store: Arc<LocalStore>,
    /// `None`: files are stored unscanned.
    pub scanner: Option<Scanner>,
    /// The bucket, when cloud storage is on.
    pub cloud: Option<Arc<ObjectStorage>>,
    pub clock: Clock,
    pub passwords: Passwords,
    pub limits: ConcurrencyLimits,
    pub tally: Tally,
    pub readiness: Readiness,
    /// Held while the copies of a file are looked at that a reader found damaged: many readers may find the same.
    pub damage_check: tokio::sync::Mutex<()>,
    pub renderer: Renderer,
    pub metrics: Metrics,
    /// Signs and encrypts session cookies; the same on every instance of one database.
    pub session_key: Vec<u8>,
    pub database_url: String,
    /// Keeps a private PostgreSQL running for as long as the app lives. Last, so that it is dropped last.
    _private_database: Option<Embedded>,
}

impl App {
    /// What this installation signs `text` with for one use (HMAC-SHA-256, RFC 2104), whose key nothing else uses.
    ///
    /// # Errors
    /// None in practice: HMAC takes a key of any length.
    pub fn mac(&self, usage: &'static str, text: &str) -> Result<Hmac<Sha256>> {
        let key = Sha256::new().chain_update(usage).chain_update(&self.session_key).finalize();
        let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&key).map_err(Error::internal)?;
        Ok(mac.chain_update(text))
    }

    /// Starts (or joins) the database, migrates it, opens the store. Blocks.
    ///
    /// # Errors
    /// The database or the store cannot be had; the message says what to do.
    pub fn start(config: Config, owner: Owner, clock: Clock) -> anyhow::Result<Arc<Self>> {
        let (database_url, private) = open_database(&config, owner)?;
        // Who typed a command is told at once.
        let patience = if owner == Owner::Server { DATABASE_PATIENCE } else { Duration::ZERO };
        db::start::wait(&database_url, patience)?;
        let applied = db::migrate::run_at(&database_url).map_err(with_cause)?;
        if applied > 0 {
            tracing::info!(applied, "database migrated");
        }
        Self::assemble(config, database_url, private, clock, POOL_SIZE).map_err(with_cause)
    }

    /// The app on a migrated database, with a pool of `pool_size` connections.
    ///
    /// # Errors
    /// The database does not answer, or the store's folder cannot be made.
    pub fn assemble(
        config: Config,
        database_url: String,
        private_database: Option<Embedded>,
        clock: Clock,
        pool_size: u32,
    ) -> Result<Arc<Self>> {
        let db = Db::connect(&database_url, pool_size)?;
        let mut conn = db::dedicated(&database_url)?;
        let store_id = settings::get_or_init::<Uuid>(&mut conn, &clock, "store_id", Uuid::new_v4)?;
        let session_key = settings::get_or_init(&mut conn, &clock, "session_key", || {
            hex::encode(rand::random::<[u8; 64]>())
        })?;
        let chosen = Settings::read(&mut conn, &config, &clock)?;
        sites::ensure_default(&mut conn, &clock)?;
        let policy = if db::copies::any_local(&mut conn)? {
            MarkerPolicy::Require
        } else {
            MarkerPolicy::CreateIfMissing
        };
        let store =
            LocalStore::open(&config.upload_storage_path, store_id, policy).map_err(Error::internal)?;
        let scanner = config
            .scanner
            .clone()
            .map(|address| Scanner::new(address, Patience::default(), chosen.now().max_upload_size));
        let cloud = match &config.cloud {
            Some(cloud) => Some(ObjectStorage::new(&cloud.bucket, cloud.patience).map_err(Error::internal)?),
            None => None,
        };
        Ok(Arc::new(Self {
            renderer: Renderer::new(config.render_program.clone()),
            limits: ConcurrencyLimits::new(Capacity::for_descriptors(config.descriptors)),
            config,
            settings: chosen,
            scanner,
            db,
            store: Arc::new(store),
            cloud: cloud.map(Arc::new),
            clock,
            passwords: Passwords::new(),
            tally: Tally::default(),
            readiness: Readiness::default(),
            damage_check: tokio::sync::Mutex::default(),
            metrics: Metrics::new()?,
            session_key: hex::decode(session_key).map_err(Error::internal)?,
            database_url,
            _private_database: private_database,
        }))
    }
}

/// The database's URL, and the private server behind it if there is one.
///
/// # Errors
/// PostgreSQL's programs are missing, or the private server cannot be started.
pub fn open_database(config: &Config, owner: Owner) -> anyhow::Result<(String, Option<Embedded>)> {
    use secrecy::ExposeSecret;
    match &config.database {
        DatabaseSource::Url(url) => Ok((url.expose_secret().to_owned(), None)),
        DatabaseSource::Private => {
            let options = Options { data_path: config.data_path.clone(), settings: Vec::new() };
            let private = Embedded::start(&options, owner)?;
            Ok((private.url().to_owned(), Some(private)))
        }
    }
}

/// Commands and the start show causes; pages never do.
pub fn with_cause(error: Error) -> anyhow::Error {
    match error {
        Error::Internal(cause) => cause,
        other => anyhow::Error::new(other),
    }
}
