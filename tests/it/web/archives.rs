//! `archive.zip`, read with a ZIP library that nobody here wrote.

use std::{
    fs,
    io::{Cursor, Read},
    net::TcpStream,
};

use reqwest::{Method, header::ACCEPT};
use zip::{CompressionMethod, ZipArchive};

use crate::support::{Answer, Client, TestApp, eventually, raw::Raw, samples};

/// Names and contents, in the order of the archive.
fn unpack(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
    (0..archive.len())
        .map(|nth| {
            let mut file = archive.by_index(nth).unwrap();
            assert_eq!(file.compression(), CompressionMethod::Stored);
            assert!(!file.is_dir());
            let mut content = Vec::new();
            // Reading to the end checks the CRC-32.
            file.read_to_end(&mut content).unwrap();
            (file.name().unwrap().into_owned(), content)
        })
        .collect()
}

fn names(answer: &Answer) -> Vec<String> {
    unpack(&answer.body).into_iter().map(|(name, _)| name).collect()
}

fn manifest(answer: &Answer) -> String {
    let (name, text) = unpack(&answer.body).pop().unwrap();
    assert_eq!(name, "manifest.csv");
    String::from_utf8(text).unwrap()
}

async fn chosen(by: &Client, batch: &str, ids: &[&str]) -> Answer {
    let fields: Vec<_> = ids.iter().map(|id| ("ids", *id)).collect();
    by.post_for_json(&format!("/batches/{batch}/archive.zip"), &fields).await
}

#[tokio::test]
async fn what_comes_out_is_what_went_in() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-2026/0142 \"ü\"").await;
    // More than one chunk, a chunk exactly, and small ones; two of the same name, and one that Windows cannot have.
    let files = [
        ("slip.pdf", samples::pdf_of(700_001)),
        ("Slip.pdf", samples::pdf_of(256 * 1024)),
        ("=1+1, or CON.pdf", samples::pdf("x")),
        ("con.pdf", samples::pdf("y")),
        ("Wägeprotokoll: 14.png", samples::png()),
    ];
    for (name, bytes) in &files {
        staff.store(&batch, name, bytes).await;
    }
    let gone = staff.store_id(&batch, "gone.pdf", &samples::pdf("gone")).await;
    staff.post_form(&format!("/attachments/{gone}/delete"), &[]).await.is(303);

    let answer = staff.get(&format!("/batches/{batch}/archive.zip")).await.is(200);
    assert_eq!(answer.header("content-type"), "application/zip");
    assert_eq!(answer.header("content-length"), answer.body.len().to_string());
    let disposition = answer.header("content-disposition");
    assert!(disposition.starts_with("attachment; filename=\"B-2026_0142 _"), "{disposition}");
    let expected = [
        ("=1+1, or CON.pdf", 2),
        ("_con.pdf", 3),
        ("slip.pdf", 0),
        ("Slip (2).pdf", 1),
        ("Wägeprotokoll_ 14.png", 4),
    ];
    let mut unpacked = unpack(&answer.body);
    let (last, text) = unpacked.pop().unwrap();
    assert_eq!(last, "manifest.csv");
    let lines = String::from_utf8(text).unwrap();
    let mut lines = lines.split("\r\n");
    assert_eq!(lines.next(), Some("name,size,sha256,uploaded_by,uploaded_at"));
    assert_eq!(unpacked.len(), expected.len());
    for (name, nth) in expected {
        let (_, content) =
            unpacked.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("{name}"));
        assert!(*content == files[nth].1, "{name} came back different");
        let hash = samples::sha256(content);
        let cell = if name.starts_with('=') { format!("\"'{name}\"") } else { name.to_owned() };
        let line = format!("{cell},{},{hash},stan,", content.len());
        assert!(lines.clone().any(|known| known.starts_with(&line) && known.ends_with('Z')), "{line}");
    }
    let trail = "SELECT details::text FROM audit_events WHERE action = 'batch.archive'";
    let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    assert_eq!(app.value(trail), format!("{{\"bytes\": {bytes}, \"files\": 5, \"chosen\": false}}"));
    staff.get_html(&format!("/batches/{batch}")).await.is(200).shows("took the ZIP");
}

#[tokio::test]
async fn head_tells_the_length_and_leaves_no_trace() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    staff.store(&batch, "a.pdf", &samples::pdf_of(1000)).await;
    let path = format!("/batches/{batch}/archive.zip");
    let head = staff.head(&path).await.is(200);
    assert_eq!(app.value("SELECT count(*) FROM audit_events WHERE action = 'batch.archive'"), "0");
    let get = staff.get(&path).await.is(200);
    assert_eq!(head.header("content-length"), get.header("content-length"));
    assert!(head.body.is_empty());
}

