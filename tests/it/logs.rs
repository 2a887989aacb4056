//! The log of the real program: a line for every refusal, none that somebody outside could forge, and no secrets.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use reqwest::{Method, header::AUTHORIZATION};
use tempfile::TempDir;

use crate::support::{Answer, Client, Database, Multipart, PASSWORD, eventually, raw, samples};

/// A name that would begin a line of its own, clear the screen and turn the text round.
const NASTY: &str =
    "x\r\n2026-01-01T00:00:00Z ERROR forged\u{1b}[2J\u{9b}2J\u{2028}forged\u{85}\u{202e}\u{7f}";

/// A `stillage serve` whose log is read along.
struct Server {
    process: Child,
    address: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
    _store: TempDir,
    _database: Database,
}

impl Server {
    fn start(form: &str) -> Self {
        let (database, store) = (Database::new(), TempDir::with_prefix("stillage-it-logs-").unwrap());
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_stillage"))
            .arg("serve")
            .current_dir(store.path())
            .env_clear()
            .env("DATABASE_URL", &database.url)
            .env("UPLOAD_STORAGE_PATH", store.path().join("store"))
            .env("BIND_ADDRESS", address.to_string())
            .env("ADMIN_USERNAME", "ada")
            .env("ADMIN_PASSWORD", PASSWORD)
            .env("MAX_UPLOAD_SIZE_MB", "1")
            .env("LOG_FORMAT", form)
            .env("RUST_LOG", "info,stillage=debug,actix_web=debug,actix_http=debug")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (mut pipe, lines) = (BufReader::new(process.stderr.take().unwrap()), Arc::clone(&log));
        thread::spawn(move || {
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                lines.lock().unwrap().push(String::from_utf8(std::mem::take(&mut line)).unwrap());
            }
        });
        let server = Self { process, address, log, _store: store, _database: database };
        eventually("the server is ready", || server.lines().iter().any(|line| line.contains("ready")));
        server
    }

    fn lines(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    fn client(&self) -> Client {
        Client::new(&format!("http://{}", self.address))
    }

    /// The line about the refusal of this answer's request.
    #[track_caller]
    fn line_of(&self, answer: &Answer) -> String {
        let id = answer.header("x-request-id").to_owned();
        let of = || -> Vec<String> {
            self.lines().into_iter().filter(|line| line.contains(&id) && line.contains("refused")).collect()
        };
        eventually("the refusal is in the log", || !of().is_empty());
        let lines = of();
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.into_iter().next().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Dead already when it could not start.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn request_that_cannot_be_read_has_its_line() {
    let server = Server::start("json");
    let form = "POST /login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (request, status) in [
        ("nonsense\r\n\r\n".to_owned(), 400),
        (format!("GET / HTTP/1.1\r\nX-Large: {}\r\n\r\n", "x".repeat(1 << 20)), 431),
        // The handler refused it before it came to the chunk: no token.
        (format!("{form}zz\r\n"), 403),
    ] {
        let mut stream = std::net::TcpStream::connect(server.address).unwrap();
        let _ = stream.write_all(request.as_bytes());
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        let id = said.lines().find_map(|line| line.strip_prefix("x-request-id: ")).expect("an id").to_owned();
        let of = || -> Vec<String> {
            server.lines().into_iter().filter(|line| line.contains(&id) && line.contains("refused")).collect()
        };
        eventually("the refusal is in the log", || !of().is_empty());
        let lines = of();
        assert_eq!(lines.len(), 1, "{lines:?}");
        let line: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(line["status"], status, "{line}");
        assert!(line["reason"].is_string() && line["route"].is_string(), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_has_its_line() {
    let server = Server::start("json");
    let (stranger, admin) = (server.client(), server.client().sign_in("ada").await);
    let batch = admin.make_batch("B-1").await;
    let secret = "stl_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let with_token = stranger.request(Method::GET, "/api/production/batches");
    let upload = format!("/batches/{batch}/attachments");
    let large = [samples::pdf("large"), vec![b'\n'; 2 * 1024 * 1024]].concat();
    let mut answers = vec![
        (stranger.get_json("/batches").await.is(401), "/batches", "unauthenticated", "INFO"),
        (
            Answer::to(with_token.header(AUTHORIZATION, format!("Bearer {secret}"))).await.is(401),
            "/api/production/batches",
            "unauthenticated",
            "INFO",
        ),
        (stranger.post_login("ada", "typed by mistake").await.is(401), "/login", "unauthenticated", "INFO"),
        (Answer::to(admin.request(Method::POST, "/batches")).await.is(403), "/batches", "csrf", "WARN"),
        (
            admin.get("/batches/00000000-0000-0000-0000-000000000000").await.is(404),
            "/batches/{id}",
            "not_found",
            "INFO",
        ),
        (
            stranger.get("/s/0123456789abcdef0123456789abcdef").await.is(404),
            "/s/{token}",
            "not_found",
            "INFO",
        ),
        (
            stranger.get("/password?token=fedcba9876543210fedcba9876543210").await.is(404),
            "/password",
            "not_found",
            "INFO",
        ),
        (admin.get("/nowhere").await.is(404), "unknown", "not_found", "INFO"),
        (
            admin.upload(&batch, &[("a.exe", b"MZ")]).await.is(415),
            "/batches/{id}/attachments",
            "unsupported_type",
            "INFO",
        ),
        (
            admin.upload(&batch, &[("a.pdf", &large)]).await.is(413),
            "/batches/{id}/attachments",
            "too_large",
            "INFO",
        ),
        // One of two, and from a page, where the answer leads back.
        (
            admin.upload(&batch, &[("a.pdf", &samples::pdf("a")), ("b.pdf", b"")]).await.is(207),
            "/batches/{id}/attachments",
            "empty_file",
            "INFO",
        ),
        (
            admin.upload_form(&batch, &[("a.exe", b"MZ")]).await.is(303),
            "/batches/{id}/attachments",
            "unsupported_type",
            "INFO",
        ),
        (admin.post_form("/batches", &[("number", "")]).await.is(422), "/batches", "invalid", "INFO"),
    ];
    admin.post_form(&format!("/batches/{batch}/close"), &[]).await.is(303);
    answers.push((
        admin.upload(&batch, &[("c.pdf", &samples::pdf("c"))]).await.is(409),
        "/batches/{id}/attachments",
        "batch_closed",
        "INFO",
    ));
    let throttled = loop {
        let answer = stranger.post_login("nobody", "wrong horse battery").await;
        if answer.status == 429 {
            break answer;
        }
    };
    answers.push((throttled, "/login", "throttled", "WARN"));
    admin.post_form("/admin/settings/maintenance", &[("on", "yes")]).await.is(303);
    let refused = Answer::to(admin.request(Method::POST, &upload)).await.is(503);
    answers.push((refused, "/batches/{id}/attachments", "maintenance", "INFO"));

    for path in [
        "//s/{}",
        "/S/{}",
        "/%73/{}",
        "/%2573/{}",
        "/s%2F{}",
        "/s/{}/download",
        "/./s/{}",
        "/x/../s/{}",
        "/login?next=/s/{}",
        "/password/{}",
        "/setup?token={}",
        "/nowhere?x={}",
        "/nowhere/{}",
    ] {
        let path = path.replace("{}", "0123456789abcdef0123456789abcdef");
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nReferer: http://x/s/0123456789abcdef0123456789abcdef\r\n\
             Accept: text/html\r\nConnection: close\r\n\r\n"
        );
        raw::exchange(server.address, &request);
    }
    let ada = admin.get_json("/api/production/batches").await.is(200);
    assert!(
        !server
            .lines()
            .iter()
            .any(|line| line.contains("refused") && line.contains(ada.header("x-request-id")))
    );
    for (answer, route, reason, level) in &answers {
        let line = server.line_of(answer);
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        let said = ["route", "reason", "level"].map(|name| event[name].as_str().unwrap_or_default());
        assert_eq!(said, [*route, *reason, *level], "{line}");
        assert_eq!(event["request_id"], answer.header("x-request-id"), "{line}");
        assert_eq!(event["status"], answer.status, "{line}");
    }
    let user = |answer: &Answer| {
        let event: serde_json::Value = serde_json::from_str(&server.line_of(answer)).unwrap();
        event["user"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(user(&answers[0].0), "");
    assert_eq!(user(&answers[3].0).len(), 36, "who is signed in is named");
    assert_eq!(user(&answers[3].0), user(&answers[4].0));

    let whole = server.lines().concat();
    let cookie = admin.cookie();
    let cookie = cookie.split_once('=').unwrap().1;
    for secret in [
        secret,
        PASSWORD,
        "typed by mistake",
        "0123456789abcdef0123456789abcdef",
        "fedcba9876543210fedcba9876543210",
        cookie,
        &admin.token().await,
    ] {
        assert!(!whole.contains(secret), "{secret} is in the log");
    }
    assert!(!whole.contains("ERROR"), "nothing here is the server's fault:\n{whole}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_writes_lines_of_their_own() {
    for form in ["text", "json"] {
        let server = Server::start(form);
        let admin = server.client().sign_in("ada").await;
        let batch = admin.make_batch("B-1").await;
        let stranger = server.client();
        stranger.post_login(NASTY, NASTY).await.is(401);
        let encoded = percent_encoding::utf8_percent_encode(NASTY, percent_encoding::NON_ALPHANUMERIC);
        stranger.get(&format!("/{encoded}?{encoded}")).await.is(404);
        admin.get(&format!("/batches/{encoded}")).await.is(404);
        admin.upload(&batch, &[(&format!("{NASTY}.pdf"), &samples::pdf("a"))]).await;
        admin.upload(&batch, &[("x\r\nforged\u{2028}\u{85}\u{202e}.exe", b"MZ")]).await.is(415);
        let broken = Multipart::new().file_head(NASTY).unfinished();
        admin.upload_body(&batch, broken).await.is(400);
        admin.post_form("/account", &[("display_name", NASTY)]).await.is(422);
        admin.post_form("/batches", &[("number", NASTY), ("product", NASTY)]).await;
        // Bytes that no client library would send.
        for agent in ["\u{1b}[2J", "\u{9b}2J\u{2028}forged", "a\tb"] {
            raw::exchange(
                server.address,
                &format!(
                    "GET /{agent} HTTP/1.1\r\nHost: x\r\nUser-Agent: {agent}\r\nConnection: close\r\n\r\n"
                ),
            );
            raw::exchange(
                server.address,
                &format!(
                    "GET /nowhere HTTP/1.1\r\nHost: x\r\nUser-Agent: {agent}\r\nConnection: close\r\n\r\n"
                ),
            );
        }
        let last = stranger.get("/the-last-one").await.is(404);
        server.line_of(&last);
        for line in server.lines() {
            let line = line.strip_suffix('\n').unwrap();
            let raw = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202e}');
            assert!(!line.contains(raw), "{form}: {line:?}");
            if form == "json" {
                serde_json::from_str::<serde_json::Value>(line).unwrap();
            } else {
                // A moment of its own, and not the forged one.
                assert!(
                    line.as_bytes()[..4].iter().all(u8::is_ascii_digit) && !line.starts_with("2026-01-01"),
                    "{line}"
                );
            }
        }
    }
}
