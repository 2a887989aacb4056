//! What admins set while it runs: bounds, types, the name and logo, maintenance.

use chrono::TimeDelta;
use reqwest::Method;
use stillage::{app::App, domain::settings::fresh};

use crate::support::{Answer, Client, Multipart, TestApp, Tus, samples};

const PAGE: &str = "/admin/settings";

/// The whole form, with these fields in the place of the usual ones.
async fn save(admin: &Client, changes: &[(&str, &str)]) -> Answer {
    let usual = [("max_upload_mb", "10"), ("trash_days", "30")];
    let usual = usual.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    admin.post_form(PAGE, &usual.chain(changes).copied().collect::<Vec<_>>()).await
}

async fn maintain(admin: &Client, on: &str) {
    admin.post_form("/admin/settings/maintenance", &[("on", on)]).await.is(303);
}

const TRAIL: &str = "SELECT string_agg(details::text, ' ' ORDER BY id) FROM audit_events
    WHERE action = 'setting.change'";

#[tokio::test]
async fn a_limit_holds_at_once_and_everywhere() {
    let app = TestApp::start();
    let (admin, staff) = (app.admin().await, app.staff().await);
    let batch = staff.make_batch("B-1").await;
    save(&admin, &[("max_upload_mb", "1")]).await.is(303);
    let large = samples::pdf_of(1_100_000);
    staff.upload(&batch, &[("a.pdf", &large)]).await.is(413);
    staff.get_html(&format!("/batches/{batch}")).await.shows("1 MB").shows(r#"data-max-bytes="1048576""#);
    let tus = Tus::of(&staff).await;
    let offered = Answer::to(tus.request(Method::OPTIONS, "/uploads")).await.is(204);
    assert_eq!(offered.header("tus-max-size"), "1048576");
    Answer::to(tus.creation(&batch, "a.pdf", large.len())).await.is(413);
    save(&admin, &[("max_upload_mb", "2")]).await.is(303);
    staff.upload(&batch, &[("a.pdf", &large)]).await.is(201);
    let trail = app.value(TRAIL);
    assert!(trail.contains(r#""before": 10"#) && trail.contains(r#""after": 1"#), "{trail}");
    assert_eq!(trail.matches("max_upload_mb").count(), 2, "{trail}");
    // What did not change is no event.
    save(&admin, &[("max_upload_mb", "2")]).await.is(303);
    assert_eq!(app.value(TRAIL), trail);
}

#[tokio::test]
async fn what_is_out_of_bounds_changes_nothing() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let long = "x".repeat(41);
    let table = [
        ("max_upload_mb", "0"),
        ("max_upload_mb", "1048577"),
        ("max_upload_mb", "ten"),
        ("max_upload_mb", ""),
        ("trash_days", "0"),
        ("trash_days", "36501"),
        ("extras", "exe"),
        ("extras", "pdf"),
        ("brand", &long),
        ("brand", "a\nb"),
    ];
    for (field, value) in table {
        save(&admin, &[(field, value)]).await.is(422);
    }
    assert_eq!(app.value(TRAIL), "null");
    save(&admin, &[("trash_days", "36500"), ("max_upload_mb", "1048576")]).await.is(303);
    assert_eq!(fresh(&app.app).await.trash_retention().as_secs(), 36_500 * 86_400);
}

#[tokio::test]
async fn what_the_environment_sets_is_fixed() {
    let app = TestApp::with(&[("MAX_UPLOAD_SIZE_MB", "3"), ("TRASH_RETENTION_DAYS", "7")]);
    let admin = app.admin().await;
    let page = admin.get_html(PAGE).await.is(200);
    page.shows("Fixed by MAX_UPLOAD_SIZE_MB").shows("Fixed by TRASH_RETENTION_DAYS").shows(r#"value="3""#);
    save(&admin, &[("max_upload_mb", "5")]).await.is(422);
    admin.post_form(PAGE, &[("brand", "Plant 4")]).await.is(303);
    let now = fresh(&app.app).await;
    assert_eq!((now.max_upload_size, now.trash_days, now.name.as_str()), (3 * 1_048_576, 7, "Plant 4"));
}

#[tokio::test]
async fn a_type_is_taken_only_while_it_is_turned_on() {
    let app = TestApp::start();
    let (admin, staff) = (app.admin().await, app.staff().await);
    let batch = staff.make_batch("B-1").await;
    let csv = b"batch,product\n1,Soap\n";
    let refused = staff.upload(&batch, &[("a.csv", csv)]).await.is(415);
    assert!(!refused.text().contains("csv,"), "{}", refused.text());
    save(&admin, &[("extras", "csv"), ("extras", "txt")]).await.is(303);
    let page = staff.get_html(&format!("/batches/{batch}")).await;
    page.shows(r#"accept=".jpg,.jpeg,.png,.pdf,.csv,.txt""#).shows("CSV or TXT");
    let id = staff.store_id(&batch, "a.csv", csv).await;
    let got = staff.get(&format!("/attachments/{id}/download")).await.is(200);
    assert_eq!(got.body, csv.as_slice());
    assert_eq!(got.header("content-type"), "text/csv");
    assert_eq!(got.header("x-content-type-options"), "nosniff");
    assert!(got.header("content-disposition").starts_with("attachment"));
    for path in ["preview", "thumbnail", "pages/1"] {
        staff.get(&format!("/attachments/{id}/{path}")).await.is(404);
    }
    staff.get_html(&format!("/attachments/{id}")).await.is(200);
    for (name, liar) in
        [("a.csv", samples::pdf("x")), ("a.txt", b"<html>".to_vec()), ("b.csv", b"x\n".to_vec())]
    {
        let refused = staff.upload(&batch, &[(name, &liar)]).await.is(415);
        assert_eq!(refused.code(), "unsupported_type");
    }
    let tus = Tus::of(&staff).await;
    let upload = tus.create(&batch, "b.csv", csv.len()).await;
    tus.append(&upload, 0, csv).await.is(204);
    save(&admin, &[]).await.is(303);
    staff.upload(&batch, &[("a.csv", csv)]).await.is(415);
    staff.get(&format!("/attachments/{id}/download")).await.is(200);
    assert_eq!(app.kept().staged, Vec::<String>::new());
    assert_eq!(app.kept().rows, "2");
}

async fn send_logo(by: &Client, png: &[u8]) -> Answer {
    let form = Multipart::new().field("csrf_token", &by.token().await).file("logo.png", png);
    let request = by.request(Method::POST, "/admin/settings/logo");
    Answer::to(request.header("Content-Type", Multipart::CONTENT_TYPE).body(form.body())).await
}

#[tokio::test]
async fn the_name_and_the_logo_are_on_every_page() {
    let app = TestApp::start();
    let admin = app.admin().await;
    save(&admin, &[("brand", " Plant <4> ")]).await.is(303);
    send_logo(&admin, &samples::png()).await.is(303);
    let stranger = app.stranger();
    let url = format!("/brand/{}.png", samples::sha256(&samples::png()));
    for page in [admin.get_html("/batches").await, stranger.get_html("/login").await] {
        page.shows("· Plant &#60;4&#62;</title>").shows(&url);
    }
    let logo = stranger.get(&url).await.is(200);
    assert_eq!(logo.body, samples::png());
    assert_eq!(logo.header("content-type"), "image/png");
    assert_eq!(logo.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(logo.header("x-content-type-options"), "nosniff");
    stranger.get("/brand/0.png").await.is(404);
    for bad in [
        samples::jpeg(),
        Vec::new(),
        samples::png_claiming(2000, 10),
        [samples::png(), vec![0; 65_536]].concat(),
    ] {
        let status = send_logo(&admin, &bad).await.status;
        assert!([400, 422].contains(&status), "{status}");
    }
    stranger.get(&url).await.is(200);
    admin.post_form("/admin/settings/logo/remove", &[]).await.is(303);
    stranger.get(&url).await.is(404);
    admin.get_html("/batches").await.hides("/brand/");
}

#[tokio::test]
async fn maintenance_lets_everybody_read_and_nobody_write() {
    let app = TestApp::start();
    let (admin, staff, viewer) = (app.admin().await, app.staff().await, app.viewer().await);
    let batch = staff.make_batch("B-1").await;
    let id = staff.store_id(&batch, "a.pdf", &samples::pdf("x")).await;
    let share = format!("/attachments/{id}/shares");
    let made = staff.post_for_json(&share, &[("expires_in_hours", "24")]).await.is(201).json();
    let link = made["share"]["url"].as_str().unwrap().rsplit_once("/s/").unwrap().1.to_owned();
    maintain(&admin, "yes").await;
    let writes = [
        "/batches".to_owned(),
        format!("/batches/{batch}/close"),
        format!("/batches/{batch}/attachments"),
        format!("/attachments/{id}/delete"),
        share,
        "/account".to_owned(),
        "/api/production/batches".to_owned(),
        "/uploads".to_owned(),
    ];
    for by in [&viewer, &staff, &admin] {
        for path in &writes {
            let refused = by.post_for_json(path, &[]).await.is(503);
            assert_eq!(refused.code(), "maintenance", "{path}");
            assert_eq!(refused.header("retry-after"), "60");
        }
        let tus = Tus::of(by).await;
        for method in [Method::PATCH, Method::DELETE] {
            Answer::to(tus.request(method, &format!("/uploads/{id}"))).await.is(503);
        }
        by.get_html(&format!("/batches/{batch}")).await.is(200).shows("Read-only for maintenance");
        by.get(&format!("/attachments/{id}/download")).await.is(200);
        by.post_form(&format!("/batches/{batch}/archive.zip"), &[("ids", &id)]).await.is(200);
    }
    staff.upload(&batch, &[("b.pdf", &samples::pdf("y"))]).await.is(503);
    let stranger = app.stranger();
    stranger.post_form(&format!("/s/{link}/download"), &[]).await.is(200);
    stranger.post_for_json("/batches", &[]).await.is(401);
    staff.post_form("/admin/settings/maintenance", &[("on", "no")]).await.is(503);
    admin.post_form("/admin/sites", &[("name", "South")]).await.is(303);
    stranger.sign_in("stan").await.post_form("/logout", &[]).await.is(303);
    assert_eq!(app.kept().rows, "1");
    maintain(&admin, "no").await;
    staff.upload(&batch, &[("b.pdf", &samples::pdf("y"))]).await.is(201);
    let trail = app.value(TRAIL);
    assert!(trail.contains(r#""after": true"#) && trail.contains(r#""after": false"#), "{trail}");
}

#[tokio::test]
async fn another_instance_sees_a_change_within_two_seconds() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let other =
        App::assemble(app.app.config.clone(), app.database.url.clone(), None, app.app.clock.clone(), 1);
    let other = other.unwrap();
    save(&admin, &[("max_upload_mb", "5"), ("extras", "webp")]).await.is(303);
    app.advance(TimeDelta::seconds(2));
    let seen = fresh(&other).await;
    assert_eq!((seen.max_upload_size, seen.extras.as_slice()), (5 * 1_048_576, ["webp"].as_slice()));
    assert_eq!(other.settings.now().max_upload_size, 5 * 1_048_576);
}
