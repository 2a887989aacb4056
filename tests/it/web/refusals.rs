//! Uploads that are refused: with the right words, and without leaving anything behind.

use std::fs;

use crate::support::{
    Multipart, TestApp, eventually,
    raw::{self, Raw},
    samples,
};

#[tokio::test]
async fn what_is_refused_leaves_nothing() {
    let app = TestApp::with(&[("MAX_UPLOAD_SIZE_MB", "1")]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    staff.store(&batch, "before.pdf", &samples::pdf("before")).await;
    let kept = app.kept();
    let row = app.value("SELECT to_jsonb(b) FROM batches b");
    let (png, jpeg, pdf) = (samples::png(), samples::jpeg(), samples::pdf("x"));
    let name_too_long = format!("{}.pdf", "n".repeat(1100));
    let table: Vec<(&str, Vec<u8>, u16, &str)> = vec![
        ("large.pdf", samples::pdf_of(1_048_577), 413, "too_large"),
        ("larger.pdf", samples::pdf_of(5_000_000), 413, "too_large"),
        ("tool.exe", b"MZ\x90\0".to_vec(), 415, "unsupported_type"),
        ("drawing.svg", b"<svg/>".to_vec(), 415, "unsupported_type"),
        ("page.html", b"<html>".to_vec(), 415, "unsupported_type"),
        ("nothing", pdf.clone(), 415, "unsupported_type"),
        ("photo.pdf.exe", pdf.clone(), 415, "unsupported_type"),
        ("picture.pdf", png.clone(), 415, "unsupported_type"),
        ("picture.png", jpeg.clone(), 415, "unsupported_type"),
        ("picture.jpg", pdf.clone(), 415, "unsupported_type"),
        ("page.pdf", b"<html>%PDF-1.7".to_vec(), 415, "unsupported_type"),
        ("one-byte.png", b"\x89".to_vec(), 415, "unsupported_type"),
        ("empty.pdf", Vec::new(), 422, "empty_file"),
        ("cut.png", png[..png.len() - 9].to_vec(), 422, "unreadable_image"),
        ("cut.jpg", jpeg[..jpeg.len() - 2].to_vec(), 422, "unreadable_image"),
        ("bomb.png", samples::png_claiming(40_000, 40_000), 422, "unreadable_image"),
        ("flat.png", samples::png_claiming(0, 10), 422, "unreadable_image"),
        (&name_too_long, pdf.clone(), 400, "bad_request"),
    ];
    for (name, bytes, status, code) in &table {
        let answer = staff.upload(&batch, &[(name, bytes)]).await.is(*status);
        assert_eq!(answer.code(), *code, "{name}");
        let json = answer.json();
        let result = &json["results"][0];
        let shown = result["filename"].as_str().unwrap();
        // Long names are shortened in answers.
        assert!(
            shown == *name || (name.len() > 1000 && shown.ends_with(".pdf") && shown.len() < 250),
            "{shown}"
        );
        assert_eq!((&result["status"], &result["error"]["code"]), (&(*status).into(), &(*code).into()));
        assert_eq!(result["error"]["request_id"], answer.header("x-request-id"));
        assert!(!result["error"]["message"].as_str().unwrap().contains(app.store().to_str().unwrap()));
        assert_eq!(app.kept(), kept, "{name}");
    }
    assert_eq!(app.value("SELECT to_jsonb(b) FROM batches b"), row);
}

#[tokio::test]
async fn a_batch_that_takes_no_files_says_why() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let pdf = samples::pdf("x");
    for (act, code) in [("close", "batch_closed"), ("delete", "batch_trashed")] {
        let batch = staff.make_batch(act).await;
        staff.post_form(&format!("/batches/{batch}/{act}"), &[]).await.is(303);
        let answer = staff.upload(&batch, &[("a.pdf", &pdf), ("b.pdf", &pdf)]).await.is(409);
        assert_eq!(answer.code(), code);
        staff.upload_form(&batch, &[("a.pdf", &pdf)]).await.is(303);
    }
    let kept = app.kept();
    assert_eq!((kept.rows.as_str(), kept.published.len(), kept.staged.len()), ("0", 0, 0));
}