#[tokio::test]
async fn only_the_ticked_files() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let (batch, other) = (staff.make_batch("B-1").await, staff.make_batch("B-2").await);
    let first = staff.store_id(&batch, "first.pdf", &samples::pdf("1")).await;
    let second = staff.store_id(&batch, "manifest.csv.pdf", &samples::pdf("2")).await;
    staff.store(&batch, "third.pdf", &samples::pdf("3")).await;
    let foreign = staff.store_id(&other, "foreign.pdf", &samples::pdf("4")).await;
    let answer = chosen(&staff, &batch, &[&second, &first, &foreign, "nonsense"]).await.is(200);
    assert_eq!(names(&answer), ["first.pdf", "manifest.csv.pdf", "manifest.csv"]);
    assert_eq!(manifest(&answer).lines().count(), 3);
    chosen(&staff, &batch, &[&foreign]).await.is(404);
    assert_eq!(chosen(&staff, &batch, &[]).await.is(422).code(), "invalid");
    staff.post_form(&format!("/attachments/{first}/delete"), &[]).await.is(303);
    chosen(&staff, &batch, &[&first]).await.is(404);
    staff.post_form(&format!("/batches/{batch}/delete"), &[]).await.is(303);
    assert_eq!(chosen(&staff, &batch, &[&second]).await.is(409).code(), "batch_trashed");
    assert_eq!(
        staff.get_json(&format!("/batches/{batch}/archive.zip")).await.is(409).code(),
        "batch_trashed"
    );
    let trail = "SELECT string_agg(details->>'chosen', ' ') FROM audit_events WHERE action = 'batch.archive'";
    assert_eq!(app.value(trail), "true", "what was refused is not in the trail");
}

#[tokio::test]
async fn a_batch_without_files_has_an_empty_manifest() {
    let app = TestApp::start();
    let viewer = app.viewer().await;
    let batch = app.staff().await.make_batch("B-1").await;
    let answer = viewer.get(&format!("/batches/{batch}/archive.zip")).await.is(200);
    assert_eq!(manifest(&answer), "name,size,sha256,uploaded_by,uploaded_at\r\n");
    assert_eq!(names(&answer).len(), 1);
}

#[tokio::test]
async fn what_is_known_to_be_missing_is_named() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let lost = staff.store_id(&batch, "lost.pdf", &samples::pdf("lost")).await;
    staff.store(&batch, "there.pdf", &samples::pdf("there")).await;
    app.execute(&format!("UPDATE attachments SET state = 'missing' WHERE id = '{lost}'"));
    for answer in [
        staff.get(&format!("/batches/{batch}/archive.zip")).await.is(200),
        chosen(&staff, &batch, &[&lost]).await.is(200),
    ] {
        let texts = unpack(&answer.body);
        let (_, text) = texts.iter().find(|(name, _)| name == "NOT IN THIS ARCHIVE.txt").unwrap();
        assert!(String::from_utf8_lossy(text).contains("lost.pdf (missing)"));
        assert!(!manifest(&answer).contains("lost.pdf"));
    }
}

#[tokio::test]
async fn what_turns_out_to_be_gone_breaks_the_archive_off() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    staff.store(&batch, "a.pdf", &samples::pdf_of(400_000)).await;
    let lost = staff.store(&batch, "b.pdf", &samples::pdf_of(400_000)).await;
    let path = app.published(lost["stored_name"].as_str().unwrap());
    let bytes = fs::read(&path).unwrap();
    // Where it breaks is chance: before the head of the answer has left, or after.
    let archive = async || {
        let request = staff.request(Method::GET, &format!("/batches/{batch}/archive.zip"));
        request.header(ACCEPT, "*/*").send().await?.error_for_status()?.bytes().await
    };
    fs::remove_file(&path).unwrap();
    assert!(archive().await.is_err(), "a file is gone and the archive looks whole");
    fs::write(&path, &bytes[..100_000]).unwrap();
    assert!(archive().await.is_err(), "a file is short and the archive looks whole");
    fs::write(&path, &bytes).unwrap();
    assert_eq!(unpack(&archive().await.unwrap()).len(), 3);
}

#[tokio::test]
async fn slow_clients_hold_no_connection_and_no_thread() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    for nth in 0..3 {
        staff.store(&batch, &format!("{nth}.pdf"), &samples::pdf_of(9_000_000)).await;
    }
    let request = format!(
        "GET /batches/{batch}/archive.zip HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\n\r\n",
        app.address,
        staff.cookie()
    );
    // More than there are connections to the database, none of them reading on; as many as one person may have.
    let mut waiting: Vec<TcpStream> = Vec::new();
    for _ in 0..16 {
        let mut stream = TcpStream::connect(app.address).unwrap();
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        let mut head = [0; 15];
        stream.read_exact(&mut head).unwrap();
        assert_eq!(&head, b"HTTP/1.1 200 OK");
        waiting.push(stream);
    }
    eventually("no connection is in use", || app.app.db.pool_state().0 == 0);
    staff.get_html(&format!("/batches/{batch}")).await.is(200);
    staff.get_json(&format!("/batches/{batch}/archive.zip")).await.is(429);
    drop(waiting);
    eventually("their places are free", || app.app.limits.archives.in_use() == 0);
    // One that goes away in the middle leaves nothing behind either.
    let mut raw = Raw::connect(app.address);
    raw.send(request.as_bytes());
    raw.hang_up();
    let whole = staff.get(&format!("/batches/{batch}/archive.zip")).await.is(200);
    assert_eq!(unpack(&whole.body).len(), 4);
}
