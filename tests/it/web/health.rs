//! Whether the server can serve, and what it counts.

use std::sync::Arc;

use chrono::TimeDelta;
use stillage::web::monitor;

use crate::support::{Client, TestApp, eventually, samples};

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
    let app = TestApp::with(&[("METRICS_TOKEN", "a long token")]);
    let probe = app.stranger();
    probe.get("/metrics").await.is(401);
    probe.get_with("/metrics", &[("Authorization", "Bearer wrong")]).await.is(401);
    probe.get_with("/metrics", &[("Authorization", "Bearer a long token")]).await.is(200);
}

#[tokio::test]
async fn metrics_without_a_token_are_closed_to_whatever_a_proxy_forwards() {
    let app = TestApp::start();
    let probe = app.stranger();
    for name in [
        "Forwarded",
        "X-Forwarded-For",
        "x-forwarded-host",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Forwarded-Server",
        "X-Forwarded",
        "Forwarded-For",
        "X-Real-IP",
        "X-Client-IP",
        "X-Cluster-Client-IP",
        "X-Original-Forwarded-For",
        "X-ProxyUser-Ip",
        "True-Client-IP",
        "CF-Connecting-IP",
        "CF-Ray",
        "CDN-Loop",
        "Fastly-Client-IP",
        "X-Envoy-External-Address",
        "X-Amzn-Trace-Id",
        "X-Request-ID",
        "Traceparent",
        "Via",
        "Proxy-Connection",
        "X-Anything-Else",
    ] {
        for value in ["127.0.0.1", ""] {
            let answer = probe.get_with("/metrics", &[(name, value)]).await.is(404);
            answer.hides("stillage_uploads_total");
        }
    }
    for host in ["files.example", "files.example:443", "192.0.2.7:8080", "localhost.example", "0.0.0.0"] {
        probe.get_with("/metrics", &[("Host", host)]).await.is(404);
    }
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8080"] {
        probe.get_with("/metrics", &[("Host", host)]).await.is(200);
    }
    // What a person's browser or a script on this machine sends by itself.
    let usual = [("Cookie", "a=b"), ("Accept-Language", "de"), ("Sec-Fetch-Mode", "navigate"), ("DNT", "1")];
    probe.get_with("/metrics", &usual).await.is(200);
}

#[tokio::test]
async fn metrics_without_a_token_are_closed_where_a_proxy_is_expected() {
    for variable in [
        ("TRUSTED_PROXIES", "10.0.0.0/8"),
        ("TRUSTED_PROXIES", "127.0.0.1"),
        ("PUBLIC_URL", "https://files.example"),
        ("PUBLIC_URL", "http://192.0.2.7:8080"),
        ("METRICS_BIND_ADDRESS", "127.0.0.1:1"),
    ] {
        let app = TestApp::with(&[variable]);
        app.stranger().get("/metrics").await.is(404);
        let app = TestApp::with(&[variable, ("METRICS_TOKEN", "a long token")]);
        app.stranger().get("/metrics").await.is(401);
        let token = [("Authorization", "Bearer a long token"), ("X-Forwarded-For", "192.0.2.1")];
        app.stranger().get_with("/metrics", &token).await.is(200);
    }
    let app = TestApp::with(&[("PUBLIC_URL", "http://localhost:8080")]);
    app.stranger().get("/metrics").await.is(200);
}

#[tokio::test]
async fn metrics_listener_serves_metrics_and_nothing_else() {
    let app = TestApp::with(&[("TRUSTED_PROXIES", "127.0.0.1"), ("METRICS_TOKEN", "a long token")]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (started, handle) = std::sync::mpsc::channel();
    let served = Arc::clone(&app.app);
    let thread = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async {
            let server = monitor::run(&served, listener).unwrap();
            started.send(server.handle()).unwrap();
            server.await
        })
    });
    let handle = handle.recv().unwrap();
    let collector = Client::new(&format!("http://{address}"));
    collector.get("/metrics").await.is(200).shows("stillage_state");
    for (name, value) in [("X-Forwarded-For", "192.0.2.1"), ("Via", "1.1 x"), ("Host", "files.example")] {
        collector.get_with("/metrics", &[(name, value)]).await.is(404);
    }
    for other in ["/", "/login", "/batches", "/health/live", "/api/stats"] {
        let answer = collector.get(other).await.is(404);
        assert!(!answer.header("x-request-id").is_empty());
    }
    drop(handle.stop(true));
    thread.join().unwrap().unwrap();
}
