//! `PATCH /uploads/{id}`: offsets, types, checksums, refusals.

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Method, header::CONTENT_TYPE};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::support::{Answer, TestApp, Tus, samples};

#[tokio::test]
async fn a_file_in_pieces_is_the_file() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let tus = Tus::of(&staff).await;
    let pdf = samples::pdf_of(700_000);
    let upload = tus.create(&batch, "a.pdf", pdf.len()).await;
    let mut offset = 0;
    for length in [1, 10, 60, 300_000, 0, 262_144] {
        let answer = tus.append(&upload, offset, &pdf[offset..offset + length]).await.is(204);
        offset += length;
        assert_eq!(answer.header("upload-offset"), offset.to_string());
        assert_eq!((answer.header("x-attachment-id"), answer.header("tus-resumable")), ("", "1.0.0"));
        assert!(!answer.header("upload-expires").is_empty());
        assert_eq!(tus.offset(&upload).await, offset);
    }
    let answer = tus.append(&upload, offset, &pdf[offset..]).await.is(204);
    let id = answer.header("x-attachment-id").to_owned();
    let file = staff.get(&format!("/attachments/{id}/download")).await.is(200);
    assert!(file.body == pdf);
    assert_eq!(file.header("etag"), format!("\"{}\"", samples::sha256(&pdf)));
    assert_eq!(answer.header("x-attachment-sha256"), samples::sha256(&pdf));
    assert_eq!(app.value("SELECT files_count FROM batches"), "1");
    assert_eq!(app.value("SELECT count(*) FROM audit_events WHERE action = 'attachment.upload'"), "1");
    let kept = app.kept();
    assert_eq!((kept.published.len(), kept.staged.len()), (1, 0));
}

#[tokio::test]
async fn what_is_wrong_with_a_request_changes_nothing() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let tus = Tus::of(&staff).await;
    let pdf = samples::pdf_of(1000);
    let upload = tus.create(&batch, "a.pdf", pdf.len()).await;
    tus.append(&upload, 0, &pdf[..500]).await.is(204);
    for offset in [0, 499, 501, 1000, 5000] {
        assert_eq!(tus.append(&upload, offset, &pdf[..10]).await.is(409).code(), "offset_mismatch");
    }
    for kind in ["application/octet-stream", "text/plain"] {
        let request = tus.request(Method::PATCH, &upload).header("Upload-Offset", 500);
        let answer = Answer::to(request.header(CONTENT_TYPE, kind).body("x")).await.is(415);
        assert_eq!(answer.code(), "wrong_content_type");
    }
    for offset in ["", "-1", "5e2", "x"] {
        let request = tus.request(Method::PATCH, &upload).header(CONTENT_TYPE, Tus::OCTETS);
        Answer::to(request.header("Upload-Offset", offset).body("x")).await.is(400);
    }
    let more = tus.append(&upload, 500, &pdf[..501]).await.is(413);
    assert_eq!(more.code(), "too_large");
    assert_eq!(tus.offset(&upload).await, 500);
    tus.append(&upload, 500, &pdf[500..]).await.is(204);
}

#[tokio::test]
async fn a_checksum_proves_the_bytes_of_a_request() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let tus = Tus::of(&staff).await;
    let pdf = samples::pdf_of(3000);
    let upload = tus.create(&batch, "a.pdf", pdf.len()).await;
    let send = async |offset: usize, bytes: &[u8], checksum: String| {
        Answer::to(tus.appending(&upload, offset, bytes).header("Upload-Checksum", checksum)).await
    };
    let sha1 = |bytes: &[u8]| format!("sha1 {}", STANDARD.encode(Sha1::digest(bytes)));
    let sha256 = |bytes: &[u8]| format!("sha256 {}", STANDARD.encode(Sha256::digest(bytes)));

    // What arrives mangled is not even looked at: not the type, not the size of what was staged.
    let answer = send(
        0,
        b"<html> mangled on the way, and more than sixty-four bytes of it, no doubt",
        sha256(&pdf[..73]),
    )
    .await;
    assert_eq!(answer.is(460).code(), "checksum_mismatch");
    assert_eq!(tus.offset(&upload).await, 0);
    send(0, &pdf[..1000], sha1(&pdf[..1000])).await.is(204);
    send(1000, &pdf[..1000], sha1(&pdf[1000..2000])).await.is(460);
    assert_eq!(tus.offset(&upload).await, 1000);
    for unknown in ["md5 Kq5sNclPz7QV2+lfQIuc6Q==", "sha256", "crc32 AAAA", "sha256 %%%"] {
        assert_eq!(send(1000, &pdf[1000..2000], unknown.to_owned()).await.is(400).code(), "bad_request");
    }
    send(1000, &pdf[1000..2000], sha256(&pdf[1000..2000])).await.is(204);
    send(2000, &pdf[2000..], sha256(&pdf[..1000])).await.is(460);
    let stored = send(2000, &pdf[2000..], sha256(&pdf[2000..])).await.is(204);
    assert_eq!(stored.header("x-attachment-sha256"), samples::sha256(&pdf));
    assert_eq!(app.kept().rows, "1");
}

