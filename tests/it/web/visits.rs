//! What visitors do with a share link: take all files as one ZIP, and many files with one password.

use std::io::{Cursor, Read};

use chrono::TimeDelta;
use futures_util::future::join_all;
use reqwest::{Method, header::ACCEPT};
use stillage::domain::limits::{LimitKey, Permit};
use zip::ZipArchive;

use crate::support::{Answer, Client, TestApp, eventually, samples};

const PASSWORD: (&str, &str) = ("password", "open sesame");

/// Makes a link to a batch and returns its path.
async fn share(by: &Client, batch: &str, fields: &[(&str, &str)]) -> String {
    let fields = [&[("expires_in_hours", "24")], fields].concat();
    let made = by.post_for_json(&format!("/batches/{batch}/shares"), &fields).await.is(201).json();
    let url = made["share"]["url"].as_str().unwrap();
    url[url.find("/s/").unwrap()..].to_owned()
}

/// A batch with two files, by `stan`, and the id of the second one.
async fn two_files(app: &TestApp) -> (Client, String, String) {
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    staff.store_id(&batch, "one.pdf", &samples::pdf("one")).await;
    let two = staff.store_id(&batch, "two.pdf", &samples::pdf("two")).await;
    (staff, batch, two)
}

async fn archive(by: &Client, link: &str, fields: &[(&str, &str)]) -> Answer {
    by.post_for_json(&format!("{link}/archive.zip"), fields).await
}

fn names(answer: &Answer) -> Vec<String> {
    let archive = ZipArchive::new(Cursor::new(&answer.body)).unwrap();
    archive.file_names().map(|name| name.unwrap().into_owned()).collect()
}

fn manifest(answer: &Answer) -> String {
    let mut archive = ZipArchive::new(Cursor::new(&answer.body)).unwrap();
    let mut text = String::new();
    archive.by_name("manifest.csv").unwrap().read_to_string(&mut text).unwrap();
    text
}

