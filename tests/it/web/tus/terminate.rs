//! `DELETE /uploads/{id}`, and uploads that end by themselves.

use chrono::TimeDelta;
use stillage::domain::uploads;

use crate::support::{
    TestApp, Tus, eventually,
    raw::{self, Raw},
    samples,
};

#[tokio::test]
async fn a_cancelled_upload_is_over_and_leaves_nothing() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let tus = Tus::of(&staff).await;
    let pdf = samples::pdf_of(1000);
    for sent in [0, 400] {
        let upload = tus.create(&batch, "a.pdf", pdf.len()).await;
        tus.append(&upload, 0, &pdf[..sent]).await.is(204);
        let answer = tus.cancel(&upload).await.is(204);
        assert_eq!(answer.header("tus-resumable"), "1.0.0");
        assert_eq!(app.kept().staged.len(), 0);
        tus.look(&upload).await.is(410);
        assert_eq!(tus.append(&upload, sent, &pdf[sent..]).await.is(410).code(), "upload_over");
        tus.cancel(&upload).await.is(410);
    }
    assert_eq!(app.kept().rows, "0");
}

#[tokio::test]
async fn an_upload_can_be_cancelled_while_it_comes_in() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let tus = Tus::of(&staff).await;
    let pdf = samples::pdf_of(900_000);
    let upload = tus.create(&batch, "a.pdf", pdf.len()).await;
    let mut raw = Raw::connect(app.address);
    raw.send(tus.raw_head(&app.address.to_string(), &upload, 0, pdf.len()).as_bytes());
    raw.send(&pdf[..600_000]);
    eventually("bytes are staged", || app.staged_bytes() > 0);
    tus.cancel(&upload).await.is(204);
    raw.send(&pdf[600_000..]);
    let answer = raw.answer();
    assert!(raw::status(&answer) >= 400, "{answer}");
    tus.look(&upload).await.is(410);
    let kept = app.kept();
    assert_eq!((kept.rows.as_str(), kept.published.len(), kept.staged.len()), ("0", 0, 0));
}

#[tokio::test]
async fn an_upload_expires_a_day_after_its_last_byte() {
    let app = TestApp::with(&[("SESSION_IDLE_MINUTES", "43200"), ("SESSION_MAX_HOURS", "8760")]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let tus = Tus::of(&staff).await;
    let pdf = samples::pdf_of(1000);
    let upload = tus.create(&batch, "a.pdf", pdf.len()).await;
    for sent in [0, 100, 200] {
        tus.append(&upload, sent, &pdf[sent..sent + 100]).await.is(204);
        app.advance(TimeDelta::hours(20));
    }
    assert_eq!(uploads::sweep(&app.app).await.unwrap(), uploads::Swept::default());
    app.advance(TimeDelta::hours(5));
    tus.look(&upload).await.is(410);
    assert_eq!(tus.append(&upload, 300, &pdf[300..]).await.is(410).code(), "upload_over");
    let swept = uploads::sweep(&app.app).await.unwrap();
    assert_eq!((swept.expired, swept.files, swept.forgotten), (1, 1, 0));
    assert_eq!(app.kept().staged.len(), 0);
    tus.look(&upload).await.is(410);
    app.advance(TimeDelta::days(8));
    assert_eq!(uploads::sweep(&app.app).await.unwrap().forgotten, 1);
    tus.look(&upload).await.is(404);
}
