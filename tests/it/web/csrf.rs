//! Writes that do not come from a page of this server.

use reqwest::{Method, header::ACCEPT};

use super::{FOR_STRANGERS, Target, writes};
use crate::support::{Answer, TestApp};

/// What a write could change.
fn state(app: &TestApp) -> String {
    app.value(
        "SELECT (SELECT jsonb_agg(b) FROM batches b)::text || (SELECT jsonb_agg(a) FROM attachments a)::text
             || (SELECT count(*) FROM sessions)::text || (SELECT count(*) FROM audit_events)::text",
    )
}

#[tokio::test]
async fn every_write_needs_the_token() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let target = Target::make(&app, &admin).await;
    let strangers_token = app.stranger().token().await;
    let (before, kept) = (state(&app), app.kept());
    assert!(writes().len() > 10);
    for route in writes() {
        for wrong in [None, Some(""), Some("0123456789abcdef0123456789abcdef"), Some(&*strangers_token)] {
            let answer = Answer::to(target.write(&admin, &route, wrong)).await.is(403);
            assert_eq!(answer.code(), "csrf", "{route:?} {wrong:?}");
            let in_header = target.write(&admin, &route, None).header("X-CSRF-Token", wrong.unwrap_or("x"));
            assert_eq!(Answer::to(in_header).await.is(403).code(), "csrf", "{route:?} {wrong:?}");
        }
    }
    assert_eq!((state(&app), app.kept()), (before, kept));
}

#[tokio::test]
async fn every_write_from_elsewhere_is_refused_whatever_token_it_has() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let target = Target::make(&app, &admin).await;
    let token = admin.token().await;
    let before = state(&app);
    let elsewhere = [
        ("Sec-Fetch-Site", "cross-site"),
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Origin", "http://127.0.0.1:1"),
    ];
    for route in writes() {
        for (name, value) in elsewhere {
            let request = target.write(&admin, &route, Some(&token)).header(name, value);
            assert_eq!(Answer::to(request).await.is(403).code(), "csrf", "{route:?} {name}: {value}");
        }
    }
    assert_eq!(state(&app), before);
}

#[tokio::test]
async fn the_token_goes_into_the_header_or_the_form() {
    let app = TestApp::with(&[("PUBLIC_URL", "http://files.example")]);
    let admin = app.admin().await;
    let token = admin.token().await;
    let own = format!("http://{}", app.address);
    let good = [
        ("Sec-Fetch-Site", "same-origin"),
        ("Sec-Fetch-Site", "none"),
        ("Origin", own.as_str()),
        ("Origin", "http://files.example"),
    ];
    let target = Target::make(&app, &admin).await;
    for route in writes().into_iter().filter(|(_, pattern)| !FOR_STRANGERS.contains(pattern)) {
        for (name, value) in good {
            for in_form in [true, false] {
                let request = target.write(&admin, &route, in_form.then_some(&token)).header(name, value);
                let request = if in_form { request } else { request.header("X-CSRF-Token", &token) };
                let status = Answer::to(request).await.status;
                assert_ne!(status, 403, "{route:?} {name}: {value}, in the form: {in_form}");
            }
        }
        // As before, so that the next address finds an open batch with its file.
        for undo in ["/batches/{id}/restore", "/batches/{id}/reopen", "/attachments/{id}/restore"] {
            admin.post_form(&target.address(undo), &[]).await.is(303);
        }
    }
    // A look at the store was ordered among others; nobody does it here.
    app.execute("DELETE FROM jobs");
}

#[tokio::test]
async fn a_page_says_what_to_do_about_an_old_token() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let request = admin.request(Method::POST, "/batches").header(ACCEPT, "text/html");
    let page = Answer::to(request.form(&[("csrf_token", "old"), ("number", "B-1")])).await.is(403);
    page.shows("Load the page again and repeat").shows("<!doctype html>");
}
