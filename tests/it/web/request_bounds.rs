//! What one request can cost: how much of it is kept, how long its answer and its traces may be, and that rights are
//! asked before it is read.

use reqwest::{
    Method,
    header::{ACCEPT, CONTENT_TYPE},
};
use serde_json::json;

use crate::support::{Answer, Client, Multipart, TestApp, samples};

/// Longest answer and session row that a request full of refused files may leave, in bytes.
const MOST: usize = 64 * 1024;

/// Many parts, each with a name that no file can have.
fn flood(begin: Multipart, parts: usize) -> Vec<u8> {
    let name = "f".repeat(30_000) + ".exe";
    (0..parts).fold(begin, |form, _| form.file(&name, b"")).body()
}

fn largest_session(app: &TestApp) -> usize {
    app.value("SELECT max(octet_length(state::text)) FROM sessions").parse().unwrap()
}

async fn post(client: &Client, path: &str, content_type: &str, body: Vec<u8>) -> Answer {
    let request = client
        .request(Method::POST, path)
        .header(ACCEPT, "application/json")
        .header("X-CSRF-Token", client.token().await)
        .header(CONTENT_TYPE, content_type)
        .body(body);
    Answer::to(request).await
}

#[tokio::test]
async fn parts_beyond_fifty_share_one_result() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let answer = staff.upload_body(&batch, flood(Multipart::new(), 300)).await.is(400);
    assert!(answer.body.len() < MOST, "{} bytes", answer.body.len());
    let answer = answer.json();
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 51);
    assert!(results[0]["filename"].as_str().unwrap().chars().count() <= 200);
    assert_eq!(
        (&results[50]["filename"], &results[50]["error"]["message"]),
        (&json!(""), &json!("250 more files were not stored: at most 50 files go into one request."))
    );

    let body = flood(Multipart::new().field("csrf_token", &staff.token().await), 300);
    let path = format!("/batches/{batch}/attachments");
    let form = staff.request(Method::POST, &path).header(ACCEPT, "text/html");
    Answer::to(form.header(CONTENT_TYPE, Multipart::CONTENT_TYPE).body(body)).await.is(303);
    assert!(largest_session(&app) < MOST, "{} bytes", largest_session(&app));
    let page = staff.get_html(&format!("/batches/{batch}")).await;
    assert!(page.body.len() < 4 * MOST, "{} bytes", page.body.len());
    page.shows("250 more files were not stored").shows("None of 50 files was stored");
}

#[tokio::test]
async fn one_file_too_many_is_named_as_such_beside_the_stored_ones() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let pdf = samples::pdf("x");
    staff.upload_form(&batch, &vec![("a.pdf", pdf.as_slice()); 51]).await.is(303);
    let page = staff.get_html(&format!("/batches/{batch}")).await;
    page.shows("50 files stored").shows("1 more file was not stored").hides("(no name)");
    assert_eq!(app.kept().rows, "50");
}

#[tokio::test]
async fn more_parts_than_any_form_has_end_a_request() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let parts = vec![("a.exe", b"".as_slice()); 1200];
    let answer = staff.upload(&batch, &parts).await.is(415).json();
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 52);
    assert_eq!(results[50]["error"]["message"], "The form has more than 1000 parts.");
    assert_eq!(
        results[51]["error"]["message"],
        "950 more files were not stored: at most 50 files go into one request."
    );
}

#[tokio::test]
async fn files_refused_together_are_answered_for_within_bounds() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    staff.post_form(&format!("/batches/{batch}/close"), &[]).await.is(303);
    let answer = staff.upload_body(&batch, flood(Multipart::new(), 300)).await.is(409);
    assert!(answer.body.len() < MOST, "{} bytes", answer.body.len());
    assert_eq!(answer.json()["results"].as_array().unwrap().len(), 50);
}