/// The ticket on the page that a password opened.
async fn ticket(by: &Client, link: &str) -> String {
    let page = by.post_form(&format!("{link}/download"), &[PASSWORD]).await.is(200);
    let page = page.hides("open sesame").text();
    let (_, rest) = page.split_once("name=\"ticket\" value=\"").expect("a ticket");
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_batch_comes_as_one_zip_that_counts_as_one_download() {
    let app = TestApp::start();
    let (staff, batch, _) = two_files(&app).await;
    let gone = staff.store_id(&batch, "gone.pdf", &samples::pdf("gone")).await;
    staff.post_form(&format!("/attachments/{gone}/delete"), &[]).await.is(303);
    let link = share(&staff, &batch, &[("max_downloads", "2")]).await;
    let visitor = app.stranger();
    visitor.get_html(&link).await.is(200).shows("Download all (2 files, ").shows("counts as one download");
    for method in [Method::GET, Method::HEAD] {
        Answer::to(visitor.request(method, &format!("{link}/archive.zip"))).await.is(405);
    }
    let bare = visitor.request(Method::POST, &format!("{link}/archive.zip"));
    Answer::to(bare.header(ACCEPT, "application/json")).await.is(403);
    assert_eq!(app.value("SELECT downloads FROM share_links"), "0");

    let got = archive(&visitor, &link, &[]).await.is(200);
    assert_eq!(got.header("content-type"), "application/zip");
    assert_eq!(got.header("content-length"), got.body.len().to_string());
    assert!(got.header("content-disposition").starts_with("attachment; filename=\"B-1.zip\""));
    let mut names = names(&got);
    names.sort();
    assert_eq!(names, ["manifest.csv", "one.pdf", "two.pdf"]);
    assert!(
        manifest(&got).starts_with("name,size,sha256,uploaded_at\r\none.pdf,"),
        "who works here is not told"
    );
    assert_eq!(app.value("SELECT downloads FROM share_links"), "1");
    let trail =
        "SELECT actor || ' ' || (details - 'share')::text FROM audit_events WHERE action = 'share.archive'";
    let bytes = samples::pdf("one").len() + samples::pdf("two").len();
    assert_eq!(app.value(trail), format!("visitor {{\"bytes\": {bytes}, \"files\": 2}}"));
    assert_eq!(app.value("SELECT sum(files) FROM usage_ledger WHERE op = 'download'"), "2");
    staff.get_html(&format!("/batches/{batch}/history")).await.is(200).shows("by a share link");

    archive(&visitor, &link, &[]).await.is(200);
    archive(&visitor, &link, &[]).await.is(404);
    assert_eq!(app.value("SELECT count(*) FROM audit_events WHERE action = 'share.archive'"), "2");
}

#[tokio::test]
async fn what_is_locked_away_is_not_even_named() {
    let app = TestApp::start();
    let (staff, batch, _) = two_files(&app).await;
    app.execute("UPDATE attachments SET state = 'quarantined' WHERE original_name = 'one.pdf'");
    let link = share(&staff, &batch, &[]).await;
    let got = archive(&app.stranger(), &link, &[]).await.is(200);
    let mut names = names(&got);
    names.sort();
    assert_eq!(names, ["manifest.csv", "two.pdf"]);
    assert!(!manifest(&got).contains("one.pdf"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_get_exactly_the_limit() {
    let app = TestApp::start();
    let (staff, batch, _) = two_files(&app).await;
    let link = share(&staff, &batch, &[("max_downloads", "2")]).await;
    let visitor = app.stranger();
    let token = visitor.token().await;
    // As many as may be on their way by one link.
    let requests = (0..16).map(|_| {
        let request = visitor.request(Method::POST, &format!("{link}/archive.zip"));
        Answer::to(request.header("X-CSRF-Token", &token))
    });
    let mut statuses: Vec<u16> = join_all(requests).await.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!((&statuses[..2], &statuses[2..]), (&[200; 2][..], &[404; 14][..]));
    assert_eq!(app.value("SELECT downloads FROM share_links"), "2");
    assert_eq!(app.value("SELECT sum(files) FROM usage_ledger WHERE op = 'download'"), "4");
}

#[tokio::test]
async fn there_is_a_zip_only_of_a_batch_with_files() {
    let app = TestApp::start();
    let (staff, batch, two) = two_files(&app).await;
    let made = staff.post_for_json(&format!("/attachments/{two}/shares"), &[("expires_in_hours", "1")]).await;
    let url = made.is(201).json()["share"]["url"].as_str().unwrap().to_owned();
    let of_file = url[url.find("/s/").unwrap()..].to_owned();
    let visitor = app.stranger();
    visitor.get_html(&of_file).await.is(200).hides("Download all");
    archive(&visitor, &of_file, &[]).await.is(404);
    archive(&visitor, "/s/00000000000000000000000000000000", &[]).await.is(404);
    let empty = staff.make_batch("B-2").await;
    let of_empty = share(&staff, &empty, &[]).await;
    visitor.get_html(&of_empty).await.is(200).hides("Download all");
    archive(&visitor, &of_empty, &[]).await.is(404);
    let of_batch = share(&staff, &batch, &[]).await;
    app.execute("UPDATE attachments SET state = 'quarantined' WHERE original_name = 'one.pdf'");
    visitor.get_html(&of_batch).await.is(200).shows("two.pdf").hides("one.pdf").hides("Download all");
    assert_eq!(app.value("SELECT sum(downloads) FROM share_links"), "0");
    let got = archive(&visitor, &of_batch, &[]).await.is(200);
    assert!(!names(&got).contains(&"one.pdf".to_owned()));
}

#[tokio::test]
async fn one_password_opens_as_many_files_as_there_are() {
    let app = TestApp::start();
    let (staff, batch, two) = two_files(&app).await;
    let link = share(&staff, &batch, &[PASSWORD]).await;
    let other = share(&staff, &batch, &[("password", "close sesame")]).await;
    let visitor = app.stranger();
    visitor.get_html(&link).await.is(200).hides("Download all").hides("one.pdf");
    archive(&visitor, &link, &[]).await.is(401);
    archive(&visitor, &link, &[("password", "wrong wrong")]).await.is(401);
    let ticket = ticket(&visitor, &link).await;
    let with_ticket = [("ticket", ticket.as_str())];
    let download = format!("{link}/download");
    let chosen = [("ticket", ticket.as_str()), ("file", two.as_str())];
    for _ in 0..15 {
        assert_eq!(visitor.post_form(&download, &chosen).await.is(200).body, samples::pdf("two"));
    }
    archive(&visitor, &link, &with_ticket).await.is(200);
    // A script that sends the password each time makes no guesses either.
    for _ in 0..15 {
        visitor.post_form(&download, &[PASSWORD, ("file", &two)]).await.is(200);
    }
    archive(&visitor, &link, &[PASSWORD]).await.is(200);

    let forged = [
        format!("{}0", &ticket[..ticket.len() - 1]),
        format!("{}1", &ticket[..ticket.len() - 1]),
        ticket.replacen(|c: char| c.is_ascii_digit(), "9", 1),
        ".".to_owned(),
        "nonsense".to_owned(),
    ];
    for forged in forged.iter().filter(|forged| **forged != ticket) {
        archive(&visitor, &link, &[("ticket", forged)]).await.is(401);
    }
    archive(&visitor, &other, &with_ticket).await.is(401);
    assert_eq!(app.value("SELECT count(*) FROM audit_events WHERE action = 'share.refused'"), "2");
    let mut refused = false;
    for _ in 0..12 {
        refused |= archive(&visitor, &link, &[("password", "guess guess")]).await.status == 429;
    }
    assert!(refused, "wrong ones are counted");
    // Whoever has a ticket is not slowed down by them.
    archive(&visitor, &link, &with_ticket).await.is(200);

    app.advance(TimeDelta::minutes(59));
    archive(&visitor, &link, &with_ticket).await.is(200);
    // It makes no fresh one.
    let page = visitor.post_form(&download, &with_ticket).await.is(200);
    page.shows(&format!("name=\"ticket\" value=\"{ticket}\""));
    app.advance(TimeDelta::minutes(1));
    archive(&visitor, &link, &with_ticket).await.is(401);
    let page = visitor.post_form(&download, &chosen).await.is(401);
    page.shows("You gave the password a while ago").shows("name=\"password\"").hides("two.pdf");
}

#[tokio::test]
async fn a_ticket_ends_with_its_link_and_its_password() {
    let app = TestApp::start();
    let (staff, batch, _) = two_files(&app).await;
    let link = share(&staff, &batch, &[PASSWORD]).await;
    let visitor = app.stranger();
    let ticket = ticket(&visitor, &link).await;
    let with_ticket = [("ticket", ticket.as_str())];
    archive(&visitor, &link, &with_ticket).await.is(200);
    app.execute("UPDATE share_links SET password_hash = password_hash || ' '");
    archive(&visitor, &link, &with_ticket).await.is(401);
    app.execute("UPDATE share_links SET password_hash = rtrim(password_hash)");
    archive(&visitor, &link, &with_ticket).await.is(200);
    let id = app.value("SELECT id FROM share_links");
    staff.post_form(&format!("/shares/{id}/revoke"), &[]).await.is(303);
    archive(&visitor, &link, &with_ticket).await.is(404);
}

/// Permits that somebody else's archives would hold.
fn hold(app: &TestApp, key: LimitKey, count: usize) -> Vec<Permit> {
    (0..count).map(|_| app.app.limits.archives.acquire(&[key]).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_all_permits_for_archives() {
    let app = TestApp::start();
    let (staff, batch, _) = two_files(&app).await;
    let other = app.admin().await;
    let link = share(&staff, &batch, &[("max_downloads", "2")]).await;
    let own = format!("/batches/{batch}/archive.zip");
    let id = |sql: &str| app.value(sql).parse().unwrap();
    let visitor = app.stranger();

    let held = hold(&app, LimitKey::User(id("SELECT id FROM users WHERE username = 'stan'")), 16);
    let refused = staff.get_json(&own).await.is(429);
    assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("too_many_archives", "5"));
    staff.get_html(&own).await.is(429).shows("Too many ZIPs are on their way");
    staff.head(&own).await.is(200);
    other.get(&own).await.is(200);
    drop(held);
    staff.get(&own).await.is(200);

    for key in [LimitKey::Link(id("SELECT id FROM share_links")), LimitKey::Network([127, 0, 0, 1].into())] {
        let held = hold(&app, key, 16);
        assert_eq!(archive(&visitor, &link, &[]).await.is(429).code(), "too_many_archives");
        drop(held);
    }
    let many = (0..).map(|n| LimitKey::User(uuid::Uuid::from_u128(n)));
    let all: Vec<Permit> = many.map_while(|key| app.app.limits.archives.acquire(&[key]).ok()).collect();
    assert_eq!(staff.get_json(&own).await.is(503).code(), "unavailable");
    // Some are kept for admins.
    other.get(&own).await.is(200);
    drop(all);
    assert_eq!(app.value("SELECT downloads FROM share_links"), "0", "what was refused cost nothing");
    archive(&visitor, &link, &[]).await.is(200);
    eventually("every permit is given back", || app.app.limits.archives.in_use() == 0);
}

#[tokio::test]
async fn downloads_by_one_link_are_bounded() {
    let app = TestApp::start();
    let (staff, batch, two) = two_files(&app).await;
    let link = share(&staff, &batch, &[]).await;
    let key = LimitKey::Link(app.value("SELECT id FROM share_links").parse().unwrap());
    let held: Vec<Permit> = (0..64).map(|_| app.app.limits.visits.acquire(&[key]).unwrap()).collect();
    let visitor = app.stranger();
    let download = async || visitor.post_for_json(&format!("{link}/download"), &[("file", &two)]).await;
    assert_eq!(download().await.is(429).code(), "too_many_downloads");
    drop(held);
    download().await.is(200);
    eventually("its permit is given back", || app.app.limits.visits.in_use() == 0);
    assert_eq!(app.value("SELECT downloads FROM share_links"), "1");
}
