//! What can go wrong with the private PostgreSQL, each in one line an operator can act on:
//! what happened, why, and what to do.

use std::{
    io,
    path::{Path, PathBuf},
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "PostgreSQL's programs (initdb, postgres) were found neither in PATH nor in the usual folders: \
         install them (Debian, Ubuntu: apt-get install postgresql) or set DATABASE_URL"
    )]
    NoPrograms,

    #[error(
        "the database in {} was made by PostgreSQL {wanted}, but only {found} is installed: install PostgreSQL \
         {wanted} beside it (Debian, Ubuntu: apt-get install postgresql-{wanted}) or set DATABASE_URL", .cluster.display()
    )]
    OtherVersion { cluster: PathBuf, wanted: u32, found: String },

    #[error(
        "PostgreSQL refuses to run as root, and there is no user \"postgres\" or \"nobody\" to run it as: \
         add one (useradd --system postgres), start Stillage as an ordinary user or set DATABASE_URL"
    )]
    NoAccount,

    #[error(
        "user \"{account}\", as whom PostgreSQL runs, cannot reach the database in {}: \
         let it pass the folders above (chmod o+x)", .path.display()
    )]
    Barred { path: PathBuf, account: String },

    #[error(
        "the database was in {}, as {} says, but it is not there: bring it back, \
         or remove that note to begin with an empty one", .path.display(), .note.display()
    )]
    Lost { path: PathBuf, note: PathBuf },

    #[error("{} is not empty and holds no PostgreSQL database: move it away", .0.display())]
    Foreign(PathBuf),

    #[error(
        "another Stillage server (process {pid}) already uses {}: stop it, \
         or set another STILLAGE_DATA_PATH", .data_path.display()
    )]
    ServerRuns { pid: String, data_path: PathBuf },

    #[error(
        "{} could be used by others (it must be a folder of mode 0700 that belongs to user {uid}): \
         remove it, or set a shorter STILLAGE_DATA_PATH", .path.display()
    )]
    Unsafe { path: PathBuf, uid: u32 },

    #[error("{program} could not set up the database in {}: {output}", .cluster.display())]
    Init { program: &'static str, cluster: PathBuf, output: String },

    #[error("PostgreSQL ended while starting ({reason}); its log is {}", .log.display())]
    Start { reason: String, log: PathBuf },

    #[error("PostgreSQL was not ready within {seconds} s; its log is {}", .log.display())]
    TooSlow { seconds: u64, log: PathBuf },

    #[error("starting PostgreSQL was called off")]
    CalledOff,

    #[error("could not {what}: {source}")]
    Io { what: String, source: io::Error },
}

/// Says of an I/O error what was being done to which path.
pub(super) trait Doing<T> {
    fn doing(self, verb: &str, path: &Path) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, verb: &str, path: &Path) -> Result<T, Error> {
        self.map_err(|source| Error::Io { what: format!("{verb} {}", path.display()), source: source.into() })
    }
}