#[tokio::test]
async fn a_store_that_is_not_there_takes_nothing() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let pdf = samples::pdf("x");
    let file = staff.store_id(&batch, "a.pdf", &pdf).await;
    let marker = app.store().join(".stillage-store");
    let text = fs::read(&marker).unwrap();

    fs::remove_file(&marker).unwrap();
    let kept = app.kept();
    assert_eq!(staff.upload(&batch, &[("b.pdf", &pdf)]).await.is(507).code(), "storage_unavailable");
    assert_eq!(app.kept(), kept);
    staff.get_html("/batches").await.is(200).shows("No file can be stored right now");
    fs::write(&marker, b"7b0ea7a1-75f0-4a6f-8a54-0a6a4d2b6d0b\n").unwrap();
    assert_eq!(staff.upload(&batch, &[("b.pdf", &pdf)]).await.is(507).code(), "storage_unavailable");
    fs::write(&marker, text).unwrap();
    staff.store(&batch, "c.pdf", &pdf).await;

    app.unmount();
    assert_eq!(staff.upload(&batch, &[("d.pdf", &pdf)]).await.is(507).code(), "storage_unavailable");
    staff.upload_form(&batch, &[("d.pdf", &pdf)]).await.is(303);
    staff.get_html(&format!("/batches/{batch}")).await.shows("Nothing was stored");
    assert_eq!(staff.get(&format!("/attachments/{file}/download")).await.status, 507);
    assert_eq!(fs::read_dir(app.store()).unwrap().count(), 0, "nothing is made in the wrong place");
    app.mount();
    staff.get(&format!("/attachments/{file}/download")).await.is(200);
    assert_eq!(app.kept().rows, "2");
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_400() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let pdf = samples::pdf("x");
    let table: Vec<(&str, Vec<u8>, u16, &str)> = vec![
        ("nothing at all", Vec::new(), 400, "bad_request"),
        ("no multipart", b"hello".to_vec(), 400, "bad_request"),
        ("no part", Multipart::new().body(), 400, "no_files"),
        ("no file", Multipart::new().field("comment", "x").body(), 400, "no_files"),
        ("no choice", Multipart::new().file("", b"").body(), 400, "no_files"),
        ("cut in the first file", Multipart::new().file("a.pdf", &pdf).unfinished(), 400, "bad_request"),
    ];
    for (what, body, status, code) in table {
        let answer = staff.upload_body(&batch, body).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{what}: {}", answer.text());
    }
    assert_eq!(app.kept().rows, "0");

    // What was whole before the break is stored and answered for.
    let mut cut = Multipart::new().file("a.pdf", &pdf).file_head("b.pdf").unfinished();
    cut.extend(&pdf[..20]);
    let answer = staff.upload_body(&batch, cut).await.is(207).json();
    assert_eq!(
        (&answer["results"][0]["status"], &answer["results"][1]["status"]),
        (&201.into(), &400.into())
    );
    let kept = app.kept();
    assert_eq!((kept.rows.as_str(), kept.published.len(), kept.staged.len()), ("1", 1, 0));
}

/// The head of an upload by hand; `length` is `None` for a chunked body.
fn head(app: &TestApp, batch: &str, (cookie, token): (&str, &str), length: Option<usize>) -> String {
    let length = length.map_or("Transfer-Encoding: chunked".to_owned(), |n| format!("Content-Length: {n}"));
    format!(
        "POST /batches/{batch}/attachments HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\nX-CSRF-Token: {token}\r\n\
         Accept: application/json\r\nContent-Type: {}\r\n{length}\r\nConnection: close\r\n\r\n",
        app.address,
        Multipart::CONTENT_TYPE
    )
}

