//! What bounds a client: how slow it may be, how much it may send, how many uploads it may have under way.

use std::{thread::sleep, time::Duration};

use reqwest::{Method, header::ACCEPT};
use stillage::domain::limits::LimitKey;
use uuid::Uuid;

use crate::support::{
    Multipart, TestApp,
    raw::{self, Raw},
    samples,
};

/// Longer than actix by itself lets a client go on after the answer (1 s): such a client would see a broken
/// connection instead of the reason.
const PAUSE: Duration = Duration::from_millis(1500);

#[tokio::test]
async fn a_refusal_reaches_a_client_on_a_slow_line() {
    let app = TestApp::with(&[("MAX_UPLOAD_SIZE_MB", "1")]);
    let staff = app.staff().await;
    let (open, closed) = (staff.make_batch("OPEN").await, staff.make_batch("CLOSED").await);
    staff.post_form(&format!("/batches/{closed}/close"), &[]).await.is(303);
    let body = Multipart::new().file("large.pdf", &samples::pdf_of(3_000_000)).body();
    for (batch, status) in [(&open, 413), (&closed, 409)] {
        let head = format!(
            "POST /batches/{batch}/attachments HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nX-CSRF-Token: {}\r\n\
             Accept: application/json\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n",
            app.address,
            staff.cookie(),
            staff.token().await,
            Multipart::CONTENT_TYPE,
            body.len()
        );
        let mut raw = Raw::connect(app.address);
        raw.send(head.as_bytes());
        for part in body.chunks(body.len() / 3 + 1) {
            raw.send(part);
            sleep(PAUSE);
        }
        let answer = raw.answer();
        assert_eq!(raw::status(&answer), status, "{answer}");
    }
    assert_eq!(app.kept().rows, "0");
}

#[test]
fn who_never_ends_a_request_is_hung_up_on() {
    let app = TestApp::start();
    // Without the end of the head, and without the body that it promises.
    let heads = [
        "GET /login HTTP/1.1\r\nHost: x\r\n",
        "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\na=1",
    ];
    let waiting = heads.map(|head| {
        let mut raw = Raw::connect(app.address);
        raw.send(head.as_bytes());
        raw
    });
    for (raw, status) in waiting.into_iter().zip([408, 400]) {
        let answer = raw.answer();
        assert_eq!(raw::status(&answer), status, "{answer}");
    }
}

#[tokio::test]
async fn a_form_has_a_largest_size() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let notes = "x".repeat(300 * 1024);
    let refused = staff.post_form("/batches", &[("number", "B-1"), ("notes", &notes)]).await;
    assert_eq!(refused.status, 400);
    assert_eq!(app.value("SELECT count(*) FROM batches"), "0");
}

#[tokio::test]
async fn uploads_above_the_limit_are_asked_to_come_back() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let me: Uuid = app.value("SELECT id FROM users WHERE username = 'stan'").parse().unwrap();
    let png = samples::png();
    // All permits of one person, then all there are.
    let others = std::iter::repeat_with(Uuid::new_v4);
    for who in [Box::new(std::iter::repeat(me)) as Box<dyn Iterator<Item = Uuid>>, Box::new(others)] {
        let held: Vec<_> =
            who.map_while(|user| app.app.limits.uploads.acquire(&[LimitKey::User(user)]).ok()).collect();
        assert!(held.len() > 100);
        let refused = staff.upload(&batch, &[("a.png", &png)]).await.is(503);
        assert_eq!(refused.header("retry-after"), "5");
        assert_eq!(refused.json()["error"]["code"], "unavailable");
        let page = staff.upload_form(&batch, &[("a.png", &png)]).await.is(503);
        assert_eq!(page.header("retry-after"), "5");
        page.shows("Too many uploads are under way");
        assert_eq!(app.kept().rows, "0");
        // Looking is free.
        staff.request(Method::GET, "/batches").header(ACCEPT, "text/html").send().await.unwrap();
        drop(held);
    }
    staff.upload(&batch, &[("a.png", &png)]).await.is(201);
}
