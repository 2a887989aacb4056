//! The JSON API, with the session cookie; tokens have their own tests.

use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::{Value, json};

use crate::support::{Answer, Client, Multipart, TestApp, samples};

const BATCHES: &str = "/api/production/batches";

async fn post_json(by: &Client, body: &Value) -> Answer {
    let request = by.request(Method::POST, BATCHES).header("X-CSRF-Token", by.token().await);
    Answer::to(request.json(body)).await
}

async fn post_parts(by: &Client, form: Multipart) -> Answer {
    let request = by
        .request(Method::POST, BATCHES)
        .header("X-CSRF-Token", by.token().await)
        .header(CONTENT_TYPE, Multipart::CONTENT_TYPE)
        .body(form.body());
    Answer::to(request).await
}

#[tokio::test]
async fn a_batch_is_made_listed_and_shown() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let made =
        post_json(&staff, &json!({ "number": "B-1", "product": "Soap", "notes": "a\nb" })).await.is(201);
    let batch = made.json();
    let id = batch["id"].as_str().unwrap();
    assert_eq!(made.location(), format!("{BATCHES}/{id}"));
    assert_eq!(
        (&batch["number"], &batch["status"], &batch["files_count"]),
        (&"B-1".into(), &"open".into(), &0.into())
    );

    let file = staff.store(id, "r\u{e9}sum\u{e9} 1.pdf", &samples::pdf("one")).await;
    let shown = staff.get(made.location()).await.is(200).json();
    assert_eq!(shown["attachments"], json!([file]));
    assert_eq!((&shown["notes"], &shown["files_count"]), (&"a\nb".into(), &1.into()));
    let list = staff.get(&format!("{BATCHES}?q=b-1")).await.is(200).json();
    assert_eq!((&list["batches"][0]["id"], &list["next_cursor"]), (&id.into(), &Value::Null));
    assert_eq!(staff.get(&format!("{BATCHES}?q=nothing")).await.is(200).json()["batches"], json!([]));

    let known = format!("/api/production/attachments/{}", file["id"].as_str().unwrap());
    assert_eq!(staff.get(&known).await.is(200).json(), file);
    let bytes = staff.get(file["url"].as_str().unwrap()).await.is(200);
    assert_eq!(bytes.body, samples::pdf("one"));
    for _ in 0..2 {
        let request = staff.request(Method::DELETE, &known).header("X-CSRF-Token", staff.token().await);
        assert!(Answer::to(request).await.is(204).body.is_empty());
    }
    assert_eq!(staff.get(&known).await.is(404).code(), "not_found");
    staff.get(file["url"].as_str().unwrap()).await.is(404);
    staff.get_html("/trash").await.is(200).shows("sum\u{e9} 1.pdf");
}

