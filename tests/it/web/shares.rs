//! Share links: what they open, for how long, and how often.

use chrono::TimeDelta;
use futures_util::future::join_all;
use reqwest::{Method, header::ACCEPT};
use stillage::domain::{
    access::{Actor, Role},
    users,
};

use crate::support::{Answer, Client, TestApp, samples};

/// Makes a link and returns its path.
async fn share(by: &Client, target: &str, fields: &[(&str, &str)]) -> String {
    let fields = [&[("expires_in_hours", "24")], fields].concat();
    let made = by.post_for_json(&format!("{target}/shares"), &fields).await.is(201).json();
    let url = made["share"]["url"].as_str().unwrap();
    url[url.find("/s/").unwrap()..].to_owned()
}

async fn download(by: &Client, link: &str, fields: &[(&str, &str)]) -> Answer {
    by.post_form(&format!("{link}/download"), fields).await
}

/// A batch with one file, by `stan`.
async fn one_file(app: &TestApp) -> (Client, String, String) {
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let file = staff.store_id(&batch, "paper.pdf", &samples::pdf("paper")).await;
    (staff, batch, file)
}

#[tokio::test]
async fn a_link_shows_who_sent_it_and_hands_the_file_out() {
    let app = TestApp::start();
    let (staff, _, file) = one_file(&app).await;
    let link = share(&staff, &format!("/attachments/{file}"), &[]).await;
    let visitor = app.stranger();
    for _ in 0..3 {
        let page = visitor.get_html(&link).await.is(200);
        assert_eq!(
            (page.header("x-robots-tag"), page.header("referrer-policy")),
            ("noindex, nofollow", "same-origin")
        );
        page.shows("stan shares with you").shows("paper.pdf").hides("B-1").hides("Batches");
        visitor.head(&link).await.is(200);
    }
    assert_eq!(app.value("SELECT downloads FROM share_links"), "0", "looking costs nothing");
    let got = download(&visitor, &link, &[]).await.is(200);
    assert_eq!(got.body, samples::pdf("paper"));
    assert!(got.header("content-disposition").starts_with("attachment"));
    assert_eq!(app.value("SELECT downloads FROM share_links"), "1");
    let trail = app.value(
        "SELECT string_agg(actor || ' ' || action, ', ' ORDER BY id) FROM audit_events
                            WHERE action LIKE 'share.%'",
    );
    assert_eq!(trail, "stan share.create, visitor share.download");
    staff.get_html(&format!("/attachments/{file}")).await.is(200).shows("by a share link");
    // The link opens nothing else, and stands nowhere.
    visitor.get(&format!("/attachments/{file}")).await.is(401);
    assert!(!app.value("SELECT string_agg(s::text, '') FROM share_links s").contains(&link[3..]));
    staff
        .get_html(&format!("/attachments/{file}/shares"))
        .await
        .is(200)
        .shows("1 download")
        .hides(&link[3..]);
}

#[tokio::test]
async fn fifty_at_once_get_exactly_the_limit() {
    let app = TestApp::start();
    let (staff, _, file) = one_file(&app).await;
    let link = share(&staff, &format!("/attachments/{file}"), &[("max_downloads", "10")]).await;
    let visitor = app.stranger();
    let token = visitor.token().await;
    let requests = (0..50).map(|_| {
        let request = visitor.request(Method::POST, &format!("{link}/download"));
        Answer::to(request.header("X-CSRF-Token", &token))
    });
    let mut statuses: Vec<u16> = join_all(requests).await.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [[200; 10].as_slice(), &[404; 40]].concat());
    assert_eq!(app.value("SELECT downloads FROM share_links"), "10");
    visitor.get(&link).await.is(404);
    staff
        .get_html(&format!("/attachments/{file}/shares"))
        .await
        .is(200)
        .shows("10 of 10 downloads")
        .shows("Over");
}

