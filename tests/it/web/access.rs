//! Who gets what, for every method and address there is.

use std::collections::BTreeSet;

use reqwest::Method;
use stillage::domain::access::Role;

use super::{FOR_STRANGERS, Route, Target, listed, open};
use crate::support::{Answer, Client, TestApp, samples};

/// The status for: viewer, staff, admin, and staff of another site.
const TABLE: &[(&str, &str, [u16; 4])] = &[
    ("GET", "/", [303; 4]),
    // Closed for good once there is an admin.
    ("GET", "/setup", [404; 4]),
    ("POST", "/setup", [404; 4]),
    ("GET", "/login", [200; 4]),
    ("POST", "/login", [401; 4]),
    // Nobody has a link.
    ("GET", "/password", [404; 4]),
    ("POST", "/password", [404; 4]),
    ("GET", "/batches", [200; 4]),
    ("POST", "/batches", [403, 303, 303, 422]),
    ("GET", "/batches/new", [403, 200, 200, 200]),
    // Nothing is ticked.
    ("GET", "/batches/labels", [422; 4]),
    ("GET", "/batches/{id}", [200, 200, 200, 404]),
    ("GET", "/batches/{id}/edit", [403, 200, 200, 404]),
    ("POST", "/batches/{id}/edit", [403, 303, 303, 404]),
    ("POST", "/batches/{id}/close", [403, 303, 303, 404]),
    ("POST", "/batches/{id}/reopen", [403, 403, 303, 404]),
    ("POST", "/batches/{id}/delete", [403, 303, 303, 404]),
    ("POST", "/batches/{id}/restore", [403, 303, 303, 404]),
    ("POST", "/batches/{id}/hold", [403, 403, 303, 404]),
    ("POST", "/batches/{id}/release", [403, 403, 303, 404]),
    ("POST", "/batches/{id}/attachments", [403, 201, 201, 404]),
    ("GET", "/batches/{id}/archive.zip", [200, 200, 200, 404]),
    ("POST", "/batches/{id}/archive.zip", [200, 200, 200, 404]),
    ("POST", "/batches/{id}/files/delete", [403, 303, 303, 404]),
    ("POST", "/batches/{id}/files/restore", [403, 303, 303, 404]),
    ("POST", "/batches/{id}/files/kind", [403, 303, 303, 404]),
    ("GET", "/batches/{id}/history", [200, 200, 200, 404]),
    ("GET", "/batches/{id}/label", [200, 200, 200, 404]),
    ("GET", "/attachments/{id}", [200, 200, 200, 404]),
    ("GET", "/attachments/{id}/download", [200, 200, 200, 404]),
    ("GET", "/attachments/{id}/preview", [200, 200, 200, 404]),
    ("POST", "/attachments/{id}/edit", [403, 303, 303, 404]),
    // Nothing is drawn yet.
    ("GET", "/attachments/{id}/thumbnail", [202, 202, 202, 404]),
    ("GET", "/attachments/{id}/pages/{n}", [202, 202, 202, 404]),
    ("GET", "/attachments/{id}/receipt", [200, 200, 200, 404]),
    ("POST", "/attachments/{id}/delete", [403, 303, 303, 404]),
    ("POST", "/attachments/{id}/restore", [403, 303, 303, 404]),
    ("GET", "/trash", [403, 200, 200, 200]),
    ("GET", "/account", [200; 4]),
    ("POST", "/account", [303; 4]),
    // The current password is missing.
    ("POST", "/account/password", [422; 4]),
    // So it is here.
    ("POST", "/account/sessions/revoke-others", [422; 4]),
    // Somebody else's.
    ("POST", "/account/sessions/{id}/revoke", [404; 4]),
    ("GET", "/admin", [403, 403, 200, 403]),
    // No table is named.
    ("GET", "/admin/stats.csv", [403, 403, 404, 403]),
    ("GET", "/admin/prices", [403, 403, 200, 403]),
    // Prices are missing.
    ("POST", "/admin/prices", [403, 403, 422, 403]),
    ("GET", "/admin/users", [403, 403, 200, 403]),
    ("POST", "/admin/users", [403, 403, 200, 403]),
    ("GET", "/admin/users/{id}", [403, 403, 200, 403]),
    ("POST", "/admin/users/{id}", [403, 403, 303, 403]),
    ("POST", "/admin/users/{id}/disable", [403, 403, 303, 403]),
    ("POST", "/admin/users/{id}/enable", [403, 403, 303, 403]),
    ("POST", "/admin/users/{id}/reset", [403, 403, 200, 403]),
    ("GET", "/admin/sites", [403, 403, 200, 403]),
    ("POST", "/admin/sites", [403, 403, 303, 403]),
    ("GET", "/admin/sites/{id}", [403, 403, 200, 403]),
    ("POST", "/admin/sites/{id}", [403, 403, 303, 403]),
    // The first one stays.
    ("POST", "/admin/sites/{id}/remove", [403, 403, 409, 403]),
    ("GET", "/admin/storage", [403, 403, 200, 403]),
    // Cloud storage is off.
    ("POST", "/admin/storage/test", [403, 403, 409, 403]),
    ("POST", "/admin/storage/sync", [403, 403, 409, 403]),
    ("POST", "/admin/storage/retry", [403, 403, 404, 403]),
    ("POST", "/admin/storage/pause", [403, 403, 409, 403]),
    ("POST", "/admin/storage/resume", [403, 403, 409, 403]),
    ("POST", "/admin/storage/move", [403, 403, 422, 403]),
    ("POST", "/admin/storage/evict", [403, 403, 409, 403]),
    ("POST", "/admin/storage/stop", [403, 403, 303, 403]),
    ("GET", "/admin/doctor", [403, 403, 200, 403]),
    ("GET", "/admin/audit", [403, 403, 200, 403]),
    ("GET", "/admin/audit/export", [403, 403, 200, 403]),
    ("GET", "/admin/jobs", [403, 403, 200, 403]),
    ("POST", "/admin/jobs/retry-dead", [403, 403, 303, 403]),
    ("POST", "/admin/jobs/{id}/retry", [403, 403, 303, 403]),
    ("POST", "/admin/jobs/{id}/discard", [403, 403, 303, 403]),
    ("GET", "/admin/trash", [403, 403, 200, 403]),
    // They are in no trash.
    ("POST", "/admin/trash/batches/{id}/purge", [403, 403, 409, 403]),
    ("POST", "/admin/trash/files/{id}/purge", [403, 403, 409, 403]),
    // Nobody ticked the box.
    ("POST", "/admin/trash/empty", [403, 403, 422, 403]),
    ("POST", "/admin/trash/orphans", [403, 403, 303, 403]),
    // Nobody said how many.
    ("POST", "/admin/trash/orphans/remove", [403, 403, 422, 403]),
    ("GET", "/admin/settings", [403, 403, 200, 403]),
    // Numbers are missing.
    ("POST", "/admin/settings", [403, 403, 422, 403]),
    ("POST", "/admin/settings/logo", [403, 403, 303, 403]),
    ("POST", "/admin/settings/logo/remove", [403, 403, 303, 403]),
    // Neither on nor off.
    ("POST", "/admin/settings/maintenance", [403, 403, 422, 403]),
    ("GET", "/admin/quarantine", [403, 403, 200, 403]),
    // Nobody said up to which.
    ("POST", "/admin/quarantine/seen", [403, 403, 422, 403]),
    // The file is like every other.
    ("POST", "/admin/quarantine/{id}/release", [403, 403, 409, 403]),
    ("POST", "/admin/quarantine/{id}/delete", [403, 403, 409, 403]),
    ("GET", "/admin/shares", [403, 403, 200, 403]),
    ("POST", "/admin/shares/{id}/revoke", [403, 403, 303, 403]),
    ("POST", "/admin/two-factor", [403, 403, 422, 403]),
    ("POST", "/admin/users/{id}/two-factor", [403, 403, 303, 403]),
    ("OPTIONS", "/uploads", [204; 4]),
    ("POST", "/uploads", [403, 201, 201, 404]),
    ("OPTIONS", "/uploads/{id}", [204; 4]),
    // The admin's own: an upload is nobody else's.
    ("HEAD", "/uploads/{id}", [404, 404, 200, 404]),
    ("PATCH", "/uploads/{id}", [404, 404, 204, 404]),
    ("DELETE", "/uploads/{id}", [404, 404, 204, 404]),
    ("GET", "/attachments/{id}/shares", [403, 200, 200, 404]),
    ("POST", "/attachments/{id}/shares", [403, 422, 422, 404]),
    ("GET", "/batches/{id}/shares", [403, 200, 200, 404]),
    ("POST", "/batches/{id}/shares", [403, 422, 422, 404]),
    // Whoever may not end it does not see it; this one is the admin's.
    ("POST", "/shares/{id}/revoke", [404, 404, 303, 404]),
    // Whoever has the link.
    ("GET", "/s/{token}", [200; 4]),
    ("POST", "/s/{token}/download", [200; 4]),
    // The link is to one file.
    ("POST", "/s/{token}/archive.zip", [404; 4]),
    ("POST", "/login/second", [401; 4]),
    ("GET", "/account/two-factor", [200; 4]),
    ("POST", "/account/two-factor", [200; 4]),
    ("POST", "/account/two-factor/confirm", [422; 4]),
    // It is off.
    ("POST", "/account/two-factor/codes", [409; 4]),
    ("POST", "/account/two-factor/disable", [422; 4]),
    ("GET", "/account/tokens", [403, 200, 200, 200]),
    ("POST", "/account/tokens", [403, 422, 422, 422]),
    // Everybody sees their own only; this one is the admin's.
    ("POST", "/account/tokens/{id}/revoke", [404, 404, 303, 404]),
    ("GET", "/api/docs", [200; 4]),
    ("GET", "/api/openapi.json", [200; 4]),
    ("GET", "/api/stats", [403, 403, 200, 403]),
    ("GET", "/api/production/batches", [200; 4]),
    ("POST", "/api/production/batches", [403, 201, 201, 422]),
    ("GET", "/api/production/batches/{id}", [200, 200, 200, 404]),
    ("GET", "/api/production/attachments/{id}", [200, 200, 200, 404]),
    ("DELETE", "/api/production/attachments/{id}", [403, 204, 204, 404]),
    ("POST", "/api/production/batches/{id}/attachments", [403, 201, 201, 404]),
    ("GET", "/api/production/attachment/{stored_name}", [200, 200, 200, 404]),
    // Last: nobody is signed in afterwards.
    ("POST", "/logout", [303; 4]),
];