#[tokio::test]
async fn lists_come_page_by_page() {
    let app = TestApp::start();
    let staff = app.staff().await;
    for n in 0..5 {
        post_json(&staff, &json!({ "number": format!("B-{n}") })).await.is(201);
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = staff.get(&format!("{BATCHES}?limit=2&cursor={cursor}")).await.is(200).json();
        let batches = page["batches"].as_array().unwrap();
        assert!((1..=2).contains(&batches.len()));
        seen.extend(batches.iter().map(|batch| batch["number"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = next.to_owned();
    }
    seen.sort();
    assert_eq!(seen, ["B-0", "B-1", "B-2", "B-3", "B-4"]);
    for (query, status, code) in [
        ("limit=0", 422, "invalid"),
        ("limit=201", 422, "invalid"),
        ("limit=two", 400, "bad_request"),
        ("cursor=nonsense", 400, "bad_request"),
    ] {
        assert_eq!(staff.get(&format!("{BATCHES}?{query}")).await.is(status).code(), code, "{query}");
    }
}

#[tokio::test]
async fn what_is_not_for_clients_is_ignored() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let other = app.add_site("Elsewhere");
    let forged = json!({
        "number": "B-1", "id": other, "status": "closed", "created_by": other, "created_at": "2001-01-01T00:00:00Z",
        "files_count": 99, "bytes_total": 99, "trashed_at": "2001-01-01T00:00:00Z", "role": "admin",
    });
    let made = post_json(&staff, &forged).await.is(201).json();
    assert_ne!(made["id"], json!(other));
    assert_eq!((&made["status"], &made["files_count"]), (&"open".into(), &0.into()));
    let row = app.value(
        "SELECT concat_ws(' ', b.status, u.username, b.created_at > '2020-01-01', b.trashed_at)
                           FROM batches b JOIN users u ON u.id = b.created_by",
    );
    assert_eq!(row, "open stan t");
    let form = Multipart::new().field("number", "B-2").field("status", "closed").field("sha256", "00");
    let made = post_parts(&staff, form.file("a.pdf", &samples::pdf("a"))).await.is(201).json();
    assert_eq!(
        (&made["status"], &made["attachments"][0]["sha256"]),
        (&"open".into(), &samples::sha256(&samples::pdf("a")).into())
    );
    let foreign = json!({ "number": "B-3", "site_id": other });
    assert_eq!(post_json(&staff, &foreign).await.is(422).code(), "invalid");
}

#[tokio::test]
async fn a_batch_comes_with_its_first_files() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let form = Multipart::new()
        .field("number", "B-1")
        .field("product", "Soap")
        .file("a.pdf", &samples::pdf("a"))
        .file("b.exe", b"MZ")
        .file("c.png", &samples::png());
    let made = post_parts(&staff, form).await.is(207).json();
    assert_eq!((&made["product"], &made["files_count"]), (&"Soap".into(), &2.into()));
    assert_eq!(made["attachments"].as_array().unwrap().len(), 2);
    let statuses: Vec<_> =
        made["results"].as_array().unwrap().iter().map(|result| &result["status"]).collect();
    assert_eq!(statuses, [201, 415, 201]);
    assert_eq!(made["results"][1]["error"]["code"], "unsupported_type");

    let without = post_parts(&staff, Multipart::new().field("number", "B-2")).await.is(201).json();
    assert_eq!(without["results"], json!([]));
    let all = Multipart::new().field("number", "B-3").file("a.pdf", &samples::pdf("a"));
    assert_eq!(post_parts(&staff, all).await.is(201).json()["files_count"], 1);
}

#[tokio::test]
async fn a_batch_that_cannot_be_made_keeps_no_file() {
    let app = TestApp::start();
    let staff = app.staff().await;
    post_json(&staff, &json!({ "number": "B-1" })).await.is(201);
    let file = |form: Multipart| form.file("a.pdf", &samples::pdf("a"));
    for (form, status, code) in [
        (file(Multipart::new().field("number", "B-1")), 409, "number_taken"),
        (file(Multipart::new().field("number", "")), 422, "invalid"),
        (file(Multipart::new()).field("number", "too late"), 422, "invalid"),
        (file(Multipart::new().field("number", "B-9").field("site_id", "nowhere")), 422, "invalid"),
    ] {
        assert_eq!(post_parts(&staff, form).await.is(status).code(), code);
    }
    let kept = app.kept();
    assert_eq!((kept.rows.as_str(), kept.published.len(), kept.staged.len()), ("0", 0, 0));
    assert_eq!(app.value("SELECT count(*) FROM batches"), "1");
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_400() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let token = staff.token().await;
    for (kind, body) in [
        ("application/json", "{"),
        ("application/json", "[]"),
        ("application/json", "null"),
        ("application/json", r#"{"product":"no number"}"#),
        ("application/json", r#"{"number":5}"#),
        ("application/json", "\u{0}"),
        ("text/plain", "number=B-1"),
        ("multipart/form-data", "no boundary"),
    ] {
        let request = staff.request(Method::POST, BATCHES).header("X-CSRF-Token", &token);
        let answer = Answer::to(request.header(CONTENT_TYPE, kind).body(body)).await.is(400);
        assert_eq!(answer.code(), "bad_request", "{kind} {body}");
        assert!(answer.header("content-type").starts_with("application/json"));
    }
    assert_eq!(post_json(&staff, &json!({ "number": "a\u{0}b" })).await.is(422).code(), "invalid");
    assert_eq!(app.value("SELECT count(*) FROM batches"), "0");
}

#[tokio::test]
async fn the_description_is_there_to_read() {
    let app = TestApp::start();
    let viewer = app.viewer().await;
    let document = viewer.get("/api/openapi.json").await.is(200).json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let number = &document["components"]["schemas"]["BatchInput"]["properties"]["number"];
    assert_eq!((&number["maxLength"], &number["example"]), (&80.into(), &"B-2026-0142".into()));
    let page = viewer.get_html("/api/docs").await.is(200);
    page.shows("Make a batch").shows("/api/production/attachments/{id}").shows("/account/tokens");
}
