//! `kill -9` of the whole server while uploads run, again and again: what was answered 201 is there with its
//! SHA-256, nothing else is visible, and the next start is clean.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use reqwest::{Client, multipart};
use sha2::{Digest, Sha256};

const KILLS: usize = 20;
const UPLOADERS: usize = 4;
const PASSWORD: &str = "correct horse battery";

/// A `stillage serve` that dies with this value.
struct Server(Child);

impl Server {
    fn start(folder: &Path, port: u16) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_stillage"))
            .arg("serve")
            .current_dir(folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("BIND_ADDRESS", format!("127.0.0.1:{port}"))
            .env("ADMIN_USERNAME", "ann")
            .env("ADMIN_PASSWORD", PASSWORD)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut server = Self(child);
        // Ready is a line of the log; reading on afterwards keeps the pipe from filling.
        let mut lines = BufReader::new(server.0.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut seen = Vec::new();
        let ready =
            lines.by_ref().inspect(|line| seen.push(line.clone())).any(|line| line.contains(" ready "));
        assert!(ready, "the server did not start:\n{}", seen.join("\n"));
        std::thread::spawn(move || lines.for_each(drop));
        server
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already dead when it was killed on purpose.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Somebody who is signed in.
#[derive(Clone)]
struct Ann {
    base: String,
    client: Client,
    token: String,
}

impl Ann {
    async fn signed_in(port: u16) -> Self {
        let client = Client::builder()
            .cookie_store(true)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        let base = format!("http://127.0.0.1:{port}");
        let mut ann = Self { base, client, token: String::new() };
        ann.token = ann.token_on("/login").await;
        let form = [("csrf_token", ann.token.as_str()), ("username", "ann"), ("password", PASSWORD)];
        let answer = ann.client.post(format!("{}/login", ann.base)).form(&form).send().await.unwrap();
        assert_eq!(answer.status(), 303);
        ann.token = ann.token_on("/batches/new").await;
        ann
    }

    async fn page(&self, path: &str) -> String {
        self.client.get(format!("{}{path}", self.base)).send().await.unwrap().text().await.unwrap()
    }

    async fn token_on(&self, path: &str) -> String {
        let page = self.page(path).await;
        let (_, rest) = page.split_once("name=\"csrf_token\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    }

    async fn new_batch(&self) -> String {
        let form = [("csrf_token", self.token.as_str()), ("number", "B-1"), ("product", "Soap")];
        let answer = self.client.post(format!("{}/batches", self.base)).form(&form).send().await.unwrap();
        answer.headers()["location"].to_str().unwrap().to_owned()
    }

    /// The file's id when it was answered 201; `None` when the connection broke.
    async fn upload(&self, batch: &str, name: String, bytes: Vec<u8>) -> Option<String> {
        let part = multipart::Part::bytes(bytes).file_name(name);
        let request = self
            .client
            .post(format!("{}{batch}/attachments", self.base))
            .header("Accept", "application/json")
            .header("X-CSRF-Token", &self.token)
            .multipart(multipart::Form::new().part("files", part));
        let answer = request.send().await.ok()?;
        if answer.status() != 201 {
            return None;
        }
        let body: serde_json::Value = answer.json().await.ok()?;
        Some(body["results"][0]["attachment"]["id"].as_str()?.to_owned())
    }
}

/// A PDF whose content depends on `seed`, up to about 1 MB.
fn pdf(seed: u64) -> Vec<u8> {
    let mut bytes = b"%PDF-1.7\n".to_vec();
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for _ in 0..(seed * 7919 % 130_000) {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        bytes.extend(state.to_be_bytes());
    }
    bytes
}

fn files_in(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_and_nothing_else_shows() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();

    let mut server = Server::start(folder.path(), port);
    // Once: a session outlives the server, and who signs in again and again is slowed down.
    let ann = Ann::signed_in(port).await;
    let batch = ann.new_batch().await;
    let acknowledged: Arc<Mutex<HashMap<String, [u8; 32]>>> = Arc::default();
    let mut seed = 0;
    for round in 0..KILLS {
        let begun = Instant::now();
        let uploaders: Vec<_> = (0..UPLOADERS)
            .map(|_| {
                seed += 1000;
                let (ann, batch, acknowledged) = (ann.clone(), batch.clone(), Arc::clone(&acknowledged));
                tokio::spawn(async move {
                    for seed in seed.. {
                        let bytes = pdf(seed);
                        let hash = Sha256::digest(&bytes).into();
                        let Some(id) = ann.upload(&batch, format!("{seed}.pdf"), bytes).await else { return };
                        acknowledged.lock().unwrap().insert(id, hash);
                    }
                })
            })
            .collect();
        // At a different moment of the uploads' life each time.
        tokio::time::sleep(Duration::from_millis(60 + 13 * round as u64)).await;
        server.kill();
        for uploader in uploaders {
            uploader.await.unwrap();
        }
        server = Server::start(folder.path(), port);
        assert!(begun.elapsed() < Duration::from_secs(60), "the start after a crash takes too long");
    }

    let acknowledged = acknowledged.lock().unwrap().clone();
    assert!(acknowledged.len() > KILLS, "only {} uploads came through", acknowledged.len());
    for (id, hash) in &acknowledged {
        let path = format!("{}/attachments/{id}/download", ann.base);
        let answer = ann.client.get(path).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{id} was acknowledged");
        let bytes = answer.bytes().await.unwrap();
        assert_eq!(<[u8; 32]>::from(Sha256::digest(&bytes)), *hash, "{id} changed");
    }

    // Whatever the pages show can be opened whole: what was cut off is not among it.
    let mut shown = 0;
    let mut next = Some(batch.clone());
    while let Some(path) = next {
        let page = ann.page(&path).await;
        for id in page.split("href=\"/attachments/").skip(1).filter_map(|rest| rest.split('"').next()) {
            if id.contains('/') {
                continue;
            }
            let path = format!("{}/attachments/{id}/download", ann.base);
            assert_eq!(ann.client.get(path).send().await.unwrap().status(), 200);
            shown += 1;
        }
        next = page
            .split("href=\"")
            .filter_map(|rest| rest.split('"').next())
            .find(|href| href.starts_with(&format!("{batch}?")) && href.contains("cursor="))
            .map(|href| href.replace("&amp;", "&").replace("&#38;", "&"));
    }
    assert!(shown >= acknowledged.len());

    // The sweep is one of the first jobs of a start; one that was killed in the middle of it keeps it for a minute.
    let staging = folder.path().join("uploads/.staging");
    let limit = Instant::now() + Duration::from_secs(90);
    while !files_in(&staging).is_empty() {
        assert!(Instant::now() < limit, "left behind: {:?}", files_in(&staging));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
