//! All SQL, one file per aggregate. Functions take `&mut PgConnection`; the domain decides what is one
//! transaction. Nothing here knows who may do what.

pub mod attachments;
pub mod audit;
pub mod batch_list;
pub mod batches;
pub mod bulk;
pub mod copies;
pub mod copy_figures;
pub mod embedded;
pub mod jobs;
pub mod migrate;
pub mod schema;
pub mod sessions;
pub mod settings;
pub mod sites;
pub mod users;

use std::time::Duration;

use diesel::{
    Connection, PgConnection,
    r2d2::{ConnectionManager, Pool},
};

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
    pool: Pool<ConnectionManager<PgConnection>>,
    gate: Gate,
}

impl Db {
    /// Opens the pool; connections are made as they are needed.
    ///
    /// # Errors
    /// When not even one connection can be made within 3 s.
    pub fn connect(url: &str, size: u32) -> Result<Self> {
        let manager = ConnectionManager::new(with_options(url));
        let pool = Pool::builder()
            .max_size(size)
            .min_idle(Some(1))
            // Asking every connection for its health costs a third of the throughput; a broken one shows
            // itself at its next use and is replaced.
            .test_on_check_out(false)
            .connection_timeout(CHECKOUT_TIMEOUT)
            .build(manager)
            .map_err(Error::internal)?;
        Ok(Self { pool, gate: Gate::new(size as usize) })
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
        let pool = self.pool.clone();
        self.gate.run(move || work(&mut *checkout(&pool)?)).await
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
        let pool = self.pool.clone();
        self.gate.run_then(move || work(&mut *checkout(&pool)?), then).await
    }

    /// Runs `work` in a transaction, on a blocking thread. An error rolls back.
    pub async fn transaction<T, F>(&self, work: F) -> Result<T>
    where
        F: FnOnce(&mut PgConnection) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.run(move |conn| conn.transaction(work)).await
    }

    /// Connections in use and open, for metrics.
    pub fn pool_state(&self) -> (u32, u32) {
        let state = self.pool.state();
        (state.connections - state.idle_connections, state.connections)
    }
}

type Checkout = diesel::r2d2::PooledConnection<ConnectionManager<PgConnection>>;

fn checkout(pool: &Pool<ConnectionManager<PgConnection>>) -> Result<Checkout> {
    pool.get().map_err(|error| {
        tracing::error!(%error, "no database connection");
        busy()
    })
}

/// The database does not answer right now.
pub fn busy() -> Error {
    Error::Unavailable {
        message: "The database does not answer. Nothing was lost; try again in a moment.".into(),
        retry_after: Duration::from_secs(2),
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
