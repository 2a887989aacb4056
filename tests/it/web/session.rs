//! How long a session lives, and its cookie.

use chrono::TimeDelta;
use stillage::domain::maintenance;

use crate::support::{PASSWORD, TestApp};

#[tokio::test]
async fn a_session_ends_when_it_is_not_used() {
    let app = TestApp::with(&[("SESSION_IDLE_MINUTES", "30")]);
    let stan = app.staff().await;
    for _ in 0..3 {
        app.advance(TimeDelta::minutes(29));
        stan.get("/batches").await.is(200);
    }
    app.advance(TimeDelta::minutes(31));
    stan.get("/batches").await.is(401);
    assert_eq!(stan.get_html("/batches").await.is(303).location(), "/login?next=%2Fbatches");
}

#[tokio::test]
async fn a_session_ends_after_its_longest_life_however_much_it_is_used() {
    let app = TestApp::with(&[("SESSION_MAX_HOURS", "2")]);
    let stan = app.staff().await;
    for _ in 0..3 {
        app.advance(TimeDelta::minutes(35));
        stan.get("/batches").await.is(200);
    }
    app.advance(TimeDelta::minutes(20));
    stan.get("/batches").await.is(401);
    assert_eq!(maintenance::expire_sessions(&app.app).await.unwrap(), 1);
}

#[tokio::test]
async fn the_cookie_is_for_this_server_only() {
    for (public_url, name, secure) in
        [("http://127.0.0.1", "stillage", false), ("https://files.example", "__Host-stillage", true)]
    {
        let app = TestApp::with(&[("PUBLIC_URL", public_url)]);
        let answer = app.stranger().get_html("/login").await.is(200);
        let cookie = answer.header("set-cookie").to_owned();
        assert!(cookie.starts_with(&format!("{name}=")), "{cookie}");
        let flags: Vec<&str> = cookie.split("; ").skip(1).collect();
        assert_eq!(flags.contains(&"Secure"), secure, "{cookie}");
        for flag in ["HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(flags.contains(&flag), "{flag} in {cookie}");
        }
        assert!(!flags.iter().any(|flag| flag.starts_with("Domain")), "{cookie}");
        assert_eq!(answer.headers.contains_key("strict-transport-security"), secure);
    }
}

#[tokio::test]
async fn hsts_covers_subdomains_when_it_is_set_so() {
    let https = ("PUBLIC_URL", "https://files.example");
    for (environment, expected) in [
        (vec![https], "max-age=31536000"),
        (vec![https, ("HSTS_INCLUDE_SUBDOMAINS", "true")], "max-age=31536000; includeSubDomains"),
        (vec![("HSTS_INCLUDE_SUBDOMAINS", "true")], ""),
    ] {
        let app = TestApp::with(&environment);
        for path in ["/login", "/nowhere", "/health/live"] {
            assert_eq!(
                app.stranger().get(path).await.header("strict-transport-security"),
                expected,
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn strangers_do_not_fill_the_database() {
    let app = TestApp::start();
    let stranger = app.stranger();
    for path in ["/login", "/batches", "/nowhere", "/login?next=/batches"] {
        stranger.get_html(path).await;
    }
    stranger.post_login("nobody", PASSWORD).await.is(401);
    assert_eq!(app.value("SELECT count(*) FROM sessions"), "0");
}

#[tokio::test]
async fn a_forged_cookie_is_nobodys() {
    let app = TestApp::start();
    let stan = app.staff().await;
    let cookie = stan.cookie();
    let (name, value) = cookie.split_once('=').unwrap();
    let other = if value.starts_with('A') { "B" } else { "A" };
    for forged in [format!("{name}={other}{}", &value[1..]), format!("{name}=x"), format!("{name}=")] {
        app.stranger().with_cookie(&forged).get("/batches").await.is(401);
    }
    stan.get("/batches").await.is(200);
}

#[tokio::test]
async fn the_key_in_the_database_opens_nothing() {
    let app = TestApp::start();
    app.staff().await;
    let hash = app.value("SELECT encode(key_hash, 'hex') FROM sessions");
    app.stranger().with_cookie(&format!("stillage={hash}")).get("/batches").await.is(401);
    assert_eq!(app.value("SELECT count(*) FROM sessions WHERE state::text LIKE '%password%'"), "0");
}
