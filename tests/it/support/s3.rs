//! A real S3 server in this process, on a port of its own, and in front of it what can go wrong between two
//! machines.

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    time::Duration,
};

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use secrecy::ExposeSecret;
use stillage::{
    config::{Bucket, Patience},
    storage::ObjectStorage,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    runtime::Runtime,
};

pub const BUCKET: &str = "files";
pub const KEY: &str = "GKtest";
pub const SECRET: &str = "a secret of the tests";

/// How the server behaves to whoever connects from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mood {
    Well,
    /// Hangs up at once.
    Refusing,
    /// Takes the connection and says nothing.
    Stalling,
    /// Takes everything and answers 503.
    Overloaded,
}

/// Dropping it stops the server.
pub struct S3 {
    pub address: SocketAddr,
    folder: TempDir,
    mood: Arc<AtomicU8>,
    /// Connections that were taken.
    pub connections: Arc<AtomicUsize>,
    /// How long its clients wait.
    pub patience: Patience,
    runtime: Option<Runtime>,
}

impl S3 {
    pub fn start() -> Self {
        Self::with(Patience { retries: 0, ..Patience::default() })
    }

    /// One whose clients give up soon: for small files, and for what goes wrong.
    pub fn start_for_the_impatient() -> Self {
        Self::with(Patience { connect: Duration::from_secs(2), read: Duration::from_secs(3), retries: 0 })
    }

    fn with(patience: Patience) -> Self {
        let folder = TempDir::with_prefix("stillage-it-s3-").unwrap();
        fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let mut builder = S3ServiceBuilder::new(FileSystem::new(folder.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = builder.build();

        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        // Bound the old way: this is called within other runtimes.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (mood, connections) = (Arc::new(AtomicU8::new(Mood::Well as u8)), Arc::new(AtomicUsize::new(0)));
        let (seen, counted) = (Arc::clone(&mood), Arc::clone(&connections));
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((mut socket, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                let (service, seen) = (service.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    let mood = seen.load(Ordering::Relaxed);
                    if mood == Mood::Well as u8 {
                        // Without keep-alive, so that a change of mood holds for the next request.
                        let mut http = auto::Builder::new(TokioExecutor::new());
                        http.http1().keep_alive(false);
                        let _ = http.serve_connection(TokioIo::new(socket), service).await;
                    } else if mood == Mood::Stalling as u8 {
                        tokio::time::sleep(Duration::from_secs(600)).await;
                    } else if mood == Mood::Overloaded as u8 {
                        let mut head = vec![0; 64 * 1024];
                        let _ = socket.read(&mut head).await;
                        let answer =
                            b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                        let _ = socket.write_all(answer).await;
                    }
                });
            }
        });
        Self { address, folder, mood, connections, patience, runtime: Some(runtime) }
    }

    pub fn set(&self, mood: Mood) {
        self.mood.store(mood as u8, Ordering::Relaxed);
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What a Stillage needs in its environment to use it.
    pub fn environment(&self, mode: &str) -> Vec<(&'static str, String)> {
        environment(&self.bucket(), mode)
    }

    pub fn bucket(&self) -> Bucket {
        Bucket {
            name: BUCKET.to_owned(),
            endpoint: Some(self.endpoint()),
            region: "us-east-1".to_owned(),
            access_key_id: KEY.to_owned(),
            secret_access_key: SECRET.into(),
        }
    }

    pub fn client(&self) -> ObjectStorage {
        ObjectStorage::new(&self.bucket(), self.patience).unwrap()
    }

    /// Where the server keeps an object.
    pub fn object(&self, stored_name: &str) -> PathBuf {
        self.folder.path().join(BUCKET).join("batches").join(stored_name)
    }

    /// What is kept of the heads of the audit trail.
    pub fn heads(&self) -> Vec<Vec<u8>> {
        let entries = fs::read_dir(self.folder.path().join(BUCKET).join("audit")).into_iter().flatten();
        entries.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
    }

    pub fn objects(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path().join(BUCKET).join("batches")).into_iter().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Parts of uploads that were neither completed nor aborted.
    pub fn parts(&self) -> usize {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        entries
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".upload"))
            .count()
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        // A runtime may not be dropped within another one while it waits.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What a Stillage needs in its environment to use this bucket.
pub fn environment(bucket: &Bucket, mode: &str) -> Vec<(&'static str, String)> {
    [
        ("ENABLE_ATTACHMENT_CLOUD_STORAGE", "true"),
        ("ATTACHMENT_STORAGE_PROVIDER", "s3"),
        ("ATTACHMENT_STORAGE_MODE", mode),
        ("AWS_ACCESS_KEY_ID", &bucket.access_key_id),
        ("AWS_SECRET_ACCESS_KEY", bucket.secret_access_key.expose_secret()),
        ("AWS_REGION", &bucket.region),
        ("S3_ATTACHMENTS_BUCKET", &bucket.name),
        ("AWS_ENDPOINT_URL", bucket.endpoint.as_deref().unwrap_or_default()),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

/// The bucket of a real engine, when `make test-garage` runs one.
#[expect(clippy::disallowed_methods, reason = "the variable is for this test alone")]
pub fn engine() -> Option<Bucket> {
    let endpoint = std::env::var("STILLAGE_TEST_S3").ok()?;
    let value = |name: &str| std::env::var(name).unwrap();
    Some(Bucket {
        name: value("STILLAGE_TEST_S3_BUCKET"),
        endpoint: Some(endpoint),
        region: "garage".to_owned(),
        access_key_id: value("STILLAGE_TEST_S3_KEY"),
        secret_access_key: value("STILLAGE_TEST_S3_SECRET").into(),
    })
}
