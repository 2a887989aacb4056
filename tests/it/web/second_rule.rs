//! Two-factor that an admin requires, and takes away from who has lost it.

use reqwest::{Method, header::AUTHORIZATION};

use super::two_factor::turn_on;
use crate::support::{Answer, TestApp, samples};

#[tokio::test]
async fn who_needs_it_and_has_not_can_do_nothing_else() {
    let app = TestApp::start();
    let (viewer, staff, admin) = (app.viewer().await, app.staff().await, app.admin().await);
    let batch = staff.make_batch("B-1").await;
    let fields = [("name", "script"), ("scope", "read"), ("days", "30")];
    let page = staff.post_form("/account/tokens", &fields).await.is(201).text();
    let token = format!("stl_{}", &page.split_once("stl_").unwrap().1[..64]);

    staff.post_form("/admin/two-factor", &[("required", "nobody")]).await.is(403);
    admin.post_form("/admin/two-factor", &[("required", "some")]).await.is(422);
    admin.post_form("/admin/two-factor", &[("required", "staff")]).await.is(303);
    // The viewer may go on; admins, whoever made the rule included, may not.
    viewer.get_html("/batches").await.is(200);
    for by in [&staff, &admin] {
        for path in ["/batches", "/account", "/account/tokens", "/admin/users", "/trash"] {
            assert_eq!(by.get_html(path).await.is(303).location(), "/account/two-factor", "{path}");
            assert_eq!(by.get_json(path).await.is(403).code(), "two_factor_needed", "{path}");
        }
        by.get("/api/production/batches").await.is(403);
        by.post_form("/batches", &[("number", "B-2")]).await.is(303);
        by.post_form("/account/tokens", &fields).await.is(303);
        by.upload(&batch, &[("a.pdf", &samples::pdf("a"))]).await.is(403);
    }
    assert_eq!(app.value("SELECT count(*) FROM batches"), "1");
    assert_eq!(app.value("SELECT count(*) FROM api_tokens"), "1");
    assert_eq!(app.kept().rows, "0");
    // What a script holds already goes on working.
    let script = app.stranger();
    let request = script.request(Method::GET, "/api/production/batches");
    Answer::to(request.header(AUTHORIZATION, format!("Bearer {token}"))).await.is(200);

    staff.get_html("/account/two-factor").await.is(200).shows("Your role needs two-factor");
    turn_on(&app, &staff).await;
    staff.get_html("/batches").await.is(200);
    staff.get_html("/account/two-factor").await.is(200).shows("it stays on").hides("Turn it off");
    let off = [("password", crate::support::PASSWORD)];
    let refused = staff.post_for_json("/account/two-factor/disable", &off).await.is(409);
    assert_eq!(refused.code(), "two_factor_required");
    // Leaving is always possible.
    admin.post_form("/logout", &[]).await.is(303);
    let trail = app.value(
        "SELECT details->'two_factor_required' FROM audit_events WHERE action = 'settings.two_factor'",
    );
    assert_eq!(trail, r#"["nobody", "staff"]"#);
}

#[tokio::test]
async fn a_rule_binds_who_signs_in_later_and_who_gets_another_role() {
    let app = TestApp::start();
    let admin = app.admin().await;
    turn_on(&app, &admin).await;
    admin.post_form("/admin/two-factor", &[("required", "admins")]).await.is(303);
    admin.get_html("/admin/users").await.is(200).shows("<option value=\"admins\" selected>");
    let staff = app.staff().await;
    staff.get_html("/batches").await.is(200);
    app.execute("UPDATE users SET role = 'admin' WHERE username = 'stan'");
    staff.get_html("/batches").await.is(303);
    admin.post_form("/admin/two-factor", &[("required", "nobody")]).await.is(303);
    staff.get_html("/batches").await.is(200);
    admin.post_form("/admin/two-factor", &[("required", "everybody")]).await.is(303);
    let viewer = app.viewer().await;
    assert_eq!(viewer.get_html("/batches").await.is(303).location(), "/account/two-factor");
}

#[tokio::test]
async fn an_admin_takes_it_away_on_the_persons_page() {
    let app = TestApp::start();
    let (staff, admin) = (app.staff().await, app.admin().await);
    let id = app.value("SELECT id FROM users WHERE username = 'stan'");
    let page = format!("/admin/users/{id}");
    admin.get_html(&page).await.is(200).shows("the password alone lets them in").hides("Take it away");
    // Without one, nothing ends.
    admin.post_form(&format!("{page}/two-factor"), &[]).await.is(303);
    staff.get("/batches").await.is(200);
    turn_on(&app, &staff).await;
    admin.get_html(&page).await.is(200).shows("Take it away");
    staff.post_form(&format!("{page}/two-factor"), &[]).await.is(403);
    admin.post_form(&format!("{page}/two-factor"), &[]).await.is(303);
    staff.get("/batches").await.is(401);
    app.stranger().sign_in("stan").await;
    let nobody = uuid::Uuid::new_v4();
    admin.post_form(&format!("/admin/users/{nobody}/two-factor"), &[]).await.is(404);
    let trail = app.value(
        "SELECT string_agg(actor || ' ' || action, ', ' ORDER BY id) FROM audit_events WHERE action LIKE 'two_factor%'",
    );
    assert_eq!(trail, "stan two_factor.on, ada two_factor.off");
}
