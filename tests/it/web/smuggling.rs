//! Requests that say in two ways how long they are, heads without end, and forms of ten thousand parts.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use crate::support::{Multipart, TestApp, samples};

/// Everything that the server says until it hangs up, or until it has waited long for more.
fn talk(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // It may hang up before it has read all.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    String::from_utf8_lossy(&said).into_owned()
}

/// Statuses of all answers in what the server said.
fn statuses(said: &str) -> Vec<u16> {
    said.split("HTTP/1.1 ").skip(1).map(|answer| answer[..3].parse().unwrap()).collect()
}

#[test]
fn a_second_request_cannot_hide_in_the_first() {
    let app = TestApp::start();
    let hidden = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";
    let length = hidden.len() + 5;
    let form = "Host: x\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let requests = [
        // The two classic pairs, and each way to write the second length so that one reader overlooks it.
        format!(
            "POST /login HTTP/1.1\r\n{form}Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
        ),
        format!(
            "POST /login HTTP/1.1\r\n{form}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n2\r\na=\r\n0\r\n\r\n{hidden}"
        ),
        format!(
            "POST /login HTTP/1.1\r\n{form}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n{hidden}"
        ),
        format!(
            "POST /login HTTP/1.1\r\n{form}Content-Length: {length}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{hidden}"
        ),
        format!(
            "POST /login HTTP/1.1\r\n{form}Content-Length: {length}\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n{hidden}"
        ),
        format!(
            "POST /login HTTP/1.1\r\n{form}Content-Length: {length}\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n{hidden}"
        ),
        format!(
            "POST /login HTTP/1.1\r\n{form}Content-Length: {length}\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
        ),
        format!(
            "POST /login HTTP/1.0\r\n{form}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
        ),
        format!(
            "POST /login HTTP/1.1\r\n{form}Content-Length: 5\r\nContent-Length: {length}\r\n\r\n0\r\n\r\n{hidden}"
        ),
        format!("POST /login HTTP/1.1\r\n{form}Content-Length: 5, {length}\r\n\r\n0\r\n\r\n{hidden}"),
        format!("POST /login HTTP/1.1\r\n{form}Content-Length: +5\r\n\r\n0\r\n\r\n{hidden}"),
        format!("POST /login HTTP/1.1\r\n{form}Content-Length: -1\r\n\r\n{hidden}"),
        format!("POST /login HTTP/1.1\r\n{form}Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n{hidden}"),
        format!(
            "POST /login HTTP/1.1\r\n{form}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n{hidden}"
        ),
    ];
    for request in requests {
        let said = talk(app.address, request.as_bytes());
        let got = statuses(&said);
        assert!(got.len() == 1 && (400..500).contains(&got[0]), "{request}\n{got:?}\n{said}");
    }
    // Two honest ones in a row are two.
    let plain = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(statuses(&talk(app.address, plain.repeat(2).as_bytes())), [200, 200]);
}

#[test]
fn a_head_has_a_largest_size() {
    let app = TestApp::start();
    let heads = [
        format!("GET /login HTTP/1.1\r\nHost: x\r\nX-Large: {}\r\n\r\n", "x".repeat(1 << 20)),
        format!("GET /login HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-Many: 1\r\n".repeat(5000)),
        format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(1 << 20)),
        format!("GET /login HTTP/1.1\r\nHost: x\r\nCookie: {}\r\n\r\n", "stillage=x; ".repeat(20_000)),
    ];
    for head in heads {
        let got = statuses(&talk(app.address, head.as_bytes()));
        assert!(got.len() <= 1 && got.iter().all(|status| (400..500).contains(status)), "{got:?}");
    }
    assert_eq!(statuses(&talk(app.address, b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")), [200]);
}

#[tokio::test]
async fn ten_thousand_parts_are_refused_and_cost_nothing() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let fields = (0..10_000).fold(Multipart::new(), |form, n| form.field(&format!("f{n}"), "x"));
    let files = (0..10_000).fold(Multipart::new(), |form, n| form.file(&format!("{n}.pdf"), b""));
    for form in [fields, files] {
        let answer = staff.upload_body(&batch, form.body()).await;
        assert!((400..500).contains(&answer.status), "{}", answer.text());
    }
    let kept = app.kept();
    assert_eq!((kept.rows.as_str(), kept.published.len(), kept.staged.len()), ("0", 0, 0));
    staff.upload(&batch, &[("a.pdf", &samples::pdf("a"))]).await.is(201);
}
