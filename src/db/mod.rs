//! All SQL, one file per aggregate. Functions take `&mut PgConnection`; the domain decides what is one
//! transaction. Nothing here knows who may do what.

pub mod attachments;
pub mod audit;
pub mod audit_list;
pub mod audit_reads;
pub mod audit_seals;
pub mod batch_files;
pub mod batch_list;
pub mod batches;
pub mod bulk;
pub mod copies;
pub mod copy_figures;
pub mod dump;
pub mod embedded;
pub mod facts;
pub mod findings;
mod functions;
pub mod imports;
pub mod job_list;
pub mod jobs;
pub mod ledger;
pub mod migrate;
pub mod password_links;
pub mod people;
mod pool;
pub mod preview_jobs;
pub mod previews;
pub mod purge;
pub mod quarantine;
pub mod retention;
pub mod schema;
pub mod search;
pub mod sessions;
pub mod settings;
pub mod shares;
pub mod sites;
pub mod text_search;
pub mod throttles;
pub mod tokens;
pub mod two_factor;
pub mod uploads;
pub mod users;

use std::time::Duration;

use diesel::{
    Connection, PgConnection,
    r2d2::{Pool, PooledConnection},
    result::DatabaseErrorKind,
};

use self::pool::{Deaths, Manager};
use crate::{
    blocking::Gate,
    error::{Error, Result},
};

/// How long a caller waits for a connection before the answer is "busy".
const CHECKOUT_TIMEOUT: Duration = Duration::from_secs(3);

/// A statement that runs longer than this is stopped by the server: no page may hold a connection for ever.
const STATEMENT_TIMEOUT: &str = "15s";

/// The pool of connections, and the gate in front of it.
#[derive(Clone)]
pub struct Db {
    pool: Pool<Manager>,
    deaths: Deaths,
    gate: Gate,
}

impl Db {
    /// Opens the pool; connections are made as they are needed.
    ///
    /// # Errors
    /// When not even one connection can be made within 3 s.
    pub fn connect(url: &str, size: u32) -> Result<Self> {
        let deaths = Deaths::default();
        let manager = Manager::new(with_options(url), deaths.clone());
        let pool = Pool::builder()
            .max_size(size)
            .min_idle(Some(1))
            // Costs nothing but after a death: see `pool`.
            .test_on_check_out(true)
            .connection_timeout(CHECKOUT_TIMEOUT)
            .build(manager)
            .map_err(Error::internal)?;
        Ok(Self { pool, deaths, gate: Gate::new(size as usize) })
    }

    /// Runs `work` with a connection, on a blocking thread. Bytes of files never move in here.
    ///
    /// # Errors
    /// What `work` returns, or [`Error::Unavailable`] when no connection came within 3 s.
    pub async fn run<T, F>(&self, work: F) -> Result<T>
    where
        F: FnOnce(&mut PgConnection) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let db = self.clone();
        self.gate.run(move || db.with_connection(work)).await
    }

    /// Runs `work` with a connection, gives it back, and goes on with `then` on the same thread: for what
    /// looks something up and then reads it from the disk, in one hop.
    pub async fn run_then<T, U, F, G>(&self, work: F, then: G) -> Result<U>
    where
        F: FnOnce(&mut PgConnection) -> Result<T> + Send + 'static,
        G: FnOnce(T) -> Result<U> + Send + 'static,
        T: 'static,
        U: Send + 'static,
    {
        let db = self.clone();
        self.gate.run_then(move || db.with_connection(work), then).await
    }

    /// Runs `work` in a transaction, on a blocking thread. An error rolls back.
    pub async fn transaction<T, F>(&self, work: F) -> Result<T>
    where
        F: FnOnce(&mut PgConnection) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.run(move |conn| conn.transaction(work)).await
    }

    fn with_connection<T>(&self, work: impl FnOnce(&mut PgConnection) -> Result<T>) -> Result<T> {
        let mut checkout = self.checkout()?;
        match work(&mut checkout.conn) {
            Err(Error::Internal(cause)) if checkout.has_died(&self.deaths) => {
                tracing::error!(error = ?cause, "a database connection died");
                Err(Error::database_busy())
            }
            result => result,
        }
    }

    fn checkout(&self) -> Result<PooledConnection<Manager>> {
        self.pool.get().map_err(|error| {
            tracing::error!(%error, "no database connection");
            Error::database_busy()
        })
    }

    /// Connections in use and open, for metrics.
    pub fn pool_state(&self) -> (u32, u32) {
        let state = self.pool.state();
        (state.connections - state.idle_connections, state.connections)
    }
}

/// A connection outside the pool, for what holds one for long: migrations, the worker's ear.
pub fn dedicated(url: &str) -> Result<PgConnection> {
    PgConnection::establish(url).map_err(Error::internal)
}

fn with_options(url: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!(
        "{url}{separator}options=-c%20statement_timeout%3D{STATEMENT_TIMEOUT}%20-c%20idle_in_transaction_session_timeout%3D{STATEMENT_TIMEOUT}&application_name=stillage"
    )
}

/// Whether the database refused a row because there is one like it.
pub fn is_taken(error: &Error) -> bool {
    violates(error, DatabaseErrorKind::UniqueViolation)
}

/// Whether the database refused to remove a row that others name.
pub fn is_in_use(error: &Error) -> bool {
    violates(error, DatabaseErrorKind::ForeignKeyViolation)
}

fn violates(error: &Error, constraint: DatabaseErrorKind) -> bool {
    let Error::Internal(cause) = error else { return false };
    match cause.downcast_ref() {
        Some(diesel::result::Error::DatabaseError(kind, _)) => {
            std::mem::discriminant(kind) == std::mem::discriminant(&constraint)
        }
        _ => false,
    }
}

/// A pattern for `LIKE` that finds `text` anywhere, its own wildcards taken literally.
pub fn like_anywhere(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        match c {
            // PostgreSQL refuses it in any text, so that nothing holds it.
            '\0' => continue,
            '%' | '_' | '\\' => pattern.push('\\'),
            _ => {}
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}
