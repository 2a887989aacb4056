//! Clients that take or send too little, too many connections, and too many requests of one person.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread::sleep,
    time::{Duration, Instant},
};

use stillage::{config::Timeouts, domain::limits::LimitKey};
use uuid::Uuid;

use crate::support::{Client, Multipart, TestApp, Tus, eventually, raw, samples};

/// Larger than what the kernels on both sides take of it while nobody reads.
const LARGE: usize = 10_000_000;

fn impatient() -> TestApp {
    let timeouts = Timeouts { patience: Duration::from_secs(2), min_rate: 100_000, ..Timeouts::default() };
    TestApp::with_timeouts(timeouts)
}

/// A large file, and a connection by which its download has begun.
async fn download(app: &TestApp, person: &Client) -> TcpStream {
    let batch = person.make_batch("B-1").await;
    let id = person.upload(&batch, &[("large.pdf", &samples::pdf_of(LARGE))]).await.is(201).json()["results"]
        [0]["attachment"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut stream = TcpStream::connect(app.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let head = format!(
        "GET /attachments/{id}/download HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nConnection: close\r\n\r\n",
        app.address,
        person.cookie()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

fn permits(app: &TestApp) -> (usize, usize) {
    (app.app.limits.requests.in_use(), app.app.limits.downloads.in_use())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn download_that_is_never_read_is_ended_and_gives_its_permits_back() {
    let app = impatient();
    let staff = app.staff().await;
    let mut stream = download(&app, &staff).await;
    eventually("the download is under way", || permits(&app) == (1, 1));
    eventually("its permits are given back", || permits(&app) == (0, 0));
    // What the kernel of the client had taken, if it still hands that out after the connection was reset.
    let mut came = Vec::new();
    let _ = stream.read_to_end(&mut came);
    assert!(came.len() < LARGE, "{} bytes came", came.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn download_that_is_read_slowly_arrives_whole() {
    let app = impatient();
    let staff = app.staff().await;
    let mut stream = download(&app, &staff).await;
    let (begun, mut came, mut part) = (Instant::now(), 0, vec![0; 250_000]);
    loop {
        let read = stream.read(&mut part).expect("the server keeps the connection");
        if read == 0 {
            break;
        }
        came += read;
        // In all longer than the patience of 2 s.
        if begun.elapsed() < Duration::from_secs(4) {
            sleep(Duration::from_millis(100));
        }
    }
    assert!(came > LARGE, "{came} bytes came, with the head");
    eventually("its permits are given back", || permits(&app) == (0, 0));
}

/// Sends a byte now and then until the server hangs up, and returns its answer and how many bytes were sent.
fn trickle(mut stream: TcpStream) -> (String, usize) {
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let (mut answer, mut part, mut sent) = (Vec::new(), [0; 4096], 0);
    let until = Instant::now() + Duration::from_secs(30);
    while Instant::now() < until {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(read) => answer.extend(&part[..read]),
            // Nothing yet.
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => match stream.write(b"y") {
                Ok(more) => sent += more,
                Err(_) => break,
            },
            Err(_) => break,
        }
    }
    (String::from_utf8_lossy(&answer).into_owned(), sent)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upload_by_the_byte_is_ended_and_gives_its_permits_back() {
    let app = impatient();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let head = format!(
        "POST /batches/{batch}/attachments HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nX-CSRF-Token: {}\r\n\
         Accept: application/json\r\nContent-Type: {}\r\nContent-Length: 9000000\r\n\r\n",
        app.address,
        staff.cookie(),
        staff.token().await,
        Multipart::CONTENT_TYPE,
    );
    let body = Multipart::new().file("slow.pdf", &samples::pdf_of(300_000)).body();
    let mut stream = TcpStream::connect(app.address).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body[..100_000]).unwrap();
    eventually("the upload is under way", || app.app.limits.uploads.in_use() == 1);
    let (answer, _) = trickle(stream);
    assert_eq!(raw::status(&answer), 400, "{answer}");
    assert!(answer.contains("slow.pdf"), "{answer}");
    eventually("its permits are given back", || {
        app.app.limits.uploads.in_use() == 0 && permits(&app) == (0, 0)
    });
    assert_eq!(app.kept().rows, "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resumable_upload_by_the_byte_is_ended_and_keeps_what_came() {
    let app = impatient();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let tus = Tus::of(&staff).await;
    let pdf = samples::pdf_of(900_000);
    let upload = tus.create(&batch, "a.pdf", pdf.len()).await;
    let mut stream = TcpStream::connect(app.address).unwrap();
    stream.write_all(tus.raw_head(&app.address.to_string(), &upload, 0, pdf.len()).as_bytes()).unwrap();
    stream.write_all(&pdf[..300_000]).unwrap();
    let (_, sent) = trickle(stream);
    eventually("its permits are given back", || {
        app.app.limits.uploads.in_use() == 0 && permits(&app) == (0, 0)
    });
    let offset = tus.offset(&upload).await;
    assert!((300_000..=300_000 + sent).contains(&offset), "{offset} after {sent}");
    // Only a file that is thrown away ends without its bytes being there.
    tus.request(reqwest::Method::DELETE, &upload).send().await.unwrap();
}

#[tokio::test]
async fn requests_above_the_limit_of_one_person_are_asked_to_come_back() {
    let app = TestApp::start();
    let (staff, admin) = (app.staff().await, app.admin().await);
    let me: Uuid = app.value("SELECT id FROM users WHERE username = 'stan'").parse().unwrap();
    let limit = &app.app.limits.requests;
    let held: Vec<_> = std::iter::from_fn(|| limit.acquire(&[LimitKey::User(me)]).ok()).collect();
    assert_eq!(held.len(), 256);
    let refused = staff.get_json("/batches").await.is(503);
    assert_eq!(refused.header("retry-after"), "5");
    // Others are served, and whoever is not signed in.
    admin.get("/batches").await.is(200);
    staff.get("/health/live").await.is(200);
    app.stranger().get("/login").await.is(200);
    drop(held);
    staff.get("/batches").await.is(200);
}

/// Whether the server has closed a connection.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    match stream.read(&mut [0; 16]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_connections_end_the_oldest_without_a_request_and_no_download() {
    let app = TestApp::with_descriptors(256);
    let staff = app.staff().await;
    let mut stalled = download(&app, &staff).await;
    eventually("the download is under way", || permits(&app) == (1, 1));
    // More than there is room for, one after the other.
    let mut idle: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(app.address).unwrap()).collect();
    eventually("the first is closed", || is_closed(&mut idle[0]));
    // Somebody new is served, and so is whoever came last.
    app.stranger().get("/login").await.is(200);
    let last = idle.last_mut().unwrap();
    last.write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    last.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut head = [0; 12];
    last.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    let closed = idle.iter_mut().filter_map(|stream| is_closed(stream).then_some(())).count();
    assert!((100..200).contains(&closed), "{closed} of 200");
    // The download goes on to its end.
    let mut came = Vec::new();
    stalled.read_to_end(&mut came).unwrap();
    assert!(came.len() > LARGE, "{} bytes came", came.len());
}
