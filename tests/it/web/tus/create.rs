//! `POST /uploads`: creation, creation-with-upload.

use std::fs;

use reqwest::{Method, header::CONTENT_TYPE};

use crate::support::{Answer, TestApp, Tus, samples};

#[tokio::test]
async fn an_upload_has_an_address_and_an_end() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let tus = Tus::of(&staff).await;
    let answer = Answer::to(tus.creation(&batch, "Prüfung 😀.pdf", 1000)).await.is(201);
    let upload = answer.location();
    assert!(upload.starts_with("/uploads/"), "{upload}");
    assert_eq!((answer.header("upload-offset"), answer.header("tus-resumable")), ("0", "1.0.0"));
    assert!(answer.header("upload-expires").ends_with(" GMT"), "{}", answer.header("upload-expires"));
    let seen = tus.look(upload).await.is(200);
    assert_eq!((seen.header("upload-offset"), seen.header("upload-length")), ("0", "1000"));
    assert_eq!(seen.header("upload-metadata"), Tus::metadata(&batch, "Prüfung 😀.pdf"));
    assert_eq!(seen.header("cache-control"), "no-store");
    assert_eq!(seen.header("x-attachment-id"), "");
    let kept = app.kept();
    assert_eq!((kept.rows.as_str(), kept.staged.len()), ("0", 0), "nothing is on disk before the first byte");
}

#[tokio::test]
async fn what_can_be_refused_before_the_first_byte_is() {
    let app = TestApp::with(&[("MAX_UPLOAD_SIZE_MB", "1")]);
    let staff = app.staff().await;
    let (open, closed, gone) =
        (staff.make_batch("OPEN").await, staff.make_batch("CLOSED").await, staff.make_batch("GONE").await);
    staff.post_form(&format!("/batches/{closed}/close"), &[]).await.is(303);
    staff.post_form(&format!("/batches/{gone}/delete"), &[]).await.is(303);
    let tus = Tus::of(&staff).await;
    let nothing = "b4f1e2c8-2a3d-4f6e-9d0a-5c7b8e9f0a1b";
    let table = [
        (open.as_str(), "a.pdf", 0, 422, "empty_file"),
        (&open, "a.pdf", 1_048_577, 413, "too_large"),
        (&open, "a.pdf", usize::MAX, 413, "too_large"),
        (&open, "a.exe", 10, 415, "unsupported_type"),
        (&open, "pdf", 10, 415, "unsupported_type"),
        (&closed, "a.pdf", 10, 409, "batch_closed"),
        (&gone, "a.pdf", 10, 409, "batch_trashed"),
        (nothing, "a.pdf", 10, 404, "not_found"),
        ("1", "a.pdf", 10, 404, "not_found"),
    ];
    for (batch, name, length, status, code) in table {
        let answer = Answer::to(tus.creation(batch, name, length)).await.is(status);
        assert_eq!((answer.code().as_str(), answer.location()), (code, ""), "{name} {length}");
    }
    let too_long = format!("{}.pdf", "n".repeat(1100));
    Answer::to(tus.creation(&open, &too_long, 10)).await.is(400);
    let no_length = tus.request(Method::POST, "/uploads");
    let no_length = no_length.header("Upload-Metadata", Tus::metadata(&open, "a.pdf"));
    assert_eq!(Answer::to(no_length).await.is(400).code(), "bad_request");
    Answer::to(tus.creation(&open, "a.pdf", 1_048_576)).await.is(201);
    assert_eq!(app.value("SELECT count(*) FROM uploads"), "1");
}

#[tokio::test]
async fn bytes_may_come_with_the_creation() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let tus = Tus::of(&staff).await;
    let pdf = samples::pdf_of(10_000);
    let with = |bytes: &[u8]| {
        tus.creation(&batch, "a.pdf", pdf.len()).header(CONTENT_TYPE, Tus::OCTETS).body(bytes.to_vec())
    };
    let whole = Answer::to(with(&pdf)).await.is(201);
    assert_eq!(whole.header("upload-offset"), "10000");
    let id = whole.header("x-attachment-id");
    assert_eq!(whole.header("x-attachment-sha256"), samples::sha256(&pdf));
    assert_eq!(staff.get(&format!("/attachments/{id}/download")).await.is(200).body, pdf);

    let part = Answer::to(with(&pdf[..4000])).await.is(201);
    assert_eq!((part.header("upload-offset"), part.header("x-attachment-id")), ("4000", ""));
    tus.append(part.location(), 4000, &pdf[4000..]).await.is(204);
    assert_eq!(app.kept().rows, "2");

    let wrong = tus.creation(&batch, "a.pdf", 10).header(CONTENT_TYPE, "application/pdf").body("x");
    assert_eq!(Answer::to(wrong).await.is(415).code(), "wrong_content_type");
    let page = tus.creation(&batch, "a.pdf", 100).header(CONTENT_TYPE, Tus::OCTETS).body("x".repeat(100));
    assert_eq!(Answer::to(page).await.is(415).code(), "unsupported_type");
    let much = tus.creation(&batch, "a.pdf", 10).header(CONTENT_TYPE, Tus::OCTETS).body(pdf.clone());
    Answer::to(much).await.is(413);
    let kept = app.kept();
    assert_eq!((kept.rows.as_str(), kept.published.len(), kept.staged.len()), ("2", 2, 0));
}

#[tokio::test]
async fn a_store_that_is_not_there_says_so_before_the_bytes_come() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let tus = Tus::of(&staff).await;
    let marker = app.store().join(".stillage-store");
    let text = fs::read(&marker).unwrap();
    let pdf = samples::pdf_of(1000);
    let upload = tus.create(&batch, "a.pdf", pdf.len()).await;
    tus.append(&upload, 0, &pdf[..100]).await.is(204);
    fs::remove_file(&marker).unwrap();
    let refused = Answer::to(tus.creation(&batch, "b.pdf", 10)).await.is(507);
    assert_eq!(refused.code(), "storage_unavailable");
    tus.append(&upload, 100, &pdf[100..]).await.is(507);
    // An upload that is under way waits for the store.
    assert_eq!(tus.offset(&upload).await, 100);
    fs::write(&marker, text).unwrap();
    tus.append(&upload, 100, &pdf[100..]).await.is(204);
}

#[tokio::test]
async fn nobody_begins_more_than_they_finish() {
    let app = TestApp::start();
    let (staff, other) = (app.staff().await, app.admin().await);
    let batch = staff.make_batch("B-1").await;
    let begun = |count: u32, until: &str| {
        app.execute(&format!(
            "INSERT INTO uploads (id, batch_id, user_id, filename, metadata, length, received, state, created_at,
                                  updated_at, expires_at)
             SELECT gen_random_uuid(), '{batch}', (SELECT id FROM users WHERE username = 'stan'), 'a.pdf', '', 10, 0,
                    'open', now(), now(), now() + interval '{until}' FROM generate_series(1, {count})"
        ));
    };
    begun(50, "-1 minute");
    begun(999, "1 hour");
    let tus = Tus::of(&staff).await;
    let last = tus.create(&batch, "a.pdf", 10).await;
    let refused = Answer::to(tus.creation(&batch, "a.pdf", 10)).await.is(429);
    assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("too_many_uploads", "60"));
    refused.shows("1000 unfinished uploads");
    Answer::to(Tus::of(&other).await.creation(&batch, "a.pdf", 10)).await.is(201);
    Answer::to(tus.request(Method::DELETE, &last)).await.is(204);
    Answer::to(tus.creation(&batch, "a.pdf", 10)).await.is(201);
}
