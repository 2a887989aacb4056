//! Broken connections, restarts, new sessions, and two at once.

use chrono::TimeDelta;

use crate::support::{
    TestApp, Tus, eventually,
    raw::{self, Raw},
    samples,
};

/// Sends the head of an append and the first `sent` bytes of its body, and waits until somebody takes them.
fn begin(app: &TestApp, tus: &Tus, upload: &str, offset: usize, body: &[u8], sent: usize) -> Raw {
    let mut raw = Raw::connect(app.address);
    raw.send(tus.raw_head(&app.address.to_string(), upload, offset, body.len()).as_bytes());
    raw.send(&body[..sent]);
    eventually("somebody appends", || app.value("SELECT lease IS NOT NULL FROM uploads") == "true");
    raw
}

#[tokio::test]
async fn what_came_before_a_broken_connection_counts() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let tus = Tus::of(&staff).await;
    let pdf = samples::pdf_of(900_000);
    let upload = tus.create(&batch, "a.pdf", pdf.len()).await;
    let raw = begin(&app, &tus, &upload, 0, &pdf, 600_000);
    eventually("bytes are staged", || app.staged_bytes() > 0);
    raw.hang_up();
    eventually("the lease is given back", || app.value("SELECT lease IS NULL FROM uploads") == "true");
    let offset = tus.offset(&upload).await;
    assert!((1..=600_000).contains(&offset), "{offset}");
    let stored = tus.append(&upload, offset, &pdf[offset..]).await.is(204);
    assert_eq!(stored.header("x-attachment-sha256"), samples::sha256(&pdf));
    eventually("its permit is free", || app.app.limits.uploads.in_use() == 0);
}

#[tokio::test]
async fn what_a_checksum_was_to_prove_does_not_count_when_it_breaks_off() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let tus = Tus::of(&staff).await;
    let pdf = samples::pdf_of(900_000);
    let upload = tus.create(&batch, "a.pdf", pdf.len()).await;
    let head = tus.raw_head(&app.address.to_string(), &upload, 0, pdf.len());
    let head = head.replace("\r\n\r\n", "\r\nUpload-Checksum: sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=\r\n\r\n");
    let mut raw = Raw::connect(app.address);
    raw.send(head.as_bytes());
    raw.send(&pdf[..600_000]);
    eventually("bytes are staged", || app.staged_bytes() > 0);
    raw.hang_up();
    eventually("the lease is given back", || app.value("SELECT lease IS NULL FROM uploads") == "true");
    assert_eq!(tus.offset(&upload).await, 0);
    let stored = tus.append(&upload, 0, &pdf).await.is(204);
    assert_eq!(stored.header("x-attachment-sha256"), samples::sha256(&pdf));
}

#[tokio::test]
async fn an_upload_survives_a_restart_of_the_server() {
    let mut app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let tus = Tus::of(&staff).await;
    let pdf = samples::pdf_of(900_000);
    let upload = tus.create(&batch, "a.pdf", pdf.len()).await;
    tus.append(&upload, 0, &pdf[..300_000]).await.is(204);
    // The next piece is under way when the server goes.
    let raw = begin(&app, &tus, &upload, 300_000, &pdf[300_000..], 200_000);
    app.restart();
    drop(raw);
    // Its connections are gone with the old server.
    let tus = Tus::of(&staff.with_cookie(&staff.cookie())).await;
    // Whatever the old one left of a lease runs out soon.
    app.advance(TimeDelta::seconds(7));
    let offset = tus.offset(&upload).await;
    assert!((300_000..=500_000).contains(&offset), "{offset}");
    let stored = tus.append(&upload, offset, &pdf[offset..]).await.is(204);
    assert_eq!(stored.header("x-attachment-sha256"), samples::sha256(&pdf));
    let kept = app.kept();
    assert_eq!((kept.rows.as_str(), kept.published.len(), kept.staged.len()), ("1", 1, 0));
}

#[tokio::test]
async fn an_upload_survives_its_session() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let tus = Tus::of(&staff).await;
    let pdf = samples::pdf_of(1000);
    let upload = tus.create(&batch, "a.pdf", pdf.len()).await;
    tus.append(&upload, 0, &pdf[..300]).await.is(204);
    app.advance(TimeDelta::hours(13));
    tus.append(&upload, 300, &pdf[300..]).await.is(401);
    let back = Tus::of(&staff.sign_in("stan").await).await;
    assert_eq!(back.offset(&upload).await, 300);
    back.append(&upload, 300, &pdf[300..]).await.is(204);
    tus.append(&upload, 1000, b"").await.is(403);
}

#[tokio::test]
async fn of_two_at_once_one_wins() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let tus = Tus::of(&staff).await;
    let pdf = samples::pdf_of(900_000);
    let upload = tus.create(&batch, "a.pdf", pdf.len()).await;
    let mut first = begin(&app, &tus, &upload, 0, &pdf, 600_000);
    let other = vec![0; pdf.len()];
    assert_eq!(tus.append(&upload, 0, &other).await.is(423).code(), "upload_busy");
    first.send(&pdf[600_000..]);
    let answer = first.answer();
    assert_eq!(raw::status(&answer), 204, "{answer}");
    assert_eq!(tus.look(&upload).await.header("x-attachment-sha256"), samples::sha256(&pdf));

    // The same with many at the same moment.
    let upload = tus.create(&batch, "b.pdf", pdf.len()).await;
    let all = futures_util::future::join_all((0..4).map(|_| tus.append(&upload, 0, &pdf))).await;
    let mut statuses: Vec<u16> = all.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1, "{statuses:?}");
    assert!(statuses[1..].iter().all(|status| [409, 423].contains(status)), "{statuses:?}");
    assert_eq!(app.kept().rows, "2");
}

#[tokio::test]
async fn a_lease_left_by_a_crash_runs_out_soon() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let tus = Tus::of(&staff).await;
    let pdf = samples::pdf_of(1000);
    let upload = tus.create(&batch, "a.pdf", pdf.len()).await;
    app.execute("UPDATE uploads SET lease = gen_random_uuid(), lease_until = now() + interval '6 s'");
    tus.append(&upload, 0, &pdf).await.is(423);
    app.advance(TimeDelta::seconds(7));
    tus.append(&upload, 0, &pdf).await.is(204);
}

#[tokio::test]
async fn a_connection_that_fell_silent_gives_way_to_the_next() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let tus = Tus::of(&staff).await;
    let pdf = samples::pdf_of(900_000);
    let upload = tus.create(&batch, "a.pdf", pdf.len()).await;
    let silent = begin(&app, &tus, &upload, 0, &pdf, 300_000);
    tus.append(&upload, 0, &pdf).await.is(423);
    app.advance(TimeDelta::seconds(7));
    let stored = tus.append(&upload, 0, &pdf).await.is(204);
    assert_eq!(stored.header("x-attachment-sha256"), samples::sha256(&pdf));
    silent.hang_up();
    let kept = app.kept();
    assert_eq!((kept.rows.as_str(), kept.published.len(), kept.staged.len()), ("1", 1, 0));
}
