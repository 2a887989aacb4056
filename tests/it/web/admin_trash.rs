//! The admin's trash: everything of all sites, what keeps it, and its end before its days are over.

use chrono::TimeDelta;
use stillage::domain::purge::{self, Purged, Tombstone};
use uuid::Uuid;

use super::work;
use crate::support::{Client, TestApp, samples};

const PAGE: &str = "/admin/trash";
const YES: (&str, &str) = ("confirm", "1");

/// A batch with a file, both in the trash: the file by itself.
async fn gone_file(by: &Client, number: &str) -> (String, String) {
    let batch = by.make_batch(number).await;
    let file = by.store_id(&batch, "slip.pdf", &samples::pdf(number)).await;
    by.post_form(&format!("/attachments/{file}/delete"), &[]).await.is(303);
    (batch, file)
}

#[tokio::test]
async fn it_shows_what_there_is_and_what_keeps_it() {
    let app = TestApp::start();
    let (staff, admin) = (app.staff().await, app.admin().await);
    admin.get_html(PAGE).await.is(200).shows("The trash is empty").hides("Empty the trash");
    let (batch, _) = gone_file(&staff, "B-1").await;
    let whole = staff.make_batch("B-2").await;
    staff.store_id(&whole, "other.pdf", &samples::pdf("other")).await;
    staff.post_form(&format!("/batches/{whole}/delete"), &[]).await.is(303);
    let shown = admin.get_html(PAGE).await.is(200).shows("1 batch, 2 files").shows("Goes in 30 days");
    shown.shows("B-2").shows("slip.pdf").shows("Remove B-2 for good?").shows("Remove this file for good?");
    staff.get_html("/trash").await.shows("Goes in 30 days").shows("waits here for 30 days");

    app.advance(TimeDelta::days(29));
    let (staff, admin) = (app.stranger().sign_in("stan").await, app.stranger().sign_in("ada").await);
    staff.get_html("/trash").await.shows("Goes in 1 day<");
    app.advance(TimeDelta::days(1));
    let (staff, admin) = (app.stranger().sign_in("stan").await, admin.sign_in("ada").await);
    staff.get_html("/trash").await.shows("Goes within the hour");
    admin.post_form(&format!("/batches/{batch}/hold"), &[]).await.is(303);
    app.execute("UPDATE sites SET keep_years = 5");
    let shown = admin.get_html(PAGE).await.shows("On hold").shows("Kept to ").hides("for good?<");
    shown.shows("keeps its files for at least 5 years");
    admin.get(&format!("{PAGE}?files=nonsense")).await.is(400);
}

