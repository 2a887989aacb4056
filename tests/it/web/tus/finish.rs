//! The end of an upload: stored once, whatever is lost or repeated.

use std::fs;

use stillage::domain::{maintenance, uploads};

use crate::support::{TestApp, Tus, eventually, raw::Raw, samples};

#[tokio::test]
async fn a_client_that_lost_the_last_answer_learns_what_became_of_its_file() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let tus = Tus::of(&staff).await;
    let pdf = samples::pdf_of(1000);
    let upload = tus.create(&batch, "a.pdf", pdf.len()).await;
    let stored = tus.append(&upload, 0, &pdf).await.is(204);
    let id = stored.header("x-attachment-id").to_owned();
    let seen = tus.look(&upload).await.is(200);
    assert_eq!((seen.header("upload-offset"), seen.header("upload-length")), ("1000", "1000"));
    assert_eq!((seen.header("x-attachment-id"), seen.header("upload-expires")), (id.as_str(), ""));
    assert_eq!(seen.header("x-attachment-sha256"), samples::sha256(&pdf));
    // It may repeat its last request in two ways.
    tus.append(&upload, 0, &pdf).await.is(409);
    assert_eq!(tus.append(&upload, 1000, b"").await.is(204).header("x-attachment-id"), id);
    tus.append(&upload, 1000, b"more").await.is(413);
    assert_eq!(tus.cancel(&upload).await.is(409).code(), "upload_finished");
    assert_eq!(app.kept().rows, "1");
}

/// Puts the whole file where a crash between publication and commit leaves it.
fn publish_without_a_row(app: &TestApp, upload: &str, name: &str, bytes: &[u8]) {
    let id = upload.strip_prefix("/uploads/").unwrap();
    let staged = app.store().join(format!(".staging/{id}.upload"));
    fs::write(&staged, bytes).unwrap();
    fs::rename(staged, app.published(&format!("{id}_{name}"))).unwrap();
}

#[tokio::test]
async fn a_crash_between_publication_and_commit_stores_it_once() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let tus = Tus::of(&staff).await;
    let pdf = samples::pdf_of(1000);
    for (count, recorded) in [(1, 0), (2, 400)] {
        let upload = tus.create(&batch, "a.pdf", pdf.len()).await;
        tus.append(&upload, 0, &pdf[..recorded]).await.is(204);
        publish_without_a_row(&app, &upload, "a.pdf", &pdf);
        assert_eq!(tus.offset(&upload).await, recorded, "not whole as long as it is not stored");
        let stored = tus.append(&upload, recorded, &pdf[recorded..]).await.is(204);
        assert_eq!(stored.header("x-attachment-sha256"), samples::sha256(&pdf));
        let kept = app.kept();
        assert_eq!((kept.rows, kept.published.len(), kept.staged.len()), (count.to_string(), count, 0));
    }
}

#[tokio::test]
async fn an_upload_whose_bytes_are_gone_begins_again() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let tus = Tus::of(&staff).await;
    let pdf = samples::pdf_of(1000);
    for broken in ["missing", "short"] {
        let upload = tus.create(&batch, "a.pdf", pdf.len()).await;
        tus.append(&upload, 0, &pdf[..400]).await.is(204);
        let staged = app.store().join(".staging").join(&app.kept().staged[0]);
        if broken == "missing" {
            fs::remove_file(staged).unwrap();
        } else {
            fs::write(staged, &pdf[..399]).unwrap();
        }
        tus.append(&upload, 400, &pdf[400..]).await.is(409);
        assert_eq!(tus.offset(&upload).await, 0);
        let stored = tus.append(&upload, 0, &pdf).await.is(204);
        assert_eq!(stored.header("x-attachment-sha256"), samples::sha256(&pdf), "{broken}");
    }
}

#[tokio::test]
async fn sweeps_spare_what_can_be_resumed() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let tus = Tus::of(&staff).await;
    let pdf = samples::pdf_of(1000);
    let upload = tus.create(&batch, "a.pdf", pdf.len()).await;
    tus.append(&upload, 0, &pdf[..400]).await.is(204);
    fs::write(app.store().join(".staging/b4f1e2c8-2a3d-4f6e-9d0a-5c7b8e9f0a1b.upload"), b"nobody's").unwrap();
    assert_eq!(maintenance::sweep_staging(&app.app).await.unwrap(), 0);
    let swept = uploads::sweep(&app.app).await.unwrap();
    assert_eq!((swept.expired, swept.files, swept.forgotten), (0, 1, 0));
    maintenance::reconcile(&app.app).await.unwrap();
    tus.append(&upload, 400, &pdf[400..]).await.is(204);
}

#[tokio::test]
async fn a_database_that_goes_away_at_the_end_costs_a_retry_and_no_bytes() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let tus = Tus::of(&staff).await;
    let pdf = samples::pdf_of(900_000);
    let upload = tus.create(&batch, "a.pdf", pdf.len()).await;
    tus.append(&upload, 0, &pdf[..500_000]).await.is(204);
    let mut raw = Raw::connect(app.address);
    raw.send(tus.raw_head(&app.address.to_string(), &upload, 500_000, 400_000).as_bytes());
    raw.send(&pdf[500_000..800_000]);
    eventually("somebody appends", || app.value("SELECT lease IS NOT NULL FROM uploads") == "true");
    app.database.take_away();
    raw.send(&pdf[800_000..]);
    let answer = raw.answer();
    assert!(answer.starts_with("HTTP/1.1 5"), "{answer}");
    app.database.give_back();
    app.advance(chrono::TimeDelta::seconds(7));
    // Callers are refused at once until the database is known to be back.
    for _ in 0..100 {
        if tus.look(&upload).await.status == 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    let offset = tus.offset(&upload).await;
    assert!((500_000..900_000).contains(&offset), "{offset}");
    tus.append(&upload, offset, &pdf[offset..]).await.is(204);
    let kept = app.kept();
    assert_eq!((kept.rows.as_str(), kept.published.len(), kept.staged.len()), ("1", 1, 0));
}
