//! Requests that are no HTTP get an answer with an id and all headers, too.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use crate::support::{Multipart, TestApp, samples};

/// Everything that the server says to `bytes` until it hangs up.
fn talk(app: &TestApp, bytes: &[u8], ends: bool) -> String {
    let mut stream = TcpStream::connect(app.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // It may hang up before it has read all.
    let _ = stream.write_all(bytes);
    if ends {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut said = Vec::new();
    stream.read_to_end(&mut said).expect("an end, not a reset");
    String::from_utf8_lossy(&said).into_owned()
}

/// One whole answer, with what every answer has.
fn is_whole_answer(said: &str, status: &str) {
    assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{said}");
    assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {said}");
    let (head, body) = said.split_once("\r\n\r\n").expect("a head");
    let header = |name: &str| {
        let value = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        value.unwrap_or_else(|| panic!("no {name}: {said}"))
    };
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert!(header("content-security-policy").contains("frame-ancestors 'none'"));
    assert!(header("strict-transport-security").starts_with("max-age="));
    assert_eq!(header("content-length"), body.len().to_string());
    for name in ["referrer-policy", "cache-control", "date", "content-type"] {
        header(name);
    }
    let id = header("x-request-id");
    assert_eq!(id.len(), 36, "{id}");
    assert!(body.contains(id), "{said}");
}

fn https() -> TestApp {
    TestApp::with(&[("PUBLIC_URL", "https://files.example")])
}

#[test]
fn malformed_head_is_answered_with_id_and_headers() {
    let app = https();
    let many = "X-Many: 1\r\n".repeat(200);
    for (request, status) in [
        ("nonsense\r\n\r\n", "400"),
        ("GET /\r\n\r\n", "400"),
        ("GET / HTTP/0.9\r\n\r\n", "400"),
        ("GET / HTTP/1.2\r\nHost: x\r\n\r\n", "400"),
        ("GET / HTTP/9.9\r\nHost: x\r\n\r\n", "400"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"),
        ("GE\x01T / HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
        ("GET /\x7f HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost : x\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", "400"),
        ("POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\n", "400"),
        ("POST /login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: nonsense\r\n\r\n", "400"),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\x7f\x03\x03\r\n", "400"),
        (&format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n"), "431"),
        (&format!("GET / HTTP/1.1\r\nHost: x\r\nX-Large: {}\r\n\r\n", "x".repeat(1 << 20)), "431"),
        (&format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(1 << 20)), "431"),
    ] {
        for ends in [false, true] {
            is_whole_answer(&talk(&app, request.as_bytes(), ends), status);
        }
    }
}

#[test]
fn head_that_never_ends_is_answered_with_id_and_headers() {
    let app = https();
    is_whole_answer(&talk(&app, b"GET /login HTTP/1.1\r\nHost: x\r\n", false), "408");
}

#[test]
fn malformed_head_after_a_good_request_is_answered_after_it() {
    let app = https();
    let good = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";
    let said = talk(&app, format!("{good}{good}nonsense\r\n\r\n").as_bytes(), false);
    let at = said.rfind("HTTP/1.1 400 ").expect("a refusal");
    assert_eq!(said[..at].matches("HTTP/1.1 200 OK").count(), 2, "{said}");
    is_whole_answer(&said[at..], "400");
}

#[test]
fn broken_chunk_is_answered_with_id_and_headers() {
    let app = https();
    let form = "Host: files.example\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    for path in ["/login", "/setup", "/password", "/uploads", "/api/production/batches", "/nowhere"] {
        for chunks in ["zz\r\n", "5\r\nhello\r\nzz\r\n", "ffffffffffffffff1\r\n", "3\r\nabcd\r\n", "0x0\r\n"]
        {
            let request = format!("POST {path} HTTP/1.1\r\n{form}Transfer-Encoding: chunked\r\n\r\n{chunks}");
            for ends in [false, true] {
                let said = talk(&app, request.as_bytes(), ends);
                assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{request}\n{said}");
                assert!(said.starts_with("HTTP/1.1 4"), "{request}\n{said}");
                assert!(said.contains("\r\nx-request-id: ") && said.contains("nosniff"), "{request}\n{said}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunk_that_breaks_in_the_middle_of_an_upload_is_answered_and_nothing_is_kept() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let body = Multipart::new().file("a.pdf", &samples::pdf("a")).body();
    let part = &body[..body.len() - 20];
    let head = format!(
        "POST /batches/{batch}/attachments HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nX-CSRF-Token: {}\r\n\
         Accept: application/json\r\nContent-Type: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        app.address,
        staff.cookie(),
        staff.token().await,
        Multipart::CONTENT_TYPE,
    );
    let first = [head.as_bytes(), format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat();
    let address = app.address;
    let said = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(&first).unwrap();
        // By now the handler has begun with the file.
        std::thread::sleep(Duration::from_millis(300));
        stream.write_all(b"not a size\r\n").unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).expect("an end, not a reset");
        said
    })
    .await
    .unwrap();
    assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{said}");
    assert!(said.starts_with("HTTP/1.1 400 ") && said.contains("\r\nx-request-id: "), "{said}");
    staff.upload(&batch, &[("b.pdf", &samples::pdf("b"))]).await.is(201);
    assert_eq!(app.kept().rows, "1");
}

#[tokio::test]
async fn file_that_ends_like_a_bare_answer_is_downloaded_as_it_is() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let mut file = samples::pdf("a");
    // Behind the end of a PDF anything may stand within a kilobyte.
    file.extend(
        b"\nHTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\ndate: Tue, 01 Dec 2026 03:00:00 GMT\r\n\r\n",
    );
    let answer = staff.upload(&batch, &[("a.pdf", &file)]).await.is(201).json();
    let id = answer["results"][0]["attachment"]["id"].as_str().unwrap().to_owned();
    for close in [false, true] {
        let connection = if close { "close" } else { "keep-alive" };
        let path = format!("/attachments/{id}/download");
        let answer = staff.get_with(&path, &[("Connection", connection)]).await.is(200);
        assert_eq!(answer.body, file);
    }
}