#[tokio::test]
async fn long_lists_go_page_by_page() {
    let app = TestApp::start();
    let (staff, admin) = (app.staff().await, app.admin().await);
    let batch = staff.make_batch("B-1").await;
    app.execute(&format!(
        "INSERT INTO attachments (id, batch_id, stored_name, original_name, content_type, size_bytes, sha256,
                                  uploaded_by, uploaded_at, state, trashed_at, trashed_by)
         SELECT gen_random_uuid(), '{batch}', 'f' || n, 'file ' || n || '.pdf', 'application/pdf', 1,
                decode(repeat('00', 32), 'hex'), u.id, now(), 'trashed', now() - (n / 7) * interval '1 minute', u.id
         FROM generate_series(1, 120) n, (SELECT id FROM users LIMIT 1) u"
    ));
    let (mut page, mut seen) = (PAGE.to_owned(), std::collections::BTreeSet::new());
    for expected in [50, 50, 20] {
        let text = admin.get_html(&page).await.is(200).text();
        let names: Vec<&str> = text.split("title=\"file ").skip(1).map(|rest| &rest[..4]).collect();
        assert_eq!(names.len(), expected, "{page}");
        seen.extend(names.iter().map(|name| (*name).to_owned()));
        page = text.split("rel=\"next\" href=\"").nth(1).map_or(String::new(), |rest| {
            rest.split('"').next().unwrap().replace("&amp;", "&").replace("&#38;", "&")
        });
    }
    assert!(page.is_empty());
    assert_eq!(seen.len(), 120);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_has_a_file_or_a_batch_go_at_once() {
    let app = TestApp::start();
    let (staff, admin) = (app.staff().await, app.admin().await);
    let (batch, file) = gone_file(&staff, "B-1").await;
    let purge_file = format!("{PAGE}/files/{file}/purge");
    staff.post_for_json(&purge_file, &[YES]).await.is(403);
    assert_eq!(admin.post_for_json(&purge_file, &[]).await.is(422).code(), "invalid");
    admin.post_form(&purge_file, &[YES]).await.is(303);
    admin.get_html(PAGE).await.shows("slip.pdf is being removed for good");
    work(&app).await;
    assert_eq!(app.value("SELECT state FROM attachments"), "purged");
    assert!(app.kept().published.is_empty());
    for page in [&format!("/attachments/{file}"), &format!("/attachments/{file}/download")] {
        admin.get(page).await.is(404);
    }
    admin.post_for_json(&purge_file, &[YES]).await.is(404);
    admin.post_for_json(&format!("/attachments/{file}/restore"), &[]).await.is(404);
    let page = admin.get_html(&format!("/batches/{batch}")).await.is(200);
    page.shows("ordered the removal for good of").shows("removed for good");

    let again = staff.store_id(&batch, "more.pdf", &samples::pdf("more")).await;
    let link = [("expires_in_hours", "24")];
    let shared = staff.post_for_json(&format!("/attachments/{again}/shares"), &link).await.is(201).json();
    let link = shared["share"]["url"].as_str().unwrap().rsplit_once("/s/").unwrap().1.to_owned();
    app.stranger().get(&format!("/s/{link}")).await.is(200);
    let purge_batch = format!("{PAGE}/batches/{batch}/purge");
    assert_eq!(admin.post_for_json(&purge_batch, &[YES]).await.is(409).code(), "not_in_trash");
    staff.post_form(&format!("/batches/{batch}/delete"), &[]).await.is(303);
    admin.post_form(&purge_batch, &[YES]).await.is(303);
    work(&app).await;
    assert!(app.kept().published.is_empty());
    admin.get(&format!("/batches/{batch}")).await.is(404);
    for act in ["restore", "hold"] {
        admin.post_for_json(&format!("/batches/{batch}/{act}"), &[]).await.is(404);
    }
    app.stranger().get(&format!("/s/{link}")).await.is(404);
    // The number is free again.
    staff.make_batch("B-1").await;
    let trail = "SELECT string_agg(actor || ' ' || action, ', ' ORDER BY id) FROM audit_events
                  WHERE action LIKE '%purge%'";
    assert_eq!(
        app.value(trail),
        "ada attachment.purge_now, system attachment.purge, ada batch.purge_now, system attachment.purge, \
         system batch.purge"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn emptying_spares_what_something_keeps_and_what_came_later() {
    let app = TestApp::start();
    let (staff, admin) = (app.staff().await, app.admin().await);
    let (held, _) = gone_file(&staff, "HELD").await;
    let (_, free) = gone_file(&staff, "FREE").await;
    admin.post_form(&format!("/batches/{held}/hold"), &[]).await.is(303);
    let empty = format!("{PAGE}/empty");
    staff.post_for_json(&empty, &[YES]).await.is(403);
    admin.post_for_json(&empty, &[]).await.is(422);
    admin.post_form(&empty, &[YES]).await.is(303);
    app.advance(TimeDelta::seconds(1));
    gone_file(&staff, "LATER").await;
    work(&app).await;
    let gone = "SELECT string_agg(id::text, ' ') FROM attachments WHERE state = 'purged'";
    assert_eq!(app.value(gone), free);
    assert_eq!(app.kept().published.len(), 2);
}

#[tokio::test]
async fn no_admin_hurries_a_hold_or_the_years_of_a_site() {
    let app = TestApp::start();
    let (staff, admin) = (app.staff().await, app.admin().await);
    let (batch, file) = gone_file(&staff, "B-1").await;
    staff.post_form(&format!("/batches/{batch}/delete"), &[]).await.is(303);
    let asks = [format!("{PAGE}/files/{file}/purge"), format!("{PAGE}/batches/{batch}/purge")];
    let table = [
        ("UPDATE sites SET keep_years = 1", "in_retention"),
        ("UPDATE batches SET held_at = now(), held_by = created_by", "batch_held"),
    ];
    for (change, code) in table {
        app.execute(change);
        for ask in &asks {
            assert_eq!(admin.post_for_json(ask, &[YES]).await.is(409).code(), code, "{ask}");
        }
    }
    assert_eq!(app.value("SELECT count(*) FROM jobs WHERE kind LIKE 'purge%'"), "0");
    admin.post_for_json(&format!("{PAGE}/files/{}/purge", Uuid::new_v4()), &[YES]).await.is(404);
}

#[tokio::test]
async fn an_order_counts_for_the_tombstone_that_was_seen() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let (_, file) = gone_file(&staff, "B-1").await;
    let seen = "SELECT extract(epoch FROM trashed_at) * 1000000 FROM attachments";
    let seen: f64 = app.value(seen).parse().unwrap();
    let seen = chrono::DateTime::from_timestamp_micros(seen as i64).unwrap();
    for act in ["restore", "delete"] {
        staff.post_form(&format!("/attachments/{file}/{act}"), &[]).await.is(303);
    }
    let mut purged = Purged::default();
    let ids = vec![file.parse().unwrap()];
    purge::files(&app.app, ids, Tombstone::At(seen), &mut purged).await.unwrap();
    assert_eq!(purged, Purged::default());
    assert_eq!(app.value("SELECT state FROM attachments"), "trashed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leftovers_are_looked_for_and_moved_if_they_are_as_many_as_seen() {
    let app = TestApp::start();
    let (staff, admin) = (app.staff().await, app.admin().await);
    staff.make_batch("B-1").await;
    let (look, remove) = (format!("{PAGE}/orphans"), format!("{PAGE}/orphans/remove"));
    admin.get_html(PAGE).await.shows("Nobody has looked yet").hides("ask-orphans");
    for path in [&look, &remove] {
        staff.post_for_json(path, &[]).await.is(403);
    }
    admin.post_for_json(&remove, &[]).await.is(422);
    admin.post_form(&look, &[]).await.is(303);
    work(&app).await;
    admin.get_html(PAGE).await.shows("Every file has its batch");

    let name = format!("{}_orphan.pdf", Uuid::new_v4());
    std::fs::write(app.published(&name), b"orphan").unwrap();
    app.advance(TimeDelta::minutes(61));
    let admin = admin.sign_in("ada").await;
    admin.post_form(&look, &[]).await.is(303);
    work(&app).await;
    admin.get_html(PAGE).await.shows(&name).shows("Move 1 file aside?");
    admin.post_form(&remove, &[("expect", "2")]).await.is(303);
    work(&app).await;
    admin.get_html(PAGE).await.shows("2 files were expected to go, but 1 would");
    assert_eq!(app.kept().published.len(), 1);
    admin.post_form(&remove, &[("expect", "1")]).await.is(303);
    work(&app).await;
    admin.get_html(PAGE).await.shows("1 file moved aside");
    assert!(app.kept().published.is_empty());
    assert_eq!(std::fs::read(app.store().join(".trash").join(&name)).unwrap(), b"orphan");
    let trail = "SELECT string_agg(actor || ' ' || action, ', ' ORDER BY id) FROM audit_events
                  WHERE action LIKE 'storage.%'";
    assert_eq!(
        app.value(trail),
        "ada storage.clean_up_now, ada storage.clean_up_now, system storage.set_aside, system storage.clean_up"
    );
}
