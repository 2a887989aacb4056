//! What people and operators see while the server cannot do its work.

use std::time::{Duration, Instant};

use reqwest::Method;

use super::{Person, Site, within};

/// Until a page says that it cannot be had: the wait for a connection, and a machine that does other things.
const CLEAR: Duration = Duration::from_secs(20);

/// The process lives, a page answers 503 and says why, and so does signing in.
pub async fn is_told_to_people(site: &Site, words: &str) {
    assert!(
        within(CLEAR, async || site.person().get("/batches").await.status() == 503).await,
        "no page is 503"
    );
    let begun = Instant::now();
    assert_eq!(site.person().get("/health/live").await.status(), 200);
    assert!(begun.elapsed() < Duration::from_secs(2), "live took {:?}", begun.elapsed());

    let begun = Instant::now();
    let page = site.person().get("/batches").await;
    assert_eq!(page.status(), 503, "{page:?}");
    assert!(page.text().contains(words), "{}", page.text());
    assert!(begun.elapsed() < CLEAR, "a page took {:?}", begun.elapsed());

    let stranger = Person::with_session(&site.base(), "none=none", "");
    let form = stranger.get("/login").await;
    assert_eq!(form.status(), 200, "{form:?}");
    let text = form.text();
    let token =
        text.split("name=\"csrf_token\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let fields = [("csrf_token", token), ("username", "ann"), ("password", super::site::PASSWORD)];
    let answer =
        stranger.request(Method::POST, "/login").header("Accept", "text/html").form(&fields).send().await;
    let answer = answer.expect("an answer to signing in");
    assert_eq!(answer.status(), 503);
    assert!(answer.text().await.unwrap().contains(words));
}

/// The server answers again, by itself, and takes files; how long that took.
pub async fn is_over(site: &mut Site, limit: Duration) -> Duration {
    let begun = Instant::now();
    assert!(site.wait_ready(limit).is_some(), "not ready again: {:?}\n{}", site.ready(), site.log_text());
    let person = site.person();
    let works = async || person.get("/batches").await.status() == 200;
    assert!(within(limit, works).await, "no page again:\n{}", site.log_text());
    begun.elapsed()
}
