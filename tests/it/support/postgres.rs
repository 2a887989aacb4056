//! One private PostgreSQL for the whole run, and a database of its own for each test.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use diesel::{Connection, PgConnection, connection::SimpleConnection};
use stillage::db::{
    embedded::{Embedded, Options, Owner},
    migrate,
};
use tempfile::TempDir;

/// Migrated once, then copied for each test.
const TEMPLATE: &str = "migrated";

static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

struct Server {
    embedded: Embedded,
    _janitor: Child,
}

impl Server {
    fn start() -> Self {
        let folder = TempDir::with_prefix("stillage-it-").unwrap().keep();
        // PostgreSQL may run as another user.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let janitor = janitor(&folder);
        let settings = [
            ("fsync", "off"),
            ("synchronous_commit", "off"),
            ("full_page_writes", "off"),
            ("autovacuum", "off"),
            ("max_connections", "300"),
        ];
        let options = Options {
            data_path: folder,
            settings: settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        };
        let server = Self { embedded: Embedded::start(&options, Owner::Server).unwrap(), _janitor: janitor };
        server.execute(&format!("CREATE DATABASE {TEMPLATE}"));
        migrate::run_at(&server.url_of(TEMPLATE)).unwrap();
        server
    }

    fn url_of(&self, database: &str) -> String {
        self.embedded.url().replacen("///stillage?", &format!("///{database}?"), 1)
    }

    fn execute(&self, sql: &str) {
        PgConnection::establish(self.embedded.url()).unwrap().batch_execute(sql).unwrap();
    }
}

/// Removes the folder once this process has ended, in whatever way, and PostgreSQL with it: statics are never
/// dropped, but the kernel closes the pipe.
fn janitor(folder: &Path) -> Child {
    let script = "trap '' INT TERM HUP; cat; n=0
        while [ -e \"$1/postgres/postmaster.pid\" ] && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done
        rm -rf \"$1\"";
    Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A database of one test; gone when it is dropped.
pub struct Database {
    name: String,
    pub url: String,
}

impl Database {
    /// A migrated one.
    pub fn new() -> Self {
        Self::from_template(TEMPLATE)
    }

    /// One without any table.
    pub fn empty() -> Self {
        Self::from_template("template0")
    }

    fn from_template(template: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        SERVER.execute(&format!("CREATE DATABASE {name} TEMPLATE {template}"));
        Self { url: SERVER.url_of(&name), name }
    }

    pub fn connect(&self) -> PgConnection {
        PgConnection::establish(&self.url).unwrap()
    }

    /// Throws everybody out and lets nobody in.
    pub fn take_away(&self) {
        SERVER.execute(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", self.name));
        SERVER.execute(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'",
            self.name
        ));
    }

    pub fn give_back(&self) {
        SERVER.execute(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", self.name));
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        SERVER.execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}
