//! The private PostgreSQL that runs when `DATABASE_URL` is unset, so that a first start needs
//! nothing but the programs.
//!
//! The cluster is in `STILLAGE_DATA_PATH/postgres` with `fsync` on, reached over a Unix socket
//! only. It is shared by the server and any number of commands on the same machine: the first one
//! in starts it, the last one out stops it, and whoever cares for it starts it again when it dies
//! (`keeper`, `lock`). Where it lives and as whom it runs is in `place`, how it is made in
//! `cluster`, how it is run in `postmaster`.
//!
//! # What happens when
//! - *The server is killed*: on Linux the kernel tells PostgreSQL to stop; the next start waits for
//!   that. Elsewhere, and when the server had taken PostgreSQL over from a command, it runs on, and
//!   the next start takes it over.
//! - *A command is killed*: likewise it runs on until the next server or command.
//! - *PostgreSQL is killed*: it is back within a second or so; connections break, transactions
//!   underway are rolled back.
//! - *The server stops while a command runs*: the command's connections break, and it starts
//!   PostgreSQL for itself.
//! - *The machine loses power*: PostgreSQL recovers from its log at the next start; a cluster half
//!   made is made again.
//!
//! # Limits
//! One machine: `flock` and process ids mean nothing across hosts that share a data folder. A
//! cluster of another major version is not upgraded; the programs of its version must stay. The log
//! is `postgres.log`, at most some 16 MiB.

mod cluster;
mod error;
mod keeper;
mod lock;
mod patience;
mod place;
mod postmaster;
mod programs;

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    sync::mpsc::{self, Sender},
    thread::{self, JoinHandle},
};

use error::Doing;
pub use error::Error;
use keeper::Keeper;
use patience::Orders;

const DATABASE: &str = "stillage";
const USER: &str = "stillage";
/// Only part of the socket's name: nothing listens on TCP.
const PORT: &str = "5432";
const SOCKET: &str = ".s.PGSQL.5432";

#[derive(Debug, Clone)]
pub struct Options {
    /// `STILLAGE_DATA_PATH`; made if missing. Everyone who names the same folder shares one
    /// database.
    pub data_path: PathBuf,
    /// PostgreSQL settings over the built-in ones (`max_connections`, in tests `fsync`). They hold
    /// when PostgreSQL is started, not when it already runs.
    pub settings: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// At most one at a time.
    Server,
    /// Any number, with or without a server.
    Command,
}

/// The use of the private database: it runs at least until this is dropped.
#[derive(Debug)]
pub struct Embedded {
    url: String,
    keeper: Option<(Sender<Infallible>, JoinHandle<()>)>,
}

impl Embedded {
    /// Makes the database at the first start, starts it if it does not run, and returns when it
    /// takes connections: in 1 to 2 s the first time and 0.1 s later, after a crash once it has
    /// recovered, within 180 s or not at all. Blocks; not for an async thread.
    pub fn start(options: &Options, owner: Owner) -> Result<Self, Error> {
        let options = options.clone();
        let (alive, orders) = mpsc::channel();
        let (report, opened) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("postgres-keeper".into())
            .spawn(move || run(options, owner, &orders, &report))
            .doing("start a thread to look after", Path::new("PostgreSQL"))?;
        // A keeper that ends without a report has panicked.
        let socket_folder = opened.recv().unwrap_or(Err(Error::CalledOff))?;
        Ok(Self {
            url: format!("postgresql:///{DATABASE}?host={}&port={PORT}&user={USER}", socket_folder.display()),
            keeper: Some((alive, thread)),
        })
    }

    /// For libpq; stays the same when PostgreSQL is started again.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops PostgreSQL in good order, or leaves it to the others who use it. Blocks, mostly for
    /// less than 0.1 s, at worst for 40 s. Dropping does the same.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if let Some((alive, thread)) = self.keeper.take() {
            drop(alive);
            if thread.join().is_err() {
                tracing::error!("what looked after PostgreSQL had panicked");
            }
        }
    }
}

fn run(options: Options, owner: Owner, orders: &Orders, report: &Sender<Result<PathBuf, Error>>) {
    match Keeper::open(options, owner, orders) {
        Ok((mut keeper, socket_folder)) => {
            // When nobody hears the report, the orders are gone too.
            let _ = report.send(Ok(socket_folder));
            keeper.keep(orders);
            keeper.close();
        }
        Err(error) => {
            let _ = report.send(Err(error));
        }
    }
}
