//! Signing in and out, and the first start.

use std::sync::Arc;

use futures_util::future::join_all;
use secrecy::SecretString;
use stillage::domain::{
    access::{Actor, Role},
    auth, users,
};

use crate::support::{PASSWORD, TestApp};

#[tokio::test]
async fn signing_in_leads_to_the_page_that_was_asked_for() {
    let app = TestApp::start();
    app.add_user("ines", Role::Staff, &[]).await;
    let ines = app.stranger();
    let asked = ines.get_html("/batches?q=soap&status=open").await.is(303);
    assert_eq!(asked.location(), "/login?next=%2Fbatches%3Fq%3Dsoap%26status%3Dopen");
    let page = ines.get_html(asked.location()).await.is(200);
    let page = page.shows("name=\"next\" value=\"/batches?q=soap&#38;status=open\"");
    let fields = [("username", " Ines "), ("password", PASSWORD), ("next", "/batches?q=soap&status=open")];
    drop(page);
    let answer = ines.post_form("/login", &fields).await.is(303);
    assert_eq!(answer.location(), "/batches?q=soap&status=open");
    ines.get_html("/batches").await.is(200).shows("ines");
    assert_eq!(ines.get("/").await.is(303).location(), "/batches");
}

#[tokio::test]
async fn only_a_local_next_is_followed() {
    let app = TestApp::start();
    app.add_user("ines", Role::Staff, &[]).await;
    let ines = app.stranger();
    for next in ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", ""] {
        let fields = [("username", "ines"), ("password", PASSWORD), ("next", next)];
        let answer = ines.post_form("/login", &fields).await.is(303);
        assert_eq!(answer.location(), "/", "{next:?}");
    }
}