#[tokio::test]
async fn a_new_batch_asks_for_the_right_before_it_reads_the_fields() {
    let app = TestApp::start();
    let (staff, viewer) = (app.staff().await, app.viewer().await);
    let path = "/api/production/batches";
    let endless = (0..20).fold(Multipart::new(), |form, _| form.field("notes", &"n".repeat(65_000))).body();
    let many = (0..3000).map(|number| format!("x{number}=1&")).collect::<String>();
    let bodies = [
        (Multipart::CONTENT_TYPE, endless),
        (Multipart::CONTENT_TYPE, Multipart::new().field("number", "B-1").field("number", "B-2").body()),
        ("application/x-www-form-urlencoded", b"number=B-1&number=B-2".to_vec()),
        ("application/x-www-form-urlencoded", many.into_bytes()),
        ("application/json", br#"{"number":"B-1","number":"B-2"}"#.to_vec()),
        (
            "application/json",
            json!({ "number": "B-1", "notes": "n".repeat(300_000) }).to_string().into_bytes(),
        ),
        ("application/json", json!("n".repeat(200_000)).to_string().into_bytes()),
    ];
    for (content_type, body) in bodies {
        let start = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        assert_eq!(post(&viewer, path, content_type, body.clone()).await.status, 403, "{start}");
        let refused = post(&staff, path, content_type, body).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, "bad_request"), "{start}");
        assert!(refused.body.len() < 1000, "{start}: {} bytes", refused.body.len());
    }
    assert_eq!(app.value("SELECT count(*) FROM batches"), "0");
    let one = Multipart::new().field("number", "B-1").field("product", "Soap").field("color", "red").body();
    post(&staff, path, Multipart::CONTENT_TYPE, one).await.is(201);
}

#[tokio::test]
async fn forms_and_addresses_are_bounded() {
    let app = TestApp::start();
    let (staff, stranger) = (app.staff().await, app.stranger());
    let many = |fields| vec![("x", "1"); fields];
    staff.post_form("/batches", &many(3000)).await.is(400);
    staff.post_form("/batches", &many(1000)).await.is(422);
    stranger.post_form("/login", &[("username", "stan"), ("password", &"x".repeat(40_000))]).await.is(400);
    stranger.post_form("/login", &[("username", "stan"), ("password", "wrong")]).await.is(401);
    for path in ["/batches?q=", "/batches/labels?ids=", "/login?next=", "/"] {
        let answer = staff.get_html(&(path.to_owned() + &"x".repeat(9000))).await.is(400);
        answer.shows("The address has more than 8192 bytes");
    }
    staff.get_html(&("/batches?q=".to_owned() + &"x".repeat(8000))).await.is(200);
}

#[tokio::test]
async fn a_logo_is_one_small_picture() {
    let app = TestApp::start();
    let (admin, staff) = (app.admin().await, app.staff().await);
    let (path, png) = ("/admin/settings/logo", samples::png());
    let twice = Multipart::new().file("a.png", &png).file("b.png", &png).body();
    let large = Multipart::new().file("a.png", &vec![0; 70_000]).body();
    for body in [twice, large] {
        post(&staff, path, Multipart::CONTENT_TYPE, body.clone()).await.is(403);
        post(&admin, path, Multipart::CONTENT_TYPE, body).await.is(400);
    }
    post(&admin, path, Multipart::CONTENT_TYPE, Multipart::new().file("a.png", &png).body()).await.is(303);
}

#[tokio::test]
async fn a_file_of_near_boundaries_is_stored_as_it_is() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let mut pdf = samples::pdf("x");
    for pattern in ["\r--", "\r\n--", "\r\n\r\n", "\r"] {
        pdf.extend(pattern.repeat(100_000).as_bytes());
    }
    pdf.extend(b"\n%%EOF\n");
    let stored = staff.store(&batch, "odd.pdf", &pdf).await;
    assert_eq!(stored["sha256"], samples::sha256(&pdf));
}

#[tokio::test]
async fn names_of_odd_clients_are_taken_and_stop_no_other_file() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let pdf = samples::pdf("x");
    let form = Multipart::new().file("first.pdf", &pdf).file("=?utf-8?B?UHLDvGZ1bmcucGRm?=", &pdf);
    let form = form.file("Pr\u{7f}f.pdf", &pdf).file("last.pdf", &pdf);
    let mut body = form.body();
    // The second name in Windows-1252.
    let at = body.iter().position(|&byte| byte == 0x7f).unwrap();
    body[at] = 0xfc;
    let answer = staff.upload_body(&batch, body).await.is(201).json();
    let names = answer["results"].as_array().unwrap().iter().map(|result| &result["attachment"]["filename"]);
    assert_eq!(names.collect::<Vec<_>>(), ["first.pdf", "Prüfung.pdf", "Prüf.pdf", "last.pdf"]);
}