/// Everybody who may come, in the order of the columns.
async fn people(app: &TestApp) -> [Client; 4] {
    app.add_site("Elsewhere");
    [
        app.viewer().await,
        app.staff().await,
        app.admin().await,
        app.new_user("otto", Role::Staff, &["Elsewhere"]).await,
    ]
}

async fn ask(by: &Client, target: &Target, method: &str, pattern: &'static str) -> Answer {
    if method == "GET" {
        return by.get(&target.address(pattern)).await;
    }
    let token = by.token().await;
    let route = (method.parse().unwrap(), pattern);
    Answer::to(target.write(by, &route, Some(&token))).await
}

#[test]
fn every_address_has_its_row() {
    let rows: BTreeSet<_> = TABLE.iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    let routes: BTreeSet<_> = listed().iter().map(|(method, path)| format!("{method} {path}")).collect();
    assert_eq!(rows, routes);
    let everybodys: BTreeSet<_> = open().iter().map(|(_, path)| *path).collect();
    let known = ["/brand/{file}", "/health/live", "/health/ready", "/metrics", "/static/{path:.*}"];
    assert_eq!(
        everybodys,
        BTreeSet::from(known),
        "what everybody may call has its tests in health and assets"
    );
}

#[tokio::test]
async fn everybody_gets_what_the_table_says() {
    let app = TestApp::start();
    let people = people(&app).await;
    let mut wrong = Vec::new();
    for (method, pattern, expected) in TABLE {
        for (column, (by, expected)) in people.iter().zip(expected).enumerate() {
            let admin = &people[2];
            let target = if *pattern == "/logout" { None } else { Some(Target::make(&app, admin).await) };
            let answer = match &target {
                Some(target) => ask(by, target, method, pattern).await,
                None => by.post_form(pattern, &[]).await,
            };
            // A target has one that is not finished, and nobody may have as many as there are rows.
            app.execute("UPDATE uploads SET expires_at = now() WHERE state = 'open'");
            if answer.status != *expected {
                wrong.push(format!("{method} {pattern}, column {column}: {} not {expected}", answer.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Ordered by the admin, and nobody works here.
    app.execute("DELETE FROM jobs WHERE kind = 'clean_up'");
}

/// An answer without what differs from request to request.
fn timeless(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let id = answer.header("x-request-id");
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    assert!(!id.is_empty());
    (answer.status, headers, answer.text().replace(id, "ID"))
}

#[tokio::test]
async fn what_is_foreign_looks_like_nothing_at_all() {
    let app = TestApp::start();
    let [_, staff, _, otto] = people(&app).await;
    let target = Target::make(&app, &staff).await;
    let nothing = target.nothing();
    // OPTIONS says the same of whatever address.
    let asks = |(method, pattern): &&Route| {
        pattern.contains('{') && *method != Method::OPTIONS && !FOR_STRANGERS.contains(pattern)
    };
    for (method, pattern) in listed().iter().filter(asks) {
        // What is for admins only is refused before anything is looked for.
        let expected = if pattern.starts_with("/admin/") { 403 } else { 404 };
        let foreign = ask(&otto, &target, method.as_str(), pattern).await.is(expected);
        let random = ask(&otto, &nothing, method.as_str(), pattern).await.is(expected);
        assert_eq!(timeless(&foreign), timeless(&random), "{method} {pattern}");
        if method == "GET" {
            let head = async |target: &Target| timeless(&otto.head(&target.address(pattern)).await);
            assert_eq!(head(&target).await, head(&nothing).await, "HEAD {pattern}");
            let part = async |target: &Target| {
                timeless(&otto.get_with(&target.address(pattern), &[("Range", "bytes=0-3")]).await)
            };
            assert_eq!(part(&target).await, part(&nothing).await, "part of {pattern}");
            otto.get(&pattern.replace("{id}", "1").replace("{stored_name}", "..")).await.is(404);
        }
    }
    assert_eq!(app.kept().rows, "1");
}

/// What is in the trash looks to a viewer like nothing at all, and nothing that they see names it.
#[tokio::test]
async fn viewers_see_nothing_of_the_trash() {
    let app = TestApp::start();
    let [viewer, staff, admin, _] = people(&app).await;
    let (batch, gone) = (staff.make_batch("OPEN-1").await, staff.make_batch("GONE-1").await);
    let file = staff.store_id(&batch, "secret.pdf", &samples::pdf("zebra")).await;
    staff.store_id(&batch, "kept.pdf", &samples::pdf("kept")).await;
    let within = staff.store_id(&gone, "within.pdf", &samples::pdf("within")).await;
    let named = app.value("SELECT stored_name FROM attachments WHERE original_name = 'secret.pdf'");
    staff.post_form(&format!("/attachments/{file}/delete"), &[]).await.is(303);
    staff.post_form(&format!("/batches/{gone}/delete"), &[]).await.is(303);
    staff.get("/batches").await; // takes the messages away that name them
    let nothing = uuid::Uuid::nil().to_string();
    for (what, ids) in [("attachments", [&file, &within]), ("batches", [&gone, &gone])] {
        for (method, pattern) in listed() {
            let Some(rest) = pattern.strip_prefix(&format!("/{what}/{{id}}")) else { continue };
            for id in ids {
                let path = |id: &str| format!("/{what}/{id}{rest}").replace("{n}", "1");
                let (at, nowhere) = (path(id), path(&nothing));
                let ask = async |path: &str| {
                    let request = viewer.request(method.clone(), path);
                    Answer::to(request.header("X-CSRF-Token", viewer.token().await)).await
                };
                let (seen, absent) = (ask(&at).await, ask(&nowhere).await);
                assert_eq!((seen.status, absent.status), (404, 404), "{method} {at}");
                assert_eq!(timeless(&seen).2, timeless(&absent).2, "{method} {at}");
                if method == "GET" {
                    viewer.head(&at).await.is(404);
                }
            }
        }
    }
    for path in [
        format!("/api/production/batches/{gone}"),
        format!("/api/production/attachments/{file}"),
        format!("/api/production/attachment/{named}"),
    ] {
        viewer.get(&path).await.is(404);
        viewer.head(&path).await.is(404);
    }
    for path in [
        "/batches".to_owned(),
        "/batches?q=secret".to_owned(),
        "/batches?q=zebra".to_owned(),
        format!("/batches/{batch}"),
        format!("/batches/{batch}?q=secret"),
        format!("/batches/{batch}/history"),
        format!("/api/production/batches/{batch}"),
    ] {
        viewer.get_html(&path).await.is(200).hides("secret.pdf").hides("GONE-1").hides("within.pdf");
    }
    for sees in [&staff, &admin] {
        sees.get_html(&format!("/batches/{batch}/history")).await.is(200).shows("secret.pdf");
        sees.get_html(&format!("/batches/{batch}")).await.is(200).shows("secret.pdf");
        sees.get_html(&format!("/attachments/{file}")).await.is(200);
    }
    // Back from the trash it is there for everybody.
    staff.post_form(&format!("/attachments/{file}/restore"), &[]).await.is(303);
    viewer.get_html(&format!("/batches/{batch}/history")).await.is(200).shows("secret.pdf");
}

#[tokio::test]
async fn the_list_and_the_trash_show_only_own_sites() {
    let app = TestApp::start();
    let [viewer, staff, admin, otto] = people(&app).await;
    let open = staff.make_batch("OPEN-1").await;
    let gone = staff.make_batch("GONE-1").await;
    staff.store(&open, "certificate.pdf", &samples::pdf("certificate")).await;
    staff.post_form(&format!("/batches/{gone}/delete"), &[]).await.is(303);
    staff.get("/trash").await; // takes the message away that names the batch
    for sees in [&viewer, &staff, &admin] {
        sees.get("/batches").await.is(200).shows("OPEN-1");
    }
    for sees in [&staff, &admin] {
        sees.get("/trash").await.is(200).shows("GONE-1");
    }
    viewer.get("/trash").await.is(403);
    for path in ["/batches", "/batches?q=open", "/batches?q=certificate", "/trash"] {
        otto.get(path).await.is(200).hides("OPEN-1").hides("GONE-1");
    }
    let main = app.value("SELECT id FROM sites WHERE is_default");
    otto.get(&format!("/batches?site={main}")).await.is(200).hides("OPEN-1");
    admin.get(&format!("/batches?site={main}")).await.is(200).shows("OPEN-1");
}

#[tokio::test]
async fn a_changed_role_or_site_counts_with_the_next_request() {
    let app = TestApp::start();
    let [viewer, staff, ..] = people(&app).await;
    let target = Target::make(&app, &staff).await;
    let page = format!("/batches/{}", target.batch);
    viewer.get("/batches/new").await.is(403);
    app.execute("UPDATE users SET role = 'staff' WHERE username = 'vera'");
    viewer.get("/batches/new").await.is(200);
    app.execute("DELETE FROM site_members");
    viewer.get(&page).await.is(404);
    staff.get(&page).await.is(404);
    staff.post_form(&format!("{page}/close"), &[]).await.is(404);
}
