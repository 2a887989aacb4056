//! The pool's connections, and what becomes of those that died in it.
//!
//! Asking a connection for its health at every use would cost a third of the throughput. Instead, one that is
//! found dead tells of it, and each of the others is asked once before its next use: a restart of PostgreSQL
//! costs one request its answer, not one per connection.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use diesel::{
    PgConnection,
    r2d2::{ConnectionManager, Error, ManageConnection, R2D2Connection},
};

/// How many deaths were seen so far.
#[derive(Clone, Default)]
pub(super) struct Deaths(Arc<AtomicU64>);

/// A connection of the pool.
pub(super) struct Pooled {
    pub conn: PgConnection,
    /// The deaths that it is known to have outlived.
    outlived: u64,
    is_dead: bool,
}

impl Pooled {
    /// Asks the connection, after something failed on it. A dead one is not used again.
    pub fn has_died(&mut self, deaths: &Deaths) -> bool {
        self.is_dead = self.conn.ping().is_err();
        if self.is_dead {
            deaths.0.fetch_add(1, Ordering::Relaxed);
        }
        self.is_dead
    }
}

/// Makes and judges the connections.
pub(super) struct Manager {
    inner: ConnectionManager<PgConnection>,
    deaths: Deaths,
}

impl Manager {
    pub fn new(url: String, deaths: Deaths) -> Self {
        Self { inner: ConnectionManager::new(url), deaths }
    }
}

impl ManageConnection for Manager {
    type Connection = Pooled;
    type Error = Error;

    fn connect(&self) -> Result<Pooled, Error> {
        let outlived = self.deaths.0.load(Ordering::Relaxed);
        Ok(Pooled { conn: self.inner.connect()?, outlived, is_dead: false })
    }

    fn is_valid(&self, pooled: &mut Pooled) -> Result<(), Error> {
        let deaths = self.deaths.0.load(Ordering::Relaxed);
        if pooled.outlived != deaths {
            self.inner.is_valid(&mut pooled.conn)?;
            pooled.outlived = deaths;
        }
        Ok(())
    }

    fn has_broken(&self, pooled: &mut Pooled) -> bool {
        pooled.is_dead || self.inner.has_broken(&mut pooled.conn)
    }
}