/// A link that ended, and what ended it, looks like one that never was.
#[tokio::test]
async fn a_link_dies_with_its_time_its_maker_and_its_file() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let (staff, batch, file) = one_file(&app).await;
    let visitor = app.stranger();
    visitor.get_html("/s/00000000000000000000000000000000").await.is(404);
    let target = format!("/attachments/{file}");
    let dead = async |why: &str, links: &[&String]| {
        for link in links {
            let page = visitor.get_html(link).await;
            let is_like_none = page.text().contains("There is nothing here for you");
            assert_eq!((page.status, is_like_none), (404, true), "{why}");
            assert_eq!(download(&visitor, link, &[]).await.status, 404, "{why}");
        }
    };
    let (of_file, of_batch) =
        (share(&staff, &target, &[]).await, share(&staff, &format!("/batches/{batch}"), &[]).await);
    let both = [&of_file, &of_batch];
    let alive = async || {
        for link in both {
            visitor.get(link).await.is(200);
        }
    };
    alive().await;

    for (why, end, undo) in [
        (
            "a viewer",
            "UPDATE users SET role = 'viewer' WHERE username = 'stan'",
            "UPDATE users SET role = 'staff' WHERE username = 'stan'",
        ),
        (
            "another site",
            "DELETE FROM site_members WHERE user_id = (SELECT id FROM users WHERE username = 'stan')",
            "INSERT INTO site_members SELECT s.id, u.id, now() FROM sites s, users u WHERE u.username = 'stan'",
        ),
    ] {
        app.execute(end);
        dead(why, &both).await;
        app.execute(undo);
        alive().await;
    }
    let console = Actor::console();
    users::set_enabled(&app.app, &console, "stan", false).await.unwrap();
    dead("disabled", &both).await;
    users::set_enabled(&app.app, &console, "stan", true).await.unwrap();
    dead("enabled again", &both).await;
    let staff = app.stranger().sign_in("stan").await;
    let (of_file, of_batch) =
        (share(&staff, &target, &[]).await, share(&staff, &format!("/batches/{batch}"), &[]).await);
    let both = [&of_file, &of_batch];
    let alive = async || {
        for link in both {
            visitor.get(link).await.is(200);
        }
    };
    alive().await;

    staff.post_form(&format!("{target}/delete"), &[]).await.is(303);
    dead("the file is in the trash", &[&of_file]).await;
    let gone = [("file", file.as_str())];
    download(&visitor, &of_batch, &gone).await.is(404);
    staff.post_form(&format!("{target}/restore"), &[]).await.is(303);
    staff.post_form(&format!("/batches/{batch}/delete"), &[]).await.is(303);
    dead("the batch is in the trash", &both).await;
    staff.post_form(&format!("/batches/{batch}/restore"), &[]).await.is(303);
    alive().await;

    let id = app.value("SELECT id FROM share_links WHERE attachment_id IS NULL AND revoked_at IS NULL");
    let back = admin.post_form(&format!("/shares/{id}/revoke"), &[]).await.is(303);
    assert_eq!(back.location(), format!("/batches/{batch}/shares"));
    dead("revoked", &[&of_batch]).await;
    app.advance(TimeDelta::hours(24));
    dead("expired", &[&of_file]).await;
}

#[tokio::test]
async fn a_password_is_asked_for_and_guessing_is_slowed_down() {
    let app = TestApp::start();
    let (staff, batch, file) = one_file(&app).await;
    let password = ("password", "open sesame");
    let link = share(&staff, &format!("/attachments/{file}"), &[password]).await;
    let of_batch = share(&staff, &format!("/batches/{batch}"), &[password]).await;
    let visitor = app.stranger();
    for link in [&link, &of_batch] {
        visitor.get_html(link).await.is(200).shows("name=\"password\"").hides("paper.pdf");
        for wrong in ["", "open", "open sesame "] {
            download(&visitor, link, &[("password", wrong)])
                .await
                .is(401)
                .shows("The password is wrong")
                .hides("paper.pdf");
        }
    }
    assert_eq!(app.value("SELECT sum(downloads) FROM share_links"), "0");
    assert_eq!(app.value("SELECT count(*) FROM audit_events WHERE action = 'share.refused'"), "6");
    assert_eq!(download(&visitor, &link, &[password]).await.is(200).body, samples::pdf("paper"));
    download(&visitor, &of_batch, &[password]).await.is(200).shows("paper.pdf").shows("1 file of batch B-1");
    let chosen = [password, ("file", file.as_str())];
    assert_eq!(download(&visitor, &of_batch, &chosen).await.is(200).body, samples::pdf("paper"));
    assert!(!app.value("SELECT string_agg(s::text, '') FROM share_links s").contains("sesame"));
    let mut refused = false;
    for _ in 0..12 {
        refused |= download(&visitor, &link, &[("password", "guess guess")]).await.status == 429;
    }
    assert!(refused);
}

#[tokio::test]
async fn a_batch_link_hands_out_its_files_and_no_other() {
    let app = TestApp::start();
    let (staff, batch, file) = one_file(&app).await;
    let other = staff.make_batch("B-2").await;
    let foreign = staff.store_id(&other, "other.pdf", &samples::pdf("other")).await;
    let link = share(&staff, &format!("/batches/{batch}"), &[("max_downloads", "2")]).await;
    let visitor = app.stranger();
    visitor.get_html(&link).await.is(200).shows("paper.pdf").shows("batch B-1").hides("other.pdf");
    for wrong in [foreign.as_str(), "nonsense", "00000000-0000-0000-0000-000000000000"] {
        download(&visitor, &link, &[("file", wrong)]).await.is(404);
    }
    let fields = [("file", file.as_str())];
    for status in [200, 200, 404] {
        download(&visitor, &link, &fields).await.is(status);
    }
    // A link to one file does not mind what else is asked for.
    let link = share(&staff, &format!("/attachments/{file}"), &[]).await;
    let got = download(&visitor, &link, &[("file", &foreign)]).await.is(200);
    assert_eq!(got.body, samples::pdf("paper"));
}

