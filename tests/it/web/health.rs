//! Whether the server can serve, and what it counts.

use chrono::TimeDelta;

use crate::support::{TestApp, eventually, samples};

/// An answer about readiness counts no longer.
const AN_ANSWER: TimeDelta = TimeDelta::seconds(1);

#[tokio::test]
async fn ready_follows_the_store() {
    let app = TestApp::start();
    let probe = app.stranger();
    probe.get("/health/live").await.is(200).shows("ok");
    probe.get("/health/ready").await.is(200).shows("ready");
    app.unmount();
    app.advance(AN_ANSWER);
    probe.get("/health/ready").await.is(503).shows("storage");
    probe.get("/health/live").await.is(200);
    app.mount();
    app.advance(AN_ANSWER);
    probe.get("/health/ready").await.is(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_gone_is_told_and_comes_back() {
    let app = TestApp::start();
    let staff = app.staff().await;
    app.database.take_away();
    app.stranger().get("/health/live").await.is(200);
    app.stranger().get("/health/ready").await.is(503).shows("database");
    let page = staff.get_html("/batches").await.is(503);
    assert!(!page.header("retry-after").is_empty());
    let id = page.header("x-request-id").to_owned();
    page.shows("The database does not answer").shows(&id).hides("psql").hides("terminat");
    app.database.give_back();
    let runtime = tokio::runtime::Handle::current();
    eventually("pages are back, and the session with them", || {
        tokio::task::block_in_place(|| runtime.block_on(staff.get("/batches"))).status == 200
    });
}

#[tokio::test]
async fn metrics_are_for_this_machine_or_for_who_has_the_token() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let pdf = samples::pdf("x");
    staff.upload(&batch, &[("a.pdf", &pdf), ("b.exe", &pdf)]).await.is(207);
    let probe = app.stranger();
    let text = probe.get("/metrics").await.is(200);
    let text =
        text.shows("stillage_uploads_total 1").shows(&format!("stillage_uploaded_bytes_total {}", pdf.len()));
    let text = text.shows("stillage_upload_refusals_total{code=\"unsupported_type\"} 1");
    text.shows("route=\"/batches/{id}/attachments\"").hides(&batch);
    for header in ["X-Forwarded-For", "Forwarded", "X-Real-IP"] {
        probe.get_with("/metrics", &[(header, "127.0.0.1")]).await.is(404);
    }

    let app = TestApp::with(&[("METRICS_TOKEN", "a long token")]);
    let probe = app.stranger();
    probe.get("/metrics").await.is(401);
    probe.get_with("/metrics", &[("Authorization", "Bearer wrong")]).await.is(401);
    probe.get_with("/metrics", &[("Authorization", "Bearer a long token")]).await.is(200);
}
