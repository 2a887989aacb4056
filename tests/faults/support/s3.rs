//! A real S3 server in this process, or the one that `.ci/with-garage` runs.

use std::{fs, net::SocketAddr};

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::{net::TcpListener, runtime::Runtime};

const BUCKET: &str = "files";
const KEY: &str = "GKtest";
const SECRET: &str = "a secret of the tests";

/// A bucket and the keys to it.
pub struct Bucket {
    name: String,
    region: &'static str,
    key: String,
    secret: String,
}

/// Dropping it stops the server.
pub struct S3 {
    pub address: SocketAddr,
    _folder: TempDir,
    runtime: Option<Runtime>,
}

impl S3 {
    pub fn start() -> Self {
        let folder = TempDir::with_prefix("stillage-faults-s3-").unwrap();
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
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let http = auto::Builder::new(TokioExecutor::new());
                    // An error is a connection that ended.
                    drop(http.serve_connection(TokioIo::new(socket), service).await);
                });
            }
        });
        Self { address, _folder: folder, runtime: Some(runtime) }
    }

    pub fn bucket(&self) -> Bucket {
        Bucket {
            name: BUCKET.to_owned(),
            region: "us-east-1",
            key: KEY.to_owned(),
            secret: SECRET.to_owned(),
        }
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

/// What a Stillage needs in its environment to use this bucket, but for its endpoint.
pub fn environment(bucket: &Bucket, mode: &str) -> Vec<(&'static str, String)> {
    [
        ("ENABLE_ATTACHMENT_CLOUD_STORAGE", "true"),
        ("ATTACHMENT_STORAGE_PROVIDER", "s3"),
        ("ATTACHMENT_STORAGE_MODE", mode),
        ("AWS_ACCESS_KEY_ID", &bucket.key),
        ("AWS_SECRET_ACCESS_KEY", &bucket.secret),
        ("AWS_REGION", bucket.region),
        ("S3_ATTACHMENTS_BUCKET", &bucket.name),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

/// Where a real engine listens, when one runs.
pub fn engine_address() -> Option<SocketAddr> {
    variable("STILLAGE_TEST_S3")?.trim_start_matches("http://").parse().ok()
}

/// Its bucket.
pub fn engine() -> Option<Bucket> {
    Some(Bucket {
        name: variable("STILLAGE_TEST_S3_BUCKET")?,
        region: "garage",
        key: variable("STILLAGE_TEST_S3_KEY")?,
        secret: variable("STILLAGE_TEST_S3_SECRET")?,
    })
}

#[expect(clippy::disallowed_methods, reason = "the variables are for these tests alone")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
