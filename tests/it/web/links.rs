//! One-time links to choose a password.

use chrono::TimeDelta;
use futures_util::future::join_all;
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use stillage::domain::{
    access::{Actor, Role},
    maintenance, users,
};

use crate::support::{Answer, Client, PASSWORD, TestApp};

const CHOSEN: &str = "another horse battery";

/// The link's token on the page that shows it.
fn token_on(page: &Answer) -> String {
    let text = page.text();
    let (_, rest) = text.split_once("/password?token=").expect("a link on the page");
    rest.chars().take_while(char::is_ascii_hexdigit).collect()
}

async fn choose(by: &Client, token: &str, password: &str) -> Answer {
    by.post_form("/password", &[("token", token), ("password", password)]).await
}

fn id_of(app: &TestApp, username: &str) -> String {
    app.value(&format!("SELECT id FROM users WHERE username = '{username}'"))
}

/// A link for somebody, as an admin gets it.
async fn reset(app: &TestApp, admin: &Client, username: &str) -> String {
    let page = admin.post_form(&format!("/admin/users/{}/reset", id_of(app, username)), &[]).await.is(200);
    token_on(&page)
}

#[tokio::test]
async fn who_is_added_chooses_a_password_and_signs_in() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let fields = [("username", " Ines.C "), ("display_name", "Inês Carvalho"), ("role", "staff")];
    let page = admin.post_form("/admin/users", &fields).await.is(200).shows("A link for Inês Carvalho");
    assert_eq!(page.header("cache-control"), "private, no-store");
    let token = token_on(&page);
    assert_eq!(token.len(), 32, "128 bits");
    let kept = app.value("SELECT encode(token_hash, 'hex') FROM password_links");
    assert_eq!(kept, hex::encode(Sha256::digest(&token)), "only the hash is kept");
    admin
        .get_html("/admin/users")
        .await
        .is(200)
        .shows("Inês Carvalho")
        .shows("No password yet")
        .hides(&token);
    let person = format!("/admin/users/{}", id_of(&app, "ines.c"));
    admin.get_html(&person).await.is(200).shows("A link works until").hides(&token);

    let ines = app.stranger();
    ines.post_login("ines.c", CHOSEN).await.is(401);
    let form = ines.get_html(&format!("/password?token={token}")).await.is(200);
    form.shows("For Inês Carvalho").shows("<b>ines.c</b>");
    choose(&ines, &token, "short").await.is(422).shows("12 or more are needed").hides("short\"");
    assert_eq!(choose(&ines, &token, CHOSEN).await.is(303).location(), "/login?after=password");
    ines.get_html("/login?after=password").await.is(200).shows("Your password is set. Sign in with it.");
    ines.get("/batches").await.is(401);

    choose(&ines, &token, "yet another battery").await.is(404);
    ines.get_html(&format!("/password?token={token}")).await.is(404);
    ines.post_login("ines.c", CHOSEN).await.is(303);
    ines.get_html("/batches").await.is(200).shows("Inês Carvalho");
    let trail = "SELECT string_agg(action || ' ' || actor, ',' ORDER BY id) FROM audit_events
                  WHERE action LIKE 'user.%' AND details ->> 'username' = 'ines.c'";
    assert_eq!(app.value(trail), "user.add ada,user.reset_link ada,user.password Inês Carvalho");
    assert_eq!(app.value("SELECT count(*) FROM password_links"), "0");
}

#[tokio::test]
async fn a_reset_ends_sessions_and_the_old_password_at_once() {
    let app = TestApp::start();
    let (admin, stan) = (app.admin().await, app.staff().await);
    let phone = app.stranger().sign_in("stan").await;
    let token = reset(&app, &admin, "stan").await;
    stan.get("/batches").await.is(401);
    phone.get("/batches").await.is(401);
    stan.post_login("stan", PASSWORD).await.is(401);
    choose(&stan, &token, CHOSEN).await.is(303);
    stan.post_login("stan", CHOSEN).await.is(303);
    admin.get("/batches").await.is(200);
}

