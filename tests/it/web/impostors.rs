//! Nobody can pass for Stillage itself, or for somebody else: reserved names, and who acted as the trail tells it.

use stillage::domain::{
    access::{Actor, Role},
    audit::{export::export, seal::seal_pending, verify::verify},
    users,
};

use super::{
    Target,
    tokens::{Script, token},
};
use crate::support::{Answer, PASSWORD, TestApp, samples};

/// For Stillage itself; the Cyrillic one only looks like it.
const RESERVED: [&str; 5] = ["system", "Stillage", "C O N S O L E", "\u{405}ystem", "anonymous"];

#[tokio::test]
async fn nobody_gets_a_name_of_stillage_itself() {
    let app = TestApp::start();
    let (admin, staff) = (app.admin().await, app.staff().await);
    let site = app.value("SELECT id FROM sites WHERE is_default");
    let id = app.value("SELECT id FROM users WHERE username = 'stan'");
    let refused = |answer: Answer| answer.is(422).shows("stands for Stillage itself");
    for name in RESERVED {
        let invited = [("username", "newcomer"), ("display_name", name), ("role", "staff"), ("sites", &site)];
        refused(admin.post_form("/admin/users", &invited).await);
        let changed = [("display_name", name), ("role", "staff"), ("sites", &site)];
        refused(admin.post_form(&format!("/admin/users/{id}"), &changed).await);
        refused(staff.post_form("/account", &[("display_name", name)]).await);
    }
    for name in ["system", "c0nsole"] {
        let invited = [("username", name), ("display_name", "Ada"), ("role", "staff"), ("sites", &site)];
        refused(admin.post_form("/admin/users", &invited).await);
        let added = users::add(&app.app, &Actor::console(), name, Role::Staff, vec![], PASSWORD.into()).await;
        assert!(added.is_err_and(|error| error.code() == "invalid"), "{name}");
    }
    for hidden in ["Ad\u{200B}a", "\u{3164}", "A\u{202E}da", "\u{200D}"] {
        staff.post_form("/account", &[("display_name", hidden)]).await.is(422);
    }
    staff.post_form("/account", &[("display_name", "Stella Stillager")]).await.is(303);
    assert_eq!(app.value("SELECT count(*) FROM users WHERE username IN ('system', 'newcomer')"), "0");
}

/// Somebody who is called so since before such names were refused can still be looked after.
#[tokio::test]
async fn an_old_account_of_such_a_name_is_told_from_stillage() {
    let app = TestApp::start();
    let (admin, staff) = (app.admin().await, app.staff().await);
    let target = Target::make(&app, &admin).await;
    seal_pending(&app.app).await.unwrap();
    app.execute("UPDATE users SET display_name = 'system' WHERE username = 'stan'");
    staff.post_form(&format!("/batches/{}/close", target.batch), &[]).await.is(303);
    app.execute(&format!(
        "INSERT INTO audit_events (at, actor, action, subject, batch_id, details)
             VALUES (now(), 'system', 'batch.purge', 'batch:{0}', '{0}', '{{}}')",
        target.batch
    ));
    let history = format!("/batches/{}/history", target.batch);
    for path in ["/admin/audit", &history] {
        let page = admin.get_html(path).await.is(200).text();
        assert!(page.contains(">system</b> <span class=\"who-user\">(stan)</span>"), "{path}:\n{page}");
        assert!(page.contains("Stillage</b> <span class=\"who-mark\">by itself</span>"), "{path}:\n{page}");
    }
    let page = staff.get_html(&format!("/batches/{}", target.batch)).await.is(200).text();
    let (_, activity) = page.split_once("class=\"log\"").unwrap();
    assert!(activity.contains(">system</b> <span class=\"who-user\">(stan)</span> closed"), "{activity}");

    let json = admin.get("/admin/audit/export?format=json&group=batches").await.is(200).json();
    let who = |event: &serde_json::Value| {
        (event["actor"].clone(), event["username"].clone(), event["actor_kind"].clone())
    };
    let events = json.as_array().unwrap();
    assert_eq!(who(&events[0]), ("system".into(), serde_json::Value::Null, "system".into()));
    assert_eq!(who(&events[1]), ("system".into(), "stan".into(), "user".into()));
    let csv = admin.get("/admin/audit/export?format=csv&group=batches").await.is(200).text();
    assert!(csv.starts_with("id,at,actor,username,actor_kind,"), "{csv}");
    assert!(csv.contains(",system,,system,") && csv.contains(",system,stan,user,"), "{csv}");
    let mut lines = Vec::new();
    export(&app.app, &Actor::console(), None, |event| {
        lines.push(event);
        Ok(())
    })
    .await
    .unwrap();
    let closed = lines.iter().find(|event| event["action"] == "batch.close").unwrap();
    assert_eq!(who(closed), ("system".into(), "stan".into(), "user".into()));
    // Role and sites can be changed while the name stays.
    let (id, site) = (app.value("SELECT id FROM users WHERE username = 'stan'"), target.site);
    let fields = [("display_name", "system"), ("role", "viewer"), ("sites", site.as_str())];
    admin.post_form(&format!("/admin/users/{id}"), &fields).await.is(303);
    seal_pending(&app.app).await.unwrap();
    let report = verify(&app.app, &Actor::console(), None, |_| ()).await.unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}

#[tokio::test]
async fn two_people_of_one_name_are_told_apart() {
    let app = TestApp::start();
    let (admin, staff) = (app.admin().await, app.staff().await);
    let batch = staff.make_batch("B-1").await;
    for by in [&admin, &staff] {
        by.post_form("/account", &[("display_name", "Robin")]).await.is(303);
        by.post_form(&format!("/batches/{batch}/close"), &[]).await.is(303);
        by.post_form(&format!("/batches/{batch}/delete"), &[]).await.is(303);
        by.post_form(&format!("/batches/{batch}/restore"), &[]).await.is(303);
    }
    let file = staff.store_id(&staff.make_batch("B-2").await, "slip.pdf", &samples::pdf("slip")).await;
    let said = staff.get_json(&format!("/api/production/attachments/{file}")).await.is(200).json();
    assert_eq!((&said["uploaded_by"], &said["uploaded_by_username"]), (&"Robin".into(), &"stan".into()));
    admin.get_html(&format!("/attachments/{file}")).await.is(200);
    admin
        .get_html(&format!("/attachments/{file}"))
        .await
        .shows(">Robin</b> <span class=\"who-user\">(ada)</span>");
    let page = admin.get_html("/admin/audit").await.is(200);
    page.shows(">Robin</b> <span class=\"who-user\">(ada)</span>")
        .shows(">Robin</b> <span class=\"who-user\">(stan)");
}

#[tokio::test]
async fn what_a_script_did_names_its_token() {
    let app = TestApp::start();
    let (admin, staff) = (app.admin().await, app.staff().await);
    let site = app.value("SELECT id FROM sites WHERE is_default");
    let script = Script::new(&app, &token(&staff, "upload", "").await);
    script.make_batch("B-9", &site).await.is(201);
    let made = "SELECT details->>'by_token' FROM audit_events WHERE action = 'batch.create'";
    assert_eq!(app.value(made), "script");
    let page = admin.get_html("/admin/audit?group=batches").await.is(200);
    page.shows(">stan</b> <span class=\"who-mark\">by API token script</span>");
    let json = admin.get("/admin/audit/export?format=json&group=batches").await.is(200).json();
    assert_eq!((&json[0]["username"], &json[0]["actor_kind"]), (&"stan".into(), &"token".into()));
}