#[tokio::test]
async fn a_refused_file_leaves_nothing() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let tus = Tus::of(&staff).await;
    let (png, jpeg) = (samples::png(), samples::jpeg());
    let page = "<html>".repeat(20).into_bytes();
    // The name, the bytes, what is sent before the piece that is refused, and the answer to that.
    let table: Vec<(&str, &[u8], usize, u16, &str)> = vec![
        ("page.pdf", &page, 0, 415, "unsupported_type"),
        ("page.pdf", &page, 63, 415, "unsupported_type"),
        ("picture.jpg", &png, 30, 415, "unsupported_type"),
        ("one-byte.png", b"\x89", 0, 415, "unsupported_type"),
        ("cut.png", &png[..png.len() - 9], 40, 422, "unreadable_image"),
        ("cut.jpg", &jpeg[..jpeg.len() - 2], 70, 422, "unreadable_image"),
    ];
    for (name, bytes, before, status, code) in table {
        let upload = tus.create(&batch, name, bytes.len()).await;
        tus.append(&upload, 0, &bytes[..before]).await.is(204);
        let answer = tus.append(&upload, before, &bytes[before..]).await.is(status);
        assert_eq!(answer.code(), code, "{name}");
        tus.look(&upload).await.is(404);
        let kept = app.kept();
        assert_eq!((kept.rows.as_str(), kept.published.len(), kept.staged.len()), ("0", 0, 0), "{name}");
        assert_eq!(app.value("SELECT count(*) FROM uploads"), "0", "{name}");
    }
    // The type is refused long before the end.
    let upload = tus.create(&batch, "large.pdf", 5_000_000).await;
    tus.append(&upload, 0, &page).await.is(415);
    assert_eq!(app.kept().staged.len(), 0);
}

#[tokio::test]
async fn a_batch_that_is_closed_meanwhile_takes_nothing_more() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let tus = Tus::of(&staff).await;
    let pdf = samples::pdf_of(1000);
    for (act, code) in [("close", "batch_closed"), ("delete", "batch_trashed")] {
        let batch = staff.make_batch(act).await;
        let upload = tus.create(&batch, "a.pdf", pdf.len()).await;
        tus.append(&upload, 0, &pdf[..400]).await.is(204);
        staff.post_form(&format!("/batches/{batch}/{act}"), &[]).await.is(303);
        assert_eq!(tus.append(&upload, 400, &pdf[400..]).await.is(409).code(), code);
        tus.look(&upload).await.is(404);
        let kept = app.kept();
        assert_eq!((kept.rows.as_str(), kept.published.len(), kept.staged.len()), ("0", 0, 0));
    }
}

#[tokio::test]
async fn a_post_may_stand_for_another_method() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let tus = Tus::of(&staff).await;
    let pdf = samples::pdf("x");
    let upload = tus.create(&batch, "a.pdf", pdf.len()).await;
    let overridden =
        |method: &str| tus.request(Method::POST, &upload).header("X-HTTP-Method-Override", method);
    let append = overridden("PATCH").header("Upload-Offset", 0).header(CONTENT_TYPE, Tus::OCTETS);
    Answer::to(append.body(pdf[..10].to_vec())).await.is(204);
    assert_eq!(tus.offset(&upload).await, 10);
    Answer::to(overridden("DELETE")).await.is(204);
    tus.look(&upload).await.is(410);
    Answer::to(overridden("PUT")).await.is(405);
}
