//! A whole Stillage for one test: database, store, server on a port of its own.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use actix_web::dev::ServerHandle;
use chrono::TimeDelta;
use diesel::{QueryableByName, RunQueryDsl, connection::SimpleConnection, sql_query, sql_types::Text};
use stillage::{
    app::App,
    clock::Clock,
    config::{Config, Patience, Timeouts},
    db::{self, sites::Site},
    domain::{
        access::{Actor, Role},
        users,
    },
    jobs::{Worker, schedule},
    web,
};
use tempfile::TempDir;
use uuid::Uuid;

use super::{Client, Database, PASSWORD, eventually, s3::S3};

/// Dropping it stops the server, and fails the test if it left a job or a staged file behind. No worker runs, so that
/// an upload's previews wait to be drawn: these jobs may be left.
pub struct TestApp {
    pub app: Arc<App>,
    pub address: SocketAddr,
    server: Option<(ServerHandle, JoinHandle<std::io::Result<()>>)>,
    uploads: TempDir,
    // Last, so that nobody is connected any more when it is dropped.
    pub database: Database,
}

/// Previews that nobody has begun to draw.
const TO_DRAW: &str = "kind = 'make_previews' AND state = 'waiting' AND attempts = 0";

/// What there is of files: rows, published files, staged files.
#[derive(Debug, PartialEq, Eq)]
pub struct Kept {
    pub rows: String,
    pub published: Vec<String>,
    pub staged: Vec<String>,
}

impl TestApp {
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// With these variables in its environment.
    pub fn with(environment: &[(&str, &str)]) -> Self {
        Self::with_config(environment, |_| {})
    }

    /// With this bucket, in this mode, and more variables.
    pub fn with_cloud(s3: &S3, mode: &str, more: &[(&str, &str)]) -> Self {
        Self::with_bucket(&s3.environment(mode), s3.patience, more)
    }

    /// The same for the bucket of any engine.
    pub fn with_bucket(bucket: &[(&str, String)], patience: Patience, more: &[(&str, &str)]) -> Self {
        let bucket = bucket.iter().map(|(name, value)| (*name, value.as_str()));
        Self::with_config(&bucket.chain(more.iter().copied()).collect::<Vec<_>>(), |config| {
            config.cloud.as_mut().unwrap().patience = patience;
        })
    }

    /// With less patience for slow clients.
    pub fn with_timeouts(timeouts: Timeouts) -> Self {
        Self::with_config(&[], |config| config.timeouts = timeouts)
    }

    /// With so few file descriptors to count on.
    pub fn with_descriptors(descriptors: u64) -> Self {
        Self::with_config(&[], |config| config.descriptors = descriptors)
    }