#[tokio::test]
async fn a_wrong_name_and_a_wrong_password_look_alike() {
    let app = TestApp::start();
    app.add_user("ines", Role::Staff, &[]).await;
    app.add_user("gone", Role::Staff, &[]).await;
    users::set_enabled(&app.app, &Actor::console(), "gone", false).await.unwrap();
    let visitor = app.stranger();
    let before = visitor.cookie();
    for (name, password) in [("ines", "wrong horse battery"), ("nobody", PASSWORD), ("gone", PASSWORD)] {
        let page = visitor.post_login(name, password).await.is(401);
        let page = page.shows("User name or password is wrong").shows(&format!("value=\"{name}\""));
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        page.hides(password);
    }
    for odd in ["in\0es".to_owned(), "x".repeat(20_000)] {
        visitor.post_login(&odd, PASSWORD).await.is(401);
    }
    // Before sign-in, forms are bounded to 32 KiB.
    visitor.post_login(&"x".repeat(100_000), PASSWORD).await.is(400);
    assert!(before.is_empty());
    visitor.get("/batches").await.is(401);
    assert_eq!(app.value("SELECT count(*) FROM sessions"), "0");
    assert_eq!(app.value("SELECT count(*) FROM audit_events WHERE action = 'login.failure'"), "5");
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let app = TestApp::start();
    app.add_user("ines", Role::Staff, &[]).await;
    let guesser = app.stranger();
    let mut answers = Vec::new();
    for _ in 0..12 {
        answers.push(guesser.post_login("ines", "wrong horse battery").await);
    }
    let refused = answers.into_iter().find(|answer| answer.status == 429).expect("a refusal");
    let seconds: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=6).contains(&seconds), "{seconds}");
    refused.shows("Too many attempts").shows("name=\"password\"");
    // The right password does not help now, and others are not locked out.
    guesser.post_login("ines", PASSWORD).await.is(429);
    guesser.post_login("somebody", "else altogether").await.is(401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_finds_no_room_to_wait_is_told_to_come_back() {
    let app = TestApp::start();
    app.add_user("ines", Role::Staff, &[]).await;
    let server = Arc::clone(&app.app);
    let flood = tokio::spawn(async move {
        loop {
            let many = (0..2000).map(|_| server.passwords.verify(PASSWORD.into(), None));
            join_all(many).await;
        }
    });
    let ines = app.stranger();
    let mut refused = None;
    for _ in 0..100 {
        let answer = ines.post_login("ines", PASSWORD).await;
        if answer.status == 503 {
            refused = Some(answer);
            break;
        }
        answer.is(303);
    }
    flood.abort();
    let refused = refused.expect("a refusal").shows("Many people are signing in").shows("name=\"password\"");
    assert_eq!(refused.header("retry-after"), "2");
    let counted = "SELECT count(*) FROM throttles WHERE free_at > now()";
    assert_eq!(app.value(counted), "0", "nobody looked at it");
}

#[tokio::test]
async fn the_session_id_changes_at_login_and_ends_with_logout() {
    let app = TestApp::start();
    app.add_user("ines", Role::Staff, &[]).await;
    let ines = app.stranger();
    let token_before = ines.token().await;
    let before = ines.cookie();
    ines.post_login("ines", PASSWORD).await.is(303);
    let during = ines.cookie();
    assert_ne!(before, during);
    assert_ne!(token_before, ines.token().await, "the token changes with the session");
    app.stranger().with_cookie(&before).get("/batches").await.is(401);

    let thief = ines.with_cookie(&during);
    thief.get("/batches").await.is(200);
    let out = ines.post_form("/logout", &[]).await.is(303);
    assert_eq!(out.location(), "/login");
    thief.get("/batches").await.is(401);
    ines.get("/batches").await.is(401);
    assert_eq!(app.value("SELECT count(*) FROM sessions"), "0");
}

#[tokio::test]
async fn signing_in_again_ends_the_session_before() {
    let app = TestApp::start();
    let ines = app.staff().await;
    let first = ines.cookie();
    ines.post_login("stan", PASSWORD).await.is(303);
    app.stranger().with_cookie(&first).get("/batches").await.is(401);
    ines.get("/batches").await.is(200);
}

#[tokio::test]
async fn a_new_password_ends_every_session() {
    let app = TestApp::start();
    let stan = app.staff().await;
    let phone = app.stranger().sign_in("stan").await;
    let new: SecretString = "another horse battery".into();
    users::set_password(&app.app, &Actor::console(), "stan", new).await.unwrap();
    stan.get("/batches").await.is(401);
    phone.get("/batches").await.is(401);
    phone.post_login("stan", PASSWORD).await.is(401);
    phone.post_login("stan", "another horse battery").await.is(303);
}

#[tokio::test]
async fn a_disabled_account_is_out_at_once() {
    let app = TestApp::start();
    let stan = app.staff().await;
    stan.get("/batches").await.is(200);
    users::set_enabled(&app.app, &Actor::console(), "stan", false).await.unwrap();
    stan.get("/batches").await.is(401);
    stan.post_login("stan", PASSWORD).await.is(401);
    users::set_enabled(&app.app, &Actor::console(), "stan", true).await.unwrap();
    stan.get("/batches").await.is(401);
    stan.post_login("stan", PASSWORD).await.is(303);
}

#[tokio::test]
async fn the_set_up_link_works_once() {
    let app = TestApp::start();
    let token = auth::issue_setup_token(&app.app).await.unwrap().expect("there is no admin yet");
    let visitor = app.stranger();
    for wrong in ["/setup", "/setup?token=", "/setup?token=0123456789abcdef0123456789abcdef"] {
        visitor.get_html(wrong).await.is(404);
    }
    visitor.get_html(&format!("/setup?token={token}")).await.is(200).shows("Make the first admin");

    let set_up = async |username, password| {
        let fields = [("token", token.as_str()), ("username", username), ("password", password)];
        visitor.post_form("/setup", &fields).await
    };
    let refused = set_up("ada", "short").await.is(422);
    refused.shows("5 characters. 12 or more are needed").shows("value=\"ada\"").hides("short\"");
    set_up("a b", PASSWORD).await.is(422).shows("A user name has 1 to 64");
    assert_eq!(set_up("Ada", PASSWORD).await.is(303).location(), "/");
    visitor.get_html("/batches").await.is(200).shows("Admin");

    visitor.get_html(&format!("/setup?token={token}")).await.is(404);
    set_up("eve", PASSWORD).await.is(404);
    assert_eq!(auth::issue_setup_token(&app.app).await.unwrap(), None);
    assert_eq!(app.value("SELECT string_agg(username || ' ' || role, ',') FROM users"), "ada admin");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_set_up_link_makes_one_admin() {
    let app = TestApp::with(&[("ADMIN_USERNAME", "root"), ("ADMIN_PASSWORD", PASSWORD)]);
    let token = auth::issue_setup_token(&app.app).await.unwrap().unwrap();
    let set_up = async |n: usize| {
        let name = format!("ada{n}");
        let fields = [("token", token.as_str()), ("username", &name), ("password", PASSWORD)];
        app.stranger().post_form("/setup", &fields).await.status
    };
    let mut statuses = join_all((0..8).map(set_up)).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 404, 404, 404, 404, 404, 404, 404]);
    assert!(!auth::make_first_admin(&app.app).await.unwrap());
    assert_eq!(app.value("SELECT count(*) FROM users"), "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_that_start_together_make_one_admin() {
    let app = TestApp::with(&[("ADMIN_USERNAME", "root"), ("ADMIN_PASSWORD", PASSWORD)]);
    let other = app.instance();
    let starts = (0..8).map(|n| auth::make_first_admin(if n % 2 == 0 { &app.app } else { &other }));
    let made = join_all(starts).await.into_iter().filter(|made| *made.as_ref().unwrap()).count();
    assert_eq!(made, 1);
    assert_eq!(app.value("SELECT count(*) FROM users"), "1");
}

#[tokio::test]
async fn a_newer_set_up_link_replaces_the_older_one() {
    let app = TestApp::start();
    let older = auth::issue_setup_token(&app.app).await.unwrap().unwrap();
    let newer = auth::issue_setup_token(&app.app).await.unwrap().unwrap();
    app.stranger().get_html(&format!("/setup?token={older}")).await.is(404);
    app.stranger().get_html(&format!("/setup?token={newer}")).await.is(200);
}

#[tokio::test]
async fn the_environment_makes_the_first_admin() {
    let app = TestApp::with(&[("ADMIN_USERNAME", "Root"), ("ADMIN_PASSWORD", PASSWORD)]);
    assert!(auth::make_first_admin(&app.app).await.unwrap());
    assert!(!auth::make_first_admin(&app.app).await.unwrap(), "only if there is none");
    assert_eq!(auth::issue_setup_token(&app.app).await.unwrap(), None);
    app.stranger().sign_in("root").await.get_html("/batches").await.is(200).shows("Admin");
}