#[tokio::test]
async fn a_link_ends() {
    let app = TestApp::start();
    let admin = app.admin().await;
    for name in ["replaced", "disabled", "shell", "expired"] {
        app.add_user(name, Role::Staff, &[]).await;
    }
    let visitor = app.stranger();
    let gone = async |token: &str| {
        visitor.get_html(&format!("/password?token={token}")).await.is(404);
        choose(&visitor, token, CHOSEN).await.is(404);
    };
    for nobodys in ["", "0123456789abcdef0123456789abcdef", "%00"] {
        gone(nobodys).await;
    }

    let older = reset(&app, &admin, "replaced").await;
    let newer = reset(&app, &admin, "replaced").await;
    gone(&older).await;
    visitor.get_html(&format!("/password?token={newer}")).await.is(200);

    let token = reset(&app, &admin, "disabled").await;
    let page = format!("/admin/users/{}", id_of(&app, "disabled"));
    admin.post_form(&format!("{page}/disable"), &[]).await.is(303);
    gone(&token).await;
    let refused = admin.post_for_json(&format!("{page}/reset"), &[]).await.is(409);
    assert_eq!(refused.code(), "user_disabled");
    admin.post_form(&format!("{page}/enable"), &[]).await.is(303);
    gone(&token).await;

    let token = reset(&app, &admin, "shell").await;
    let new: SecretString = CHOSEN.into();
    users::set_password(&app.app, &Actor::console(), "shell", new).await.unwrap();
    gone(&token).await;

    let token = reset(&app, &admin, "expired").await;
    app.advance(TimeDelta::hours(24) - TimeDelta::minutes(1));
    visitor.get_html(&format!("/password?token={token}")).await.is(200);
    app.advance(TimeDelta::minutes(1));
    gone(&token).await;
    maintenance::expire_sessions(&app.app).await.unwrap();
    assert_eq!(app.value("SELECT count(*) FROM password_links"), "0");
}

#[tokio::test]
async fn of_two_who_use_a_link_at_once_one_succeeds() {
    let app = TestApp::start();
    let admin = app.admin().await;
    app.add_user("stan", Role::Staff, &[]).await;
    let token = reset(&app, &admin, "stan").await;
    let (one, other) = (app.stranger(), app.stranger());
    let (first, second) = tokio::join!(choose(&one, &token, CHOSEN), choose(&other, &token, PASSWORD));
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 404]);
}

#[tokio::test]
async fn a_link_used_in_somebody_elses_browser_signs_them_out_there() {
    let app = TestApp::start();
    let admin = app.admin().await;
    app.add_user("stan", Role::Staff, &[]).await;
    let token = reset(&app, &admin, "stan").await;
    choose(&admin, &token, CHOSEN).await.is(303);
    admin.get("/batches").await.is(401);
}

#[tokio::test]
async fn nobody_resets_their_own_password_by_a_link() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let page = format!("/admin/users/{}", id_of(&app, "ada"));
    let refused = admin.post_for_json(&format!("{page}/reset"), &[]).await.is(409);
    assert_eq!(refused.code(), "own_password");
    admin.get_html(&page).await.is(200).hides("ask-reset").shows("This is you");
}

#[tokio::test]
async fn a_sign_in_under_way_does_not_survive_a_reset() {
    let app = TestApp::start();
    let admin = app.admin().await;
    app.add_user("stan", Role::Staff, &[]).await;
    let path = format!("/admin/users/{}/reset", id_of(&app, "stan"));
    for _ in 0..3 {
        let stan = app.stranger();
        // Verifying a password takes longer than taking it away.
        let (_, reset) = tokio::join!(stan.post_login("stan", PASSWORD), admin.post_form(&path, &[]));
        reset.is(200);
        stan.get("/batches").await.is(401);
        let back: SecretString = PASSWORD.into();
        users::set_password(&app.app, &Actor::console(), "stan", back).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_use_a_link_at_once_one_is_the_first() {
    let app = TestApp::start();
    let admin = app.admin().await;
    app.add_user("ines", Role::Staff, &[]).await;
    let token = reset(&app, &admin, "ines").await;
    let passwords: Vec<String> = (0..8).map(|n| format!("{n}th horse battery")).collect();
    let tried = passwords.iter().map(async |password| {
        let answer = choose(&app.stranger(), &token, password).await;
        (answer.status, password)
    });
    let mut answers = join_all(tried).await;
    answers.sort_unstable();
    let statuses: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [303, 404, 404, 404, 404, 404, 404, 404]);
    app.stranger().post_login("ines", answers[0].1).await.is(303);
    app.stranger().post_login("ines", answers[1].1).await.is(401);
    assert_eq!(app.value("SELECT count(*) FROM audit_events WHERE action = 'user.password'"), "1");
}
