//! All SQL, one file per aggregate. Functions take `&mut PgConnection`; the domain decides what is one
//! transaction. Nothing here knows who may do what.

mod address;
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
mod outage;
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
mod silence;
pub mod sites;
pub mod start;
pub mod text_search;
pub mod throttles;
pub mod tokens;
pub mod trouble;
pub mod two_factor;
pub mod uploads;
pub mod users;

use std::time::{Duration, Instant};

use diesel::{
    Connection, PgConnection,
    r2d2::{Pool, PooledConnection},
    result::DatabaseErrorKind,
};

use self::{
    outage::Outage,
    pool::{Deaths, Manager},
};
use crate::{
    blocking::Gate,
    error::{Error, Result},
};

pub use self::address::place;

/// How long a caller waits for a connection before the answer is "busy".
const CHECKOUT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a caller waits for its turn, while all connections are in use, before the answer is "busy".
const TURN_TIMEOUT: Duration = Duration::from_secs(8);

/// A statement that runs longer than this is stopped by the server: no page may hold a connection for ever.
const STATEMENT_TIMEOUT: &str = "15s";

/// The pool of connections, and the gate in front of it.
#[derive(Clone)]
pub struct Db {
    pool: Pool<Manager>,
    deaths: Deaths,
    gate: Gate,
    outage: Outage,
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
            .test_on_check_out(false)
            .connection_timeout(CHECKOUT_TIMEOUT)
            .error_handler(Box::new(outage::Quiet))
            .build(manager)
            .map_err(Error::internal)?;
        let gate = Gate::new(size as usize).within(TURN_TIMEOUT, Error::database_busy);
        Ok(Self { pool, deaths, gate, outage: Outage::of(place(url)) })
    }

    /// Runs `work` with a connection, on a blocking thread. Bytes of files never move in here.
    ///
    /// # Errors
    /// What `work` returns, or [`Error::Unavailable`] when no connection came within 11 s, within no time while
    /// PostgreSQL is known to be down.
    pub async fn run<T, F>(&self, work: F) -> Result<T>
    where
        F: FnOnce(&mut PgConnection) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.run_then(work, Ok).await
    }

    /// Runs `work` with a connection, gives it back, and goes on with `then` on the same thread: for what
    /// looks something up and then reads it from the disk, in one hop.
    pub async fn run_then<T, U, F, G>(&self, work: F, then: G) -> Result<U>
    where
        F: FnOnce(&mut PgConnection) -> Result<T> + Send + 'static,
        G: FnOnce(T) -> Result<U> + Send + 'static,
        T: Send + 'static,
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
        let _in_use = checkout.in_use();
        match work(&mut checkout.conn) {
            Err(Error::Internal(cause)) if checkout.has_died(&self.deaths) => {
                tracing::error!(error = ?cause, "a database connection died");
                Err(Error::database_busy())
            }
            Err(error) => Err(trouble::explained(error)),
            result => {
                if checkout.is_in_doubt() {
                    checkout.has_died(&self.deaths);
                }
                result
            }
        }
    }

    /// A connection that lives, as far as is known.
    fn checkout(&self) -> Result<PooledConnection<Manager>> {
        // r2d2 goes on trying to connect: who comes meanwhile need not wait for it.
        if self.outage.is_known() && self.pool.state().connections == 0 {
            return Err(Error::database_busy());
        }
        let until = Instant::now() + CHECKOUT_TIMEOUT;
        loop {
            let wait = until.saturating_duration_since(Instant::now());
            let mut checkout = self.pool.get_timeout(wait).map_err(|error| {
                self.outage.goes_on(&error);
                Error::database_busy()
            })?;
            let in_use = checkout.in_use();
            if checkout.is_alive(&self.deaths) {
                drop(in_use);
                self.outage.is_over();
                return Ok(checkout);
            }
        }
    }

    /// Connections in use and open, for metrics.
    pub fn pool_state(&self) -> (u32, u32) {
        let state = self.pool.state();
        (state.connections - state.idle_connections, state.connections)
    }
}

/// A connection outside the pool, for what holds one for long, such as migrations. Its statements may take any
/// time.
pub fn dedicated(url: &str) -> Result<PgConnection> {
    PgConnection::establish(&address::bounded(url)).map_err(Error::internal)
}

fn with_options(url: &str) -> String {
    let options = format!(
        "-c%20statement_timeout%3D{STATEMENT_TIMEOUT}%20-c%20idle_in_transaction_session_timeout%3D{STATEMENT_TIMEOUT}"
    );
    address::with(&address::with(&address::bounded(url), "options", &options), "application_name", "stillage")
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
