//! One's own account.

use chrono::TimeDelta;
use reqwest::{Method, header::USER_AGENT};
use uuid::Uuid;

use crate::support::{Answer, Client, PASSWORD, TestApp};

const PHONE: &str = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/140.0.0.0 Mobile Safari/537.36";
const NEW: &str = "another horse battery";

/// Signs in with a browser that names itself.
async fn sign_in_with(app: &TestApp, username: &str, agent: &str) -> Client {
    let client = app.stranger();
    let token = client.token().await;
    let fields = [("csrf_token", token.as_str()), ("username", username), ("password", PASSWORD)];
    let request = client.request(Method::POST, "/login").header(USER_AGENT, agent).form(&fields);
    Answer::to(request).await.is(303);
    client
}

async fn change_password(by: &Client, current: &str, new: &str) -> Answer {
    by.post_form("/account/password", &[("current", current), ("password", new)]).await
}

#[tokio::test]
async fn people_choose_how_they_are_called() {
    let app = TestApp::start();
    let stan = app.staff().await;
    for _ in 0..2 {
        stan.post_form("/account", &[("display_name", " Stan Lee ")]).await.is(303);
    }
    stan.get_html("/account").await.is(200).shows("You go by Stan Lee").shows("value=\"Stan Lee\"");
    for bad in ["", "  ", "a\nb", "a\u{202E}b", &"n".repeat(81)] {
        stan.post_form("/account", &[("display_name", bad)]).await.is(422).shows("A name has 1 to 80");
    }
    stan.get_html("/batches").await.shows("Stan Lee");
    let trail = "SELECT string_agg(details::text, ',') FROM audit_events WHERE action = 'user.change'";
    assert_eq!(app.value(trail), r#"{"username": "stan", "display_name": ["stan", "Stan Lee"]}"#);
}

#[tokio::test]
async fn a_new_password_leaves_only_this_browser_signed_in() {
    let app = TestApp::start();
    let stan = app.staff().await;
    let phone = app.stranger().sign_in("stan").await;
    let thief = stan.with_cookie(&stan.cookie());
    let token = stan.token().await;

    change_password(&stan, "wrong horse battery", NEW).await.is(422).shows("This is not your password.");
    change_password(&stan, PASSWORD, "short").await.is(422).shows("12 or more are needed").hides("short\"");
    change_password(&stan, &"x".repeat(2000), NEW).await.is(422);
    phone.get("/batches").await.is(200);

    assert_eq!(change_password(&stan, PASSWORD, NEW).await.is(303).location(), "/account");
    phone.get("/batches").await.is(401);
    thief.get("/batches").await.is(401);
    stan.get_html("/account").await.is(200).shows("Every other device is signed out").shows("This one");
    assert_ne!(stan.token().await, token, "a new session has a new token");
    assert_eq!(app.value("SELECT count(*) FROM sessions"), "1");
    phone.post_login("stan", PASSWORD).await.is(401);
    phone.post_login("stan", NEW).await.is(303);
    let trail = "SELECT string_agg(actor || ' ' || details::text, ',') FROM audit_events
                  WHERE action = 'user.password'";
    assert_eq!(app.value(trail), r#"stan {"by": "own", "username": "stan"}"#);
}

#[tokio::test]
async fn an_open_screen_does_not_allow_guessing() {
    let app = TestApp::start();
    let stan = app.staff().await;
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(change_password(&stan, "wrong horse battery", NEW).await.status);
    }
    assert_eq!(statuses[0], 422);
    assert_eq!(statuses.iter().find(|status| **status != 422), Some(&429), "{statuses:?}");
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let app = TestApp::start();
    let stan = app.staff().await;
    let phone = sign_in_with(&app, "stan", PHONE).await;
    let desk = sign_in_with(&app, "stan", "curl/8.5.0").await;
    app.add_user("otto", stillage::domain::access::Role::Staff, &[]).await;
    let otto = sign_in_with(&app, "otto", "Mozilla/5.0 (Windows NT 10.0) Firefox/140.0").await;

    let page = stan.get_html("/account").await.is(200).shows("Chrome on Android").shows("curl");
    let page = page.shows("Unknown device").shows("127.0.0.1").shows("Sign out everywhere else");
    assert_eq!(page.hides("Firefox").text().matches("This one").count(), 1);
    otto.get_html("/account").await.is(200).shows("Firefox on Windows").hides("Chrome on Android");

    let id = app.value("SELECT id FROM sessions WHERE user_agent LIKE '%Android%'");
    let revoke = format!("/account/sessions/{id}/revoke");
    let password = [("password", PASSWORD)];
    otto.post_form(&revoke, &password).await.is(404);
    phone.get("/batches").await.is(200);
    stan.post_form(&revoke, &password).await.is(303);
    phone.get("/batches").await.is(401);
    stan.get_html("/account").await.shows("Signed that device out").hides("Chrome on Android");
    stan.post_form(&revoke, &password).await.is(404);
    stan.post_form(&format!("/account/sessions/{}/revoke", Uuid::new_v4()), &password).await.is(404);

    for text in ["Signed 1 other device out", "You are signed in nowhere else"] {
        stan.post_form("/account/sessions/revoke-others", &password).await.is(303);
        stan.get_html("/account").await.is(200).shows(text).hides("Sign out everywhere else");
    }
    desk.get("/batches").await.is(401);
    otto.get("/batches").await.is(200);
    assert_eq!(app.value("SELECT count(*) FROM audit_events WHERE action = 'session.revoke'"), "2");
    assert_eq!(app.value("SELECT count(*) FROM sessions WHERE state::text LIKE '%user_agent%'"), "0");
}

#[tokio::test]
async fn ending_sessions_without_the_password_is_refused() {
    let app = TestApp::start();
    let stan = app.staff().await;
    let phone = sign_in_with(&app, "stan", PHONE).await;
    let id = app.value("SELECT id FROM sessions WHERE user_agent LIKE '%Android%'");
    let addresses = ["/account/sessions/revoke-others".to_owned(), format!("/account/sessions/{id}/revoke")];
    for address in &addresses {
        for fields in [&[][..], &[("password", "wrong horse battery")]] {
            let page = stan.post_form(address, fields).await.is(422).shows("This is not your password.");
            let text = page.shows("id=\"sessions-password-error\"").text();
            assert_eq!(text.matches("This is not your password.").count(), 1, "at one field only");
        }
        let json = stan.post_for_json(address, &[("password", "wrong horse battery")]).await.is(422);
        assert_eq!(json.code(), "invalid");
    }
    phone.get("/batches").await.is(200);
    let trail =
        "SELECT count(*) || ' ' || min(actor) FROM audit_events WHERE action = 'user.password_refused'";
    assert_eq!(app.value(trail), "6 stan");
    // Throttled like every other question for the password, and then not even the right one counts.
    let mut last = 422;
    for _ in 0..8 {
        last = stan.post_form(&addresses[0], &[("password", "wrong horse battery")]).await.status;
    }
    assert_eq!(last, 429);
    stan.post_form(&addresses[1], &[("password", PASSWORD)]).await.is(429);
    phone.get("/batches").await.is(200);
    assert_eq!(app.value("SELECT count(*) FROM audit_events WHERE action = 'session.revoke'"), "0");
}

#[tokio::test]
async fn predictable_new_password_is_refused_with_the_reason() {
    let app = TestApp::start();
    app.add_site("Mill Lane");
    let stan = app.staff().await;
    stan.post_form("/account", &[("display_name", "Stanis\u{142}aw Kowalski")]).await.is(303);
    for (new, why) in [
        ("Stillage2026!", "Names of people, sites and programs are no secret"),
        ("M1ll-Lane 2026", "Names of people, sites and programs are no secret"),
        ("Kowalski 2026", "Names of people, sites and programs are no secret"),
        ("stan.stan.2026", "Names of people, sites and programs are no secret"),
        ("Qualitaet2026", "One word with a year"),
        ("Passw0rd!2026", "Common words, names, dates and repeats"),
        ("qwertzuiopas", "attackers try first"),
        ("horsehorsehorse", "Common words, names, dates and repeats"),
    ] {
        let refused = change_password(&stan, PASSWORD, new).await;
        refused
            .is(422)
            .shows(why)
            .shows("Three or four words that do not belong together do well.")
            .hides(new);
    }
    change_password(&stan, PASSWORD, NEW).await.is(303);
}

#[tokio::test]
async fn password_typed_on_another_keyboard_is_the_same() {
    let app = TestApp::start();
    let stan = app.staff().await;
    // Eleven characters composed, however many they were typed as.
    change_password(&stan, PASSWORD, "u\u{308}o\u{308}a\u{308} zwo\u{308}lf 3")
        .await
        .is(422)
        .shows("11 characters");
    change_password(&stan, PASSWORD, "Ka\u{308}se aus Su\u{308}dtirol").await.is(303);
    for typed in ["K\u{e4}se aus S\u{fc}dtirol", "Ka\u{308}se\u{a0}aus Su\u{308}dtirol"] {
        app.stranger().post_login("stan", typed).await.is(303);
    }
    app.stranger().post_login("stan", "Kase aus Sudtirol").await.is(401);
}

#[tokio::test]
async fn a_session_that_is_over_is_not_listed() {
    let app = TestApp::start();
    app.staff().await;
    app.advance(TimeDelta::hours(2));
    let page = app.stranger().sign_in("stan").await.get_html("/account").await.is(200);
    assert_eq!(page.text().matches("class=\"device\"").count(), 1);
}

#[tokio::test]
async fn using_it_counts_as_being_seen() {
    let app = TestApp::start();
    let stan = app.staff().await;
    let seen = "SELECT extract(epoch FROM last_seen_at)::bigint FROM users WHERE username = 'stan'";
    let before: i64 = app.value(seen).parse().unwrap();
    app.advance(TimeDelta::minutes(10));
    stan.get("/batches").await.is(200);
    let after: i64 = app.value(seen).parse().unwrap();
    assert!((600..660).contains(&(after - before)), "{before} {after}");
}
