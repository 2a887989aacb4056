//! The pool's connections, and what happens to those that died in it.
//!
//! Asking a connection for its health at every use would cost a third of the throughput. Instead, one that is
//! found dead reports it, and each of the others is asked once before its next use: a restart of PostgreSQL
//! costs one request its answer, not one per connection.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use diesel::{
    Connection, PgConnection,
    r2d2::{ConnectionManager, Error, ManageConnection, R2D2Connection},
};

use super::{
    address,
    silence::{InUse, Line, Pulse},
};

/// How many deaths were seen so far.
#[derive(Clone, Default)]
pub(super) struct Deaths(Arc<AtomicU64>);

/// A connection of the pool.
pub(super) struct Pooled {
    pub conn: PgConnection,
    line: Arc<Line>,
    /// The deaths that it is known to have outlived.
    outlived: u64,
    is_dead: bool,
}

impl Pooled {
    /// Bounds how long PostgreSQL may be silent, until the answer is dropped.
    pub fn in_use(&self) -> InUse {
        self.line.in_use()
    }

    /// Whether it can be used: asked only after another one died.
    pub fn is_alive(&mut self, deaths: &Deaths) -> bool {
        let known = deaths.0.load(Ordering::Relaxed);
        if self.outlived != known {
            self.is_dead = self.conn.ping().is_err();
            self.outlived = known;
        }
        !self.is_dead
    }

    /// Asks the connection, after something failed on it. A dead one is not used again.
    pub fn has_died(&mut self, deaths: &Deaths) -> bool {
        self.is_dead = self.conn.ping().is_err();
        if self.is_dead {
            deaths.0.fetch_add(1, Ordering::Relaxed);
        }
        self.is_dead
    }

    /// Whether a transaction was left open in it: its end was not answered.
    pub fn is_in_doubt(&mut self) -> bool {
        self.conn.is_broken()
    }
}

/// Makes the connections and judges them when they are given back.
pub(super) struct Manager {
    url: String,
    deaths: Deaths,
}

impl Manager {
    pub fn new(url: String, deaths: Deaths) -> Self {
        Self { url, deaths }
    }
}

impl ManageConnection for Manager {
    type Connection = Pooled;
    type Error = Error;

    fn connect(&self) -> Result<Pooled, Error> {
        let outlived = self.deaths.0.load(Ordering::Relaxed);
        let line = Line::new();
        let url = address::with(&self.url, "tcp_user_timeout", &line.mark().to_string());
        let in_use = line.in_use();
        let mut conn = ConnectionManager::<PgConnection>::new(url).connect()?;
        drop(in_use);
        conn.set_instrumentation(Pulse(Arc::clone(&line)));
        Ok(Pooled { conn, line, outlived, is_dead: false })
    }

    /// Never asked: [`Pooled::is_alive`] is, when a silence would be noticed.
    fn is_valid(&self, _: &mut Pooled) -> Result<(), Error> {
        Ok(())
    }

    fn has_broken(&self, pooled: &mut Pooled) -> bool {
        pooled.is_dead || std::thread::panicking() || pooled.conn.is_broken()
    }
}