    fn with_config(environment: &[(&str, &str)], change: impl FnOnce(&mut Config)) -> Self {
        let database = Database::new();
        let uploads = TempDir::with_prefix("stillage-it-uploads-").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut config = Config::from_lookup(|name| match name {
            "DATABASE_URL" => Some(database.url.clone()),
            "UPLOAD_STORAGE_PATH" => Some(uploads.path().join("store").display().to_string()),
            "BIND_ADDRESS" => Some(address.to_string()),
            _ => environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()),
        })
        .unwrap();
        // The tests are another program than the one that can draw.
        config.render_program = env!("CARGO_BIN_EXE_stillage").into();
        change(&mut config);
        let app = App::assemble(config, database.url.clone(), None, Clock::default(), 3).unwrap();
        let server = Some(serve(&app, listener));
        Self { app, address, server, uploads, database }
    }

    /// A browser that nobody signed in with.
    pub fn stranger(&self) -> Client {
        Client::new(&format!("http://{}", self.address))
    }

    pub async fn admin(&self) -> Client {
        self.new_user("ada", Role::Admin, &[]).await
    }

    pub async fn staff(&self) -> Client {
        self.new_user("stan", Role::Staff, &[]).await
    }

    pub async fn viewer(&self) -> Client {
        self.new_user("vera", Role::Viewer, &[]).await
    }

    /// Adds an account to these sites (none: the default one) and signs in with it.
    pub async fn new_user(&self, name: &str, role: Role, sites: &[&str]) -> Client {
        self.add_user(name, role, sites).await;
        self.stranger().sign_in(name).await
    }

    pub async fn add_user(&self, name: &str, role: Role, sites: &[&str]) {
        let sites = sites.iter().map(|&site| site.to_owned()).collect();
        users::add(&self.app, &Actor::console(), name, role, sites, PASSWORD.into()).await.unwrap();
    }

    /// Adds a site and returns its id.
    pub fn add_site(&self, name: &str) -> Uuid {
        let site = Site {
            id: Uuid::now_v7(),
            name: name.to_owned(),
            is_default: false,
            created_at: self.app.clock.now(),
        };
        db::sites::insert(&mut self.database.connect(), &site).unwrap();
        site.id
    }

    /// Ends the server in the middle of whatever it does, and starts another on the same database and store.
    pub fn restart(&mut self) {
        if let Some((handle, thread)) = self.server.take() {
            drop(handle.stop(false));
            thread.join().unwrap().unwrap();
        }
        let (config, url, clock) =
            (self.app.config.clone(), self.database.url.clone(), self.app.clock.clone());
        self.app = App::assemble(config, url, None, clock, 3).unwrap();
        self.server = Some(serve(&self.app, TcpListener::bind(self.address).unwrap()));
    }

    /// Another instance on the same database and store.
    pub fn instance(&self) -> Arc<App> {
        let (config, clock) = (self.app.config.clone(), self.app.clock.clone());
        App::assemble(config, self.database.url.clone(), None, clock, 3).unwrap()
    }

    pub fn advance(&self, by: TimeDelta) {
        self.app.clock.advance(by);
    }

    /// The one value of an SQL expression or query, as text.
    pub fn value(&self, sql: &str) -> String {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = Text)]
            value: String,
        }
        let rows: Vec<Row> = sql_query(format!("SELECT coalesce(({sql})::text, 'null') AS value"))
            .load(&mut self.database.connect())
            .unwrap();
        rows.into_iter().next().unwrap().value
    }

    /// The plan of a query, line by line.
    pub fn plan(&self, sql: &str) -> String {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
            line: String,
        }
        let rows: Vec<Row> = sql_query(format!("EXPLAIN {sql}")).load(&mut self.database.connect()).unwrap();
        rows.into_iter().map(|row| row.line).collect::<Vec<_>>().join("\n")
    }

    pub fn execute(&self, sql: &str) {
        self.database.connect().batch_execute(sql).unwrap();
    }

    /// Lets a worker draw what waits to be drawn.
    pub async fn draw(&self) {
        let worker = Worker::start(&self.app);
        let until = Instant::now() + Duration::from_secs(120);
        // A worker that starts does what recurs as well; stopped before that, it would leave it behind.
        let recurring: Vec<String> =
            schedule::TABLE.iter().map(|line| format!("'{}'", line.job.kind())).collect();
        let left = format!(
            "SELECT count(*) FROM jobs WHERE kind = 'make_previews' OR (attempts = 0 AND kind IN ({}))",
            recurring.join(", ")
        );
        while self.value(&left) != "0" {
            assert!(
                Instant::now() < until,
                "never drawn: {}",
                self.value("SELECT last_error FROM jobs LIMIT 1")
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        worker.stop(Duration::from_secs(20)).await;
    }

    /// The store's folder.
    pub fn store(&self) -> PathBuf {
        self.uploads.path().join("store")
    }

    /// A published file's path.
    pub fn published(&self, stored_name: &str) -> PathBuf {
        self.store().join("batches").join(stored_name)
    }

    /// Puts an empty folder in the place of the store, as when its disk is not mounted.
    pub fn unmount(&self) {
        fs::rename(self.store(), self.uploads.path().join("away")).unwrap();
        fs::create_dir(self.store()).unwrap();
    }

    pub fn mount(&self) {
        fs::remove_dir_all(self.store()).unwrap();
        fs::rename(self.uploads.path().join("away"), self.store()).unwrap();
    }

    /// Bytes in the one staged file there is; 0 when there is none.
    pub fn staged_bytes(&self) -> u64 {
        let staged = self.store().join(".staging");
        let only = names_in(&staged).into_iter().next();
        only.and_then(|name| fs::metadata(staged.join(name)).ok()).map_or(0, |meta| meta.len())
    }

    /// Lets a worker take what is due until this holds.
    pub async fn work_until(&self, what: &str, holds: impl FnMut() -> bool) {
        let worker = Worker::start(&self.app);
        tokio::task::block_in_place(|| eventually(what, holds));
        worker.stop(Duration::from_secs(20)).await;
    }

    /// Lets a worker do all there is to do.
    pub async fn work_off(&self) {
        self.work_until("no job is left", || self.value("SELECT count(*) FROM jobs") == "0").await;
    }

    pub fn kept(&self) -> Kept {
        Kept {
            rows: self.value("SELECT count(*) FROM attachments"),
            published: names_in(&self.store().join("batches")),
            staged: names_in(&self.store().join(".staging")),
        }
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if let Some((handle, thread)) = self.server.take() {
            drop(handle.stop(false));
            let ended = thread.join();
            if !thread::panicking() {
                ended.expect("the server panicked").expect("the server failed");
            }
        }
        if thread::panicking() {
            return;
        }
        // An upload that was broken off ends on its own thread.
        eventually("no staged file is left", || names_in(&self.store().join(".staging")).is_empty());
        self.database.give_back();
        let left = format!("SELECT count(*) FROM jobs WHERE NOT ({TO_DRAW})");
        assert_eq!(self.value(&left), "0", "jobs were left behind");
    }
}

fn serve(app: &Arc<App>, listener: TcpListener) -> (ServerHandle, JoinHandle<std::io::Result<()>>) {
    let (report, started) = mpsc::channel();
    let app = Arc::clone(app);
    let thread = thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = web::server::run(&app, listener, 1, std::future::pending())?;
            report.send(server.handle()).unwrap();
            server.await
        })
    });
    (started.recv().unwrap(), thread)
}

/// File names in a folder, sorted; a folder that is not there is empty.
fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
