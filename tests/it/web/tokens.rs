//! API tokens: what they open, what they do not, and when they end.

use chrono::TimeDelta;
use reqwest::{
    Method, RequestBuilder,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use stillage::domain::{
    access::{Actor, Role},
    users,
};

use super::Target;
use crate::support::{Answer, Client, Multipart, PASSWORD, TestApp, Tus, samples};

/// Makes a token on the page and reads it off there.
pub(super) async fn token(by: &Client, scope: &str, site: &str) -> String {
    let fields = [("name", "script"), ("scope", scope), ("site", site), ("days", "30")];
    let page = by.post_form("/account/tokens", &fields).await.is(201).text();
    let (_, rest) = page.split_once("stl_").expect("a token on the page");
    format!("stl_{}", &rest[..64])
}

/// A script that has nothing but a token.
pub(super) struct Script {
    client: Client,
    token: String,
}

impl Script {
    pub(super) fn new(app: &TestApp, token: &str) -> Self {
        Self { client: app.stranger(), token: token.to_owned() }
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, path).header(AUTHORIZATION, format!("Bearer {}", self.token))
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        Answer::to(self.request(Method::GET, path)).await
    }

    pub(super) async fn delete(&self, path: &str) -> Answer {
        Answer::to(self.request(Method::DELETE, path)).await
    }

    pub(super) async fn make_batch(&self, number: &str, site: &str) -> Answer {
        let body = serde_json::json!({ "number": number, "site_id": site });
        Answer::to(self.request(Method::POST, "/api/production/batches").json(&body)).await
    }

    pub(super) async fn upload(&self, path: &str) -> Answer {
        let form = Multipart::new().file("photo.png", &samples::png());
        let request = self.request(Method::POST, path).header(CONTENT_TYPE, Multipart::CONTENT_TYPE);
        // As a browser would: an answer for a script all the same.
        Answer::to(request.header(ACCEPT, "text/html").body(form.body())).await
    }
}

#[tokio::test]
async fn a_scope_is_an_upper_bound() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let target = Target::make(&app, &admin).await;
    let batch = format!("/api/production/batches/{}", target.batch);
    let file = format!("/api/production/attachments/{}", target.file);
    let reads = [
        "/api/production/batches".to_owned(),
        batch.clone(),
        file.clone(),
        format!("/api/production/attachment/{}", target.stored_name),
        format!("/attachments/{}/download", target.file),
        "/api/openapi.json".to_owned(),
    ];
    for (scope, writes) in [("read", false), ("upload", true), ("admin", true)] {
        let script = Script::new(&app, &token(&admin, scope, "").await);
        for path in &reads {
            let answer = script.get(path).await.is(200);
            assert!(!answer.headers.contains_key("set-cookie"), "{path}");
        }
        let made = script.make_batch(scope, &target.site).await;
        assert_eq!(made.status, if writes { 201 } else { 403 }, "{scope}");
        for path in [format!("/batches/{}/attachments", target.batch), format!("{batch}/attachments")] {
            let stored = script.upload(&path).await;
            assert_eq!(stored.status, if writes { 201 } else { 403 }, "{scope} {path}");
        }
    }
    let script = Script::new(&app, &token(&admin, "read", "").await);
    assert_eq!(script.delete(&file).await.is(403).code(), "forbidden");
    Script::new(&app, &token(&admin, "upload", "").await).delete(&file).await.is(204);
    // Whoever made it stands in the trail under their own name.
    assert_eq!(
        app.value("SELECT string_agg(DISTINCT actor, ',') FROM audit_events WHERE action LIKE 'batch.%'"),
        "ada"
    );
}

#[tokio::test]
async fn a_token_never_goes_beyond_its_user() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let elsewhere = app.add_site("Elsewhere");
    let target = Target::make(&app, &admin).await;
    let batch = format!("/api/production/batches/{}", target.batch);
    let otto = app.new_user("otto", Role::Staff, &["Elsewhere"]).await;
    let script = Script::new(&app, &token(&otto, "upload", "").await);
    assert_eq!(script.get(&batch).await.is(404).code(), "not_found");
    script.make_batch("B-1", &elsewhere.to_string()).await.is(201);
    // More than one's role has nothing to choose.
    let wanted = [("name", "x"), ("scope", "admin"), ("days", "30")];
    otto.post_form("/account/tokens", &wanted).await.is(422).shows("Choose what it may do");
    // Less from the next request on.
    app.execute("UPDATE users SET role = 'viewer' WHERE username = 'otto'");
    script.make_batch("B-2", &elsewhere.to_string()).await.is(403);
    script.get("/api/production/batches").await.is(200).shows("B-1");
    app.execute("DELETE FROM site_members");
    script.get("/api/production/batches").await.is(200).hides("B-1");
}

