//! What somebody handed out ends with their right to hand it out, and does not come back with it.

use stillage::domain::{
    access::Role,
    session_store::{self, NewSession},
};

use super::tokens::{Script, token};
use crate::support::{Client, TestApp};

/// Makes a link to a new batch and returns its path.
async fn shared(by: &Client, number: &str, site: &str) -> String {
    let fields = [("number", number), ("product", "Soap"), ("site_id", site)];
    let batch = by.post_form("/batches", &fields).await.is(303).location().to_owned();
    let made =
        by.post_for_json(&format!("{batch}/shares"), &[("expires_in_hours", "24")]).await.is(201).json();
    let url = made["share"]["url"].as_str().unwrap();
    url[url.find("/s/").unwrap()..].to_owned()
}

fn ended(app: &TestApp) -> String {
    app.value("SELECT count(*) FROM audit_events WHERE action = 'share.revoke' AND actor = 'ada'")
}

#[tokio::test]
async fn links_tokens_and_sessions_of_a_disabled_account_stay_dead() {
    let app = TestApp::start();
    let (admin, staff) = (app.admin().await, app.staff().await);
    let main = app.value("SELECT id FROM sites WHERE is_default");
    let link = shared(&staff, "B-1", &main).await;
    let others = shared(&admin, "B-2", &main).await;
    let script = Script::new(&app, &token(&staff, "read", "").await);
    let page = format!("/admin/users/{}", app.value("SELECT id FROM users WHERE username = 'stan'"));
    admin.post_form(&format!("{page}/disable"), &[]).await.is(303);
    assert_eq!(app.value("SELECT count(*) FROM share_links WHERE revoked_at IS NULL"), "1");
    admin.post_form(&format!("{page}/enable"), &[]).await.is(303);
    app.stranger().get(&link).await.is(404);
    app.stranger().get(&others).await.is(200);
    script.get("/api/production/batches").await.is(401);
    staff.get("/batches").await.is(401);
    assert_eq!(ended(&app), "1");
    let why = "SELECT details->>'why' FROM audit_events WHERE action = 'share.revoke'";
    assert_eq!(app.value(why), "maker_lost_access");
}

#[tokio::test]
async fn links_end_with_the_role_and_with_the_site() {
    let app = TestApp::start();
    let east = app.add_site("East").to_string();
    let main = app.value("SELECT id FROM sites WHERE is_default");
    let admin = app.admin().await;
    let staff = app
        .new_user("stan", Role::Staff, &["East", &app.value("SELECT name FROM sites WHERE is_default")])
        .await;
    let visitor = app.stranger();
    let page = format!("/admin/users/{}", app.value("SELECT id FROM users WHERE username = 'stan'"));
    let change = async |role: &str, sites: &[&str]| {
        let mut fields = vec![("display_name", "stan"), ("role", role)];
        fields.extend(sites.iter().map(|site| ("sites", *site)));
        admin.post_form(&page, &fields).await.is(303);
    };
    let (at_main, at_east) = (shared(&staff, "B-1", &main).await, shared(&staff, "B-2", &east).await);
    change("staff", &[&main, &east]).await;
    assert_eq!(ended(&app), "0", "nothing was taken away");
    change("staff", &[&main]).await;
    change("staff", &[&main, &east]).await;
    visitor.get(&at_east).await.is(404);
    visitor.get(&at_main).await.is(200);
    assert_eq!(ended(&app), "1");
    change("viewer", &[&main, &east]).await;
    change("staff", &[&main, &east]).await;
    visitor.get(&at_main).await.is(404);
    assert_eq!(ended(&app), "2");

    // An admin shares everywhere; who is one no more keeps what their own sites hold.
    change("admin", &[&main]).await;
    let staff = app.stranger().sign_in("stan").await;
    let (at_main, at_east) = (shared(&staff, "B-3", &main).await, shared(&staff, "B-4", &east).await);
    change("staff", &[&main]).await;
    visitor.get(&at_main).await.is(200);
    visitor.get(&at_east).await.is(404);
    change("admin", &[&main]).await;
    visitor.get(&at_east).await.is(404);
}

/// Links of an earlier version, whose maker had lost the right before it ended them.
#[tokio::test]
async fn an_upgrade_ends_what_was_asleep() {
    let app = TestApp::start();
    let (admin, staff) = (app.admin().await, app.staff().await);
    let main = app.value("SELECT id FROM sites WHERE is_default");
    let (asleep, living) = (shared(&staff, "B-1", &main).await, shared(&admin, "B-2", &main).await);
    app.execute("UPDATE users SET disabled_at = now() WHERE username = 'stan'");
    app.execute("DROP INDEX share_links_living_of_maker");
    app.execute(include_str!("../../../migrations/2026-11-26-000710_lost_shares/up.sql"));
    app.execute("UPDATE users SET disabled_at = NULL");
    app.stranger().get(&asleep).await.is(404);
    app.stranger().get(&living).await.is(200);
    assert_eq!(
        app.value("SELECT count(*) FROM audit_events WHERE action = 'share.revoke' AND actor = 'system'"),
        "1"
    );
}

#[tokio::test]
async fn a_sign_in_at_the_moment_of_disabling_leaves_nothing_behind() {
    let app = TestApp::start();
    app.staff().await;
    let of_stan = |what: &str| app.value(&format!("SELECT {what} FROM users WHERE username = 'stan'"));
    let begin = async |key: u8| {
        let new = NewSession {
            key_hash: vec![key; 32],
            user_id: of_stan("id").parse().unwrap(),
            password: of_stan("coalesce((extract(epoch FROM password_set_at) * 1000000)::bigint::text, '')")
                .parse()
                .ok(),
            user_agent: String::new(),
            address: String::new(),
            state: serde_json::json!({}),
        };
        session_store::begin(&app.app, new).await.unwrap();
        app.value(&format!(
            "SELECT count(*) FROM sessions WHERE key_hash = decode(repeat('{key:02x}', 32), 'hex')"
        ))
    };
    assert_eq!(begin(1).await, "1");
    app.execute("UPDATE users SET disabled_at = now() WHERE username = 'stan'");
    assert_eq!(begin(2).await, "0");
}