#[tokio::test]
async fn a_large_refused_upload_gets_its_answer_and_no_broken_connection() {
    let app = TestApp::with(&[("MAX_UPLOAD_SIZE_MB", "1")]);
    let staff = app.staff().await;
    let (open, closed) = (staff.make_batch("OPEN").await, staff.make_batch("CLOSED").await);
    staff.post_form(&format!("/batches/{closed}/close"), &[]).await.is(303);
    let (cookie, token) = (staff.cookie(), staff.token().await);
    let body = Multipart::new().file("large.pdf", &samples::pdf_of(20_000_000)).body();
    let good = (cookie.as_str(), token.as_str());
    let table = [
        (&closed, good, 409, "batch_closed"),
        (&open, good, 413, "too_large"),
        (&open, (cookie.as_str(), "wrong"), 403, "csrf"),
        (&open, ("none=1", token.as_str()), 401, "unauthenticated"),
    ];
    for (batch, who, status, code) in table {
        let mut raw = Raw::connect(app.address);
        raw.send(head(&app, batch, who, Some(body.len())).as_bytes());
        raw.send(&body);
        let answer = raw.answer();
        assert_eq!(raw::status(&answer), status, "{answer}");
        assert!(answer.contains(code), "{answer}");
    }
    assert_eq!(app.kept().rows, "0");
}

#[tokio::test]
async fn the_limit_holds_without_a_content_length() {
    let app = TestApp::with(&[("MAX_UPLOAD_SIZE_MB", "1")]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let (cookie, token) = (staff.cookie(), staff.token().await);
    let mut raw = Raw::connect(app.address);
    raw.send(head(&app, &batch, (&cookie, &token), None).as_bytes());
    for chunk in Multipart::new().file("large.pdf", &samples::pdf_of(3_000_000)).body().chunks(100_000) {
        raw.send(format!("{:x}\r\n", chunk.len()).as_bytes());
        raw.send(chunk);
        raw.send(b"\r\n");
    }
    raw.send(b"0\r\n\r\n");
    let answer = raw.answer();
    assert_eq!(raw::status(&answer), 413, "{answer}");
    let kept = app.kept();
    assert_eq!((kept.rows.as_str(), kept.published.len(), kept.staged.len()), ("0", 0, 0));
}

#[tokio::test]
async fn a_batch_that_is_closed_while_bytes_come_in_keeps_none_of_them() {
    let app = TestApp::start();
    let staff = app.staff().await;
    for (act, code) in [("close", "batch_closed"), ("delete", "batch_trashed")] {
        let batch = staff.make_batch(act).await;
        let (cookie, token) = (staff.cookie(), staff.token().await);
        let body = Multipart::new().file("slow.pdf", &samples::pdf_of(900_000)).body();
        let mut raw = Raw::connect(app.address);
        raw.send(head(&app, &batch, (&cookie, &token), Some(body.len())).as_bytes());
        raw.send(&body[..600_000]);
        eventually("the upload is on its way", || !app.kept().staged.is_empty());
        staff.post_form(&format!("/batches/{batch}/{act}"), &[]).await.is(303);
        raw.send(&body[600_000..]);
        let answer = raw.answer();
        assert_eq!(raw::status(&answer), 409, "{answer}");
        assert!(answer.contains(code), "{answer}");
    }
    let kept = app.kept();
    assert_eq!((kept.rows.as_str(), kept.published.len(), kept.staged.len()), ("0", 0, 0));
    assert_eq!(app.value("SELECT sum(files_count) FROM batches"), "0");
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_nothing() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let (cookie, token) = (staff.cookie(), staff.token().await);
    let body = Multipart::new().file("slow.pdf", &samples::pdf_of(900_000)).body();
    let mut raw = Raw::connect(app.address);
    raw.send(head(&app, &batch, (&cookie, &token), Some(body.len())).as_bytes());
    raw.send(&body[..600_000]);
    eventually("the upload is on its way", || !app.kept().staged.is_empty());
    raw.hang_up();
    eventually("its staged file is gone", || app.kept().staged.is_empty());
    eventually("its permit is free", || app.app.limits.uploads.in_use() == 0);
    let kept = app.kept();
    assert_eq!((kept.rows.as_str(), kept.published.len()), ("0", 0));
}