#[tokio::test]
async fn a_token_for_one_site_sees_no_other() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let elsewhere = app.add_site("Elsewhere").to_string();
    let target = Target::make(&app, &admin).await;
    let script = Script::new(&app, &token(&admin, "admin", &elsewhere).await);
    script.get(&format!("/api/production/batches/{}", target.batch)).await.is(404);
    script.get(&format!("/attachments/{}/download", target.file)).await.is(404);
    script.make_batch("HERE", &elsewhere).await.is(201);
    script.make_batch("THERE", &target.site).await.is(422);
    let list = script.get("/api/production/batches").await.is(200).json();
    assert_eq!(list["batches"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn scripts_upload_resumably_and_take_archives() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let bytes = samples::pdf("slip");
    for (scope, status) in [("read", 403), ("upload", 201)] {
        let script = Script::new(&app, &token(&staff, scope, "").await);
        let creation = script
            .request(Method::POST, "/uploads")
            .header("Tus-Resumable", "1.0.0")
            .header("Upload-Length", bytes.len())
            .header("Upload-Metadata", Tus::metadata(&batch, "slip.pdf"));
        let made = Answer::to(creation).await.is(status);
        if status != 201 {
            continue;
        }
        let upload = made.location();
        let append = script
            .request(Method::PATCH, upload)
            .header("Tus-Resumable", "1.0.0")
            .header("Upload-Offset", 0)
            .header(CONTENT_TYPE, Tus::OCTETS)
            .body(bytes.clone());
        Answer::to(append).await.is(204);
        let look = script.request(Method::HEAD, upload).header("Tus-Resumable", "1.0.0");
        assert_eq!(Answer::to(look).await.is(200).header("x-attachment-sha256"), samples::sha256(&bytes));
        script.get(&format!("/batches/{batch}/archive.zip")).await.is(200);
    }
}

#[tokio::test]
async fn pages_are_not_for_tokens() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let target = Target::make(&app, &admin).await;
    let script = Script::new(&app, &token(&admin, "admin", "").await);
    for path in ["/batches", "/account/tokens", "/trash", &format!("/attachments/{}", target.file)] {
        script.get(path).await.is(401);
    }
    let form = [("name", "x"), ("scope", "admin"), ("days", "30")];
    let request = script.request(Method::POST, "/account/tokens").form(&form);
    Answer::to(request).await.is(401);
    let request = script.request(Method::POST, &format!("/attachments/{}/delete", target.file));
    Answer::to(request).await.is(401);
}

#[tokio::test]
async fn what_is_no_token_opens_nothing() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let good = token(&admin, "read", "").await;
    let (path, other) = ("/api/production/batches", good.replace(&good[10..20], "0000000000"));
    Script::new(&app, &good).get(path).await.is(200);
    let hash = app.value("SELECT encode(token_hash, 'hex') FROM api_tokens");
    for wrong in [other, good[..67].to_owned(), format!("{good}0"), good.to_uppercase(), hash, String::new()]
    {
        assert_eq!(Script::new(&app, &wrong).get(path).await.is(401).code(), "unauthenticated", "{wrong}");
    }
    for query in ["token", "access_token", "api_key", "authorization"] {
        app.stranger().get(&format!("{path}?{query}={good}")).await.is(401);
    }
    app.stranger().get_with(path, &[("Authorization", &format!("Basic {good}"))]).await.is(401);
    // A wrong token is not made good by a session.
    admin.get_with(path, &[("Authorization", "Bearer stl_wrong")]).await.is(401);
    assert!(!app.value("SELECT string_agg(t::text, '') FROM api_tokens t").contains(&good[4..]));
    assert!(!app.value("SELECT string_agg(e::text, '') FROM audit_events e").contains(&good[4..]));
}

#[tokio::test]
async fn a_token_is_shown_once_and_ends_when_it_is_told_to() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let made = token(&staff, "upload", "").await;
    let page = staff.get_html("/account/tokens").await.is(200);
    page.hides(&made).shows("script").shows("Never used");
    let script = Script::new(&app, &made);
    script.get("/api/production/batches").await.is(200);
    staff.get_html("/account/tokens").await.is(200).shows("Last used").hides("Never used");
    let id = app.value("SELECT id FROM api_tokens");
    for _ in 0..2 {
        staff.post_form(&format!("/account/tokens/{id}/revoke"), &[]).await.is(303);
        script.get("/api/production/batches").await.is(401);
    }
    staff.get_html("/account/tokens").await.is(200).shows("None yet");
    let trail =
        app.value("SELECT string_agg(action, ' ' ORDER BY id) FROM audit_events WHERE action LIKE 'token.%'");
    assert_eq!(trail, "token.create token.revoke");
}

#[tokio::test]
async fn a_token_ends_with_its_time_and_its_user() {
    let app = TestApp::start();
    let path = "/api/production/batches";
    let staff = app.staff().await;
    let script = Script::new(&app, &token(&staff, "read", "").await);
    app.advance(TimeDelta::days(29));
    script.get(path).await.is(200);
    app.advance(TimeDelta::days(1));
    script.get(path).await.is(401);

    let console = Actor::console();
    for end in ["disable", "password"] {
        let staff = app.stranger().sign_in("stan").await;
        let script = Script::new(&app, &token(&staff, "read", "").await);
        script.get(path).await.is(200);
        match end {
            "disable" => users::set_enabled(&app.app, &console, "stan", false).await.unwrap(),
            _ => users::set_password(&app.app, &console, "stan", PASSWORD.into()).await.unwrap(),
        }
        script.get(path).await.is(401);
        users::set_enabled(&app.app, &console, "stan", true).await.unwrap();
        script.get(path).await.is(401);
    }
}

#[tokio::test]
async fn what_will_not_do_is_said_at_its_field() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let site = uuid::Uuid::new_v4().to_string();
    for (field, value) in [
        ("name", ""),
        ("name", "a\nb"),
        ("scope", "root"),
        ("days", "0"),
        ("days", "366"),
        ("days", "x"),
        ("site", &site),
    ] {
        let good = [("name", "ERP"), ("scope", "read"), ("days", "30"), ("site", "")];
        let fields = good.map(|(name, fine)| (name, if name == field { value } else { fine }));
        staff.post_form("/account/tokens", &fields).await.is(422).hides("stl_");
    }
    app.viewer().await.get_html("/account/tokens").await.is(403);
    assert_eq!(app.value("SELECT count(*) FROM api_tokens"), "0");
}