#[tokio::test]
async fn only_the_maker_and_admins_see_and_end_a_link() {
    let app = TestApp::start();
    let (staff, _, file) = one_file(&app).await;
    let other = app.new_user("olga", Role::Staff, &[]).await;
    let admin = app.admin().await;
    let target = format!("/attachments/{file}");
    share(&staff, &target, &[]).await;
    let id = app.value("SELECT id FROM share_links");
    let (page, end) = (format!("{target}/shares"), format!("/shares/{id}/revoke"));
    other.get_html(&page).await.is(200).shows("None yet");
    other.post_form(&end, &[]).await.is(404);
    for sees in [&staff, &admin] {
        sees.get_html(&page).await.is(200).shows("By stan");
    }
    let made = other.post_form(&page, &[("expires_in_hours", "1")]).await.is(201);
    made.shows("Here is your link").shows("/s/");
    for _ in 0..2 {
        staff.post_form(&end, &[]).await.is(303);
    }
    staff.get_html(&page).await.is(200).shows("None yet");
    assert_eq!(app.value("SELECT count(*) FROM audit_events WHERE action = 'share.revoke'"), "1");
}

#[tokio::test]
async fn what_will_not_do_is_said_at_its_field() {
    let app = TestApp::start();
    let (staff, _, file) = one_file(&app).await;
    let page = format!("/attachments/{file}/shares");
    for (field, value) in [
        ("expires_in_hours", ""),
        ("expires_in_hours", "0"),
        ("expires_in_hours", "8761"),
        ("expires_in_hours", "x"),
        ("max_downloads", "0"),
        ("max_downloads", "-1"),
        ("max_downloads", "10001"),
        ("password", "short"),
    ] {
        let fields = [("expires_in_hours", "24"), ("max_downloads", ""), ("password", "")];
        let fields = fields.map(|(name, good)| (name, if name == field { value } else { good }));
        let refused = staff.post_form(&page, &fields).await.is(422);
        refused.shows(&format!("id=\"{field}-error\"")).hides("/s/");
        let json = staff.request(Method::POST, &page).header(ACCEPT, "application/json");
        let token = staff.token().await;
        assert_eq!(
            Answer::to(json.header("X-CSRF-Token", token).form(&fields)).await.is(422).code(),
            "invalid"
        );
    }
    assert_eq!(app.value("SELECT count(*) FROM share_links"), "0");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_costs_no_download() {
    let app = TestApp::start();
    let (staff, _, file) = one_file(&app).await;
    let link = share(&staff, &format!("/attachments/{file}"), &[("max_downloads", "1")]).await;
    app.unmount();
    download(&app.stranger(), &link, &[]).await.is(507);
    app.mount();
    download(&app.stranger(), &link, &[]).await.is(200);
    download(&app.stranger(), &link, &[]).await.is(404);
}

#[tokio::test]
async fn admins_see_and_end_every_link() {
    let app = TestApp::start();
    let (staff, batch, file) = one_file(&app).await;
    let admin = app.admin().await;
    admin.get_html("/admin/shares").await.is(200).shows("No links");
    let of_file = [("max_downloads", "3"), ("password", "open sesame")];
    share(&staff, &format!("/attachments/{file}"), &of_file).await;
    let of_batch = share(&admin, &format!("/batches/{batch}"), &[]).await;
    staff.get("/admin/shares").await.is(403);
    let page = admin.get_html("/admin/shares").await.is(200);
    page.shows("paper.pdf")
        .shows("Batch B-1")
        .shows("0 of 3 downloads")
        .shows("with a password")
        .shows("stan");
    let id = app.value("SELECT id FROM share_links WHERE attachment_id IS NULL");
    staff.post_form(&format!("/admin/shares/{id}/revoke"), &[]).await.is(403);
    let ended = admin.post_form(&format!("/admin/shares/{id}/revoke"), &[]).await.is(303);
    assert_eq!(ended.location(), "/admin/shares");
    app.stranger().get(&of_batch).await.is(404);
    let id = app.value("SELECT id FROM share_links WHERE revoked_at IS NULL");
    admin.post_form(&format!("/admin/shares/{id}/revoke"), &[]).await.is(303);
    admin.get_html("/admin/shares").await.is(200).shows("The link is dead").shows("No links");
}

#[tokio::test]
async fn many_links_come_page_by_page() {
    let app = TestApp::start();
    let (_, batch, _) = one_file(&app).await;
    app.execute(&format!(
        "INSERT INTO share_links (id, token_hash, batch_id, created_by, created_at, expires_at)
         SELECT gen_random_uuid(), sha256(n::text::bytea), '{batch}', (SELECT id FROM users LIMIT 1), now(),
                now() + interval '1 day' FROM generate_series(1, 101) n"
    ));
    let admin = app.admin().await;
    let first = admin.get_html("/admin/shares").await.is(200).text();
    let (_, rest) = first.split_once("href=\"/admin/shares?cursor=").expect("a next page");
    let cursor = rest.split('"').next().unwrap();
    let second = admin.get_html(&format!("/admin/shares?cursor={cursor}")).await.is(200).text();
    let lines = |page: &str| page.matches("Good until").count();
    assert_eq!((lines(&first), lines(&second)), (100, 1));
    admin.get("/admin/shares?cursor=nonsense").await.is(400);
}
