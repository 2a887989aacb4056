//! The audit trail: what is on record, the admin's page with its filters, exports, a batch's history, who saw a file.

use chrono::TimeDelta;
use stillage::domain::audit::{seal::seal_pending, watch};

use super::Target;
use crate::support::{Client, TestApp, samples};

fn count(app: &TestApp, action: &str) -> i64 {
    app.value(&format!("SELECT count(*) FROM audit_events WHERE action = '{action}'")).parse().unwrap()
}

/// A batch with one file.
async fn stored(by: &Client, number: &str, filename: &str) -> (String, String) {
    let batch = by.make_batch(number).await;
    let file = by.store(&batch, filename, &samples::pdf(filename)).await;
    (batch, file["id"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn looks_at_a_file_are_one_event_for_each_person_and_quarter_of_an_hour() {
    let app = TestApp::start();
    let (staff, viewer) = (app.staff().await, app.viewer().await);
    let (_, file) = stored(&staff, "B-1", "slip.pdf").await;
    let page = format!("/attachments/{file}");
    for path in [page.clone(), format!("{page}/preview")] {
        viewer.head(&path).await.is(200);
    }
    viewer.get(&format!("{page}/thumbnail")).await.is(202);
    viewer.get(&format!("{page}/receipt")).await.is(200);
    assert_eq!(count(&app, "attachment.view"), 0);
    for _ in 0..2 {
        viewer.get_html(&page).await.is(200);
        viewer.get(&format!("{page}/preview")).await.is(200);
        viewer.get_with(&format!("{page}/preview"), &[("Range", "bytes=5-9")]).await.is(206);
    }
    assert_eq!(count(&app, "attachment.view"), 1);
    staff.get_html(&page).await.is(200);
    assert_eq!(count(&app, "attachment.view"), 2);
    app.advance(TimeDelta::minutes(16));
    viewer.get_html(&page).await.is(200);
    assert_eq!(count(&app, "attachment.view"), 3);
}

#[tokio::test]
async fn downloads_count_once_for_each_request_that_begins_at_the_first_byte() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let target = Target::make(&app, &staff).await;
    let path = format!("/attachments/{}/download", target.file);
    staff.head(&path).await.is(200);
    let whole = staff.get(&path).await.is(200);
    assert_eq!(count(&app, "attachment.download"), 1);
    let tag = whole.header("etag").to_owned();
    staff.get_with(&path, &[("If-None-Match", &tag)]).await.is(304);
    staff.get_with(&path, &[("Range", "bytes=99999999-")]).await.is(416);
    assert_eq!(count(&app, "attachment.download"), 1, "nothing went out");
    staff.get_with(&path, &[("Range", "bytes=0-3")]).await.is(206);
    assert_eq!(count(&app, "attachment.download"), 2);
    staff.get_with(&path, &[("Range", "bytes=4-")]).await.is(206);
    assert_eq!((count(&app, "attachment.download"), count(&app, "attachment.view")), (2, 1));
    staff.get(&format!("/api/production/attachment/{}", target.stored_name)).await.is(200);
    assert_eq!(count(&app, "attachment.download"), 3);
    let address =
        "SELECT bool_and(address = '127.0.0.1') FROM audit_events WHERE action = 'attachment.download'";
    assert_eq!(app.value(address), "true");
}

#[tokio::test]
async fn a_read_that_cannot_be_recorded_is_answered_all_the_same() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let target = Target::make(&app, &staff).await;
    app.execute(
        "ALTER TABLE audit_events ADD CONSTRAINT full_disk CHECK (action NOT LIKE 'attachment.%') NOT VALID",
    );
    staff.get(&format!("/attachments/{}/download", target.file)).await.is(200);
    staff.get_html(&format!("/attachments/{}", target.file)).await.is(200);
    assert_eq!(count(&app, "attachment.download"), 0);
}

#[tokio::test]
async fn signing_out_and_failing_to_sign_in_are_on_record() {
    let app = TestApp::start();
    let staff = app.staff().await;
    staff.post_form("/logout", &[]).await.is(303);
    assert_eq!(count(&app, "session.end"), 1);
    app.stranger().post_form("/logout", &[]).await.is(303);
    assert_eq!(count(&app, "session.end"), 1, "a stranger has nothing to leave");
    let failures = count(&app, "login.failure");
    app.stranger().post_login(&"x".repeat(300), "whatever it is").await.is(401);
    app.stranger().post_login("stan", "wrong horse battery").await.is(401);
    assert_eq!(count(&app, "login.failure"), failures + 2);
    // People type passwords where the name belongs.
    for name in ["my-secret-password", "my-secret-password", "another-password"] {
        app.stranger().post_login(name, "whatever it is").await.is(401);
    }
    let typed =
        "SELECT count(*) FROM audit_events WHERE details::text LIKE '%password%' OR actor LIKE '%password%'";
    assert_eq!(app.value(typed), "0");
    let marks = "SELECT count(*) || ' of ' || count(DISTINCT details ->> 'username') FROM audit_events
                  WHERE details ->> 'username' LIKE 'an unknown name (#____)'";
    assert_eq!(app.value(marks), "4 of 3", "one that comes again is recognised");
    let known = "SELECT count(*) FROM audit_events WHERE action = 'login.failure' AND details ->> 'username' = 'stan'";
    assert_eq!(app.value(known), "1");
    let viewer = app.viewer().await;
    let fields = [("current", "not it at all"), ("password", "three more words")];
    viewer.post_form("/account/password", &fields).await.is(422);
    assert_eq!(count(&app, "user.password_refused"), 1);
}

#[tokio::test]
async fn every_filter_narrows_the_page() {
    let app = TestApp::start();
    let (admin, staff) = (app.admin().await, app.staff().await);
    let (batch, file) = stored(&staff, "B-77", "slip.pdf").await;
    stored(&staff, "B-88", "other.pdf").await;
    admin.get_html(&format!("/attachments/{file}")).await.is(200);
    app.stranger().post_login("mallory", "wrong horse battery").await.is(401);
    let me = app.value("SELECT id FROM users WHERE username = 'stan'");
    // What is asked, a text that must be there, and one that must not.
    let table = [
        ("", "looked at", "Nothing found"),
        ("actor=stan", "made the batch", "looked at"),
        ("actor=ADA", "looked at", "made the batch"),
        ("actor=anonymous", "an unknown name", "made the batch"),
        ("actor=nobody", "Nothing found", "made the batch"),
        ("group=reads", "looked at", "made the batch"),
        ("group=sign-in", "could not sign in as", "made the batch"),
        ("about=B-77", ">B-77<", ">B-88<"),
        ("about=slip.pdf", "slip.pdf", "other.pdf"),
        (&format!("about={batch}"), ">B-77<", ">B-88<"),
        (&format!("about={file}"), "looked at", "other.pdf"),
        ("about=stan", "signed in", "made the batch"),
        (&format!("about={me}"), "signed in", "made the batch"),
        ("address=127.0.0.1", "made the batch", "Nothing found"),
        ("address=10.9.9.9", "Nothing found", "made the batch"),
        ("q=unknown+name", "could not sign in as", "made the batch"),
        ("q=mallory", "Nothing found", "could not sign in as"),
        ("q=OTHER.pdf", "other.pdf", "slip.pdf"),
        ("q=no%25such", "Nothing found", "made the batch"),
        ("q=%00", "made the batch", "Nothing found"),
        ("since=2020-01-01&until=2999-01-01", "made the batch", "Nothing found"),
        ("since=2999-01-01", "Nothing found", "made the batch"),
        ("until=2020-01-01", "Nothing found", "made the batch"),
        ("since=nonsense&group=nonsense", "made the batch", "Nothing found"),
        ("actor=stan&group=batches&about=B-77", ">B-77<", ">B-88<"),
    ];
    for (query, there, absent) in table {
        let page = admin.get_html(&format!("/admin/audit?{query}")).await.is(200).text();
        // What was typed stands in the form, too.
        let (_, list) = page.split_once("</form>\n").unwrap();
        let (_, list) = list.rsplit_once("class=\"btns\"><button class=\"btn\">").unwrap_or(("", list));
        assert!(list.contains(there), "{query} shows {there}:\n{list}");
        assert!(!list.contains(absent), "{query} hides {absent}:\n{list}");
    }
    admin.get_html("/admin/audit?cursor=nonsense").await.is(400);
}

#[tokio::test]
async fn pages_go_on_where_the_last_one_ended() {
    let app = TestApp::start();
    let admin = app.admin().await;
    app.execute(
        "INSERT INTO audit_events (at, actor, action, subject, details)
         SELECT now(), 'console', 'batch.create', 'system', jsonb_build_object('number', 'N-' || lpad(n::text, 4, '0'))
           FROM generate_series(1, 250) n",
    );
    let numbers = |page: &str| -> Vec<String> {
        page.match_indices("N-").map(|(at, _)| page[at..at + 6].to_owned()).collect()
    };
    let (mut path, mut found) = ("/admin/audit?group=batches".to_owned(), Vec::new());
    loop {
        let page = admin.get_html(&path).await.is(200).text();
        found.extend(numbers(&page));
        let Some((_, rest)) = page.split_once("rel=\"next\" href=\"") else { break };
        path = rest.split('"').next().unwrap().replace("&amp;", "&").replace("&#38;", "&");
    }
    let expected: Vec<String> = (1..=250).rev().map(|n| format!("N-{n:04}")).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn seals_and_what_became_of_the_last_verification_are_shown() {
    let app = TestApp::start();
    let admin = app.admin().await;
    admin.get_html("/admin/audit").await.shows("Waiting").shows("Nothing is sealed yet").shows("Not yet");
    seal_pending(&app.app).await.unwrap();
    watch::verify(&app.app).await.unwrap();
    let head = app.value("SELECT encode(hash, 'hex') FROM audit_seals ORDER BY id DESC LIMIT 1");
    let page =
        admin.get_html("/admin/audit").await.shows(&head).shows("Covered by seal 1").shows("Unchanged");
    page.shows("Everything is sealed").hides("changed by hand");
    app.execute("UPDATE audit_events SET actor = 'Eve' WHERE id = (SELECT min(id) FROM audit_events)");
    let found = watch::verify(&app.app).await.unwrap();
    assert_eq!((found.problems, found.head.as_deref()), (1, Some(head.as_str())));
    let page = admin.get_html("/admin/audit").await.shows("The trail was changed by hand");
    page.shows("an event of seal 1").hides("Unchanged");
    let metrics = app.stranger().get("/metrics").await.is(200);
    metrics.shows("stillage_state{of=\"audit\",state=\"problems\"} 1");
    // Written anew as a whole, it holds in itself, and still not the head that was seen.
    app.execute("UPDATE audit_events SET seal_id = NULL; DELETE FROM audit_seals");
    seal_pending(&app.app).await.unwrap();
    let found = watch::verify(&app.app).await.unwrap();
    assert!(found.words.iter().any(|words| words.contains("is not in the chain")), "{found:?}");
}

#[tokio::test]
async fn exports_are_whole_filtered_safe_and_on_record() {
    let app = TestApp::start();
    let (admin, staff) = (app.admin().await, app.staff().await);
    stored(&staff, "=1+1", "slip, two.pdf").await;
    app.execute(
        "INSERT INTO audit_events (at, actor, action, subject)
         SELECT now(), 'console', 'backup.make', 'system' FROM generate_series(1, 2500)",
    );
    admin.head("/admin/audit/export?format=csv").await.is(200);
    assert_eq!(count(&app, "audit.export"), 0);
    let csv = admin.get("/admin/audit/export?format=csv").await.is(200);
    assert!(csv.header("content-disposition").contains(".csv"), "{}", csv.header("content-disposition"));
    let text = csv.text();
    assert_eq!(
        text.lines().count() as i64 - 1,
        app.value("SELECT count(*) FROM audit_events").parse::<i64>().unwrap()
    );
    assert!(text.starts_with("id,at,actor,"));
    assert!(text.contains(",'=1+1,"), "a number that looks like a formula is text");
    assert!(text.contains(",\"slip, two.pdf\","));
    let json = admin.get("/admin/audit/export?format=json&actor=stan&group=files").await.is(200).json();
    let events = json.as_array().unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["what"], "added slip, two.pdf to =1+1");
    assert_eq!(events[0]["actor"], "stan");
    let none = admin.get("/admin/audit/export?format=json&actor=nobody").await.is(200).json();
    assert_eq!(none.as_array().map(Vec::len), Some(0));
    assert_eq!(count(&app, "audit.export"), 3);
    let whole = admin.get("/admin/audit/export?format=json").await.is(200).json();
    assert!(whole.as_array().unwrap().len() > 2500);
    staff.get("/admin/audit/export").await.is(403);
}

#[tokio::test]
async fn a_batchs_history_has_every_event_every_file_and_the_head() {
    let app = TestApp::start();
    let (admin, staff, viewer) = (app.admin().await, app.staff().await, app.viewer().await);
    let (batch, file) = stored(&staff, "B-5", "slip.pdf").await;
    stored(&staff, "B-6", "foreign.pdf").await;
    staff.get(&format!("/attachments/{file}/download")).await.is(200);
    staff.post_form(&format!("/attachments/{file}/delete"), &[]).await.is(303);
    viewer.get_html(&format!("/batches/{batch}")).await.shows(&format!("/batches/{batch}/history"));
    let path = format!("/batches/{batch}/history");
    viewer.get_html(&path).await.is(200).shows("No event is sealed yet");
    seal_pending(&app.app).await.unwrap();
    let sha256 = app.value(&format!("SELECT encode(sha256, 'hex') FROM attachments WHERE id = '{file}'"));
    let head = app.value("SELECT encode(hash, 'hex') FROM audit_seals ORDER BY id DESC LIMIT 1");
    let page = staff.get_html(&path).await.is(200).shows(&sha256).shows(&head).shows("covered by seal 1");
    let page = page.shows("made the batch").shows("downloaded").shows("to the trash").shows("In the trash");
    page.hides("foreign.pdf").hides("127.0.0.1").hides("is left out");
    let page = viewer.get_html(&path).await.is(200).shows("made the batch").shows(&head).shows("is left out");
    page.hides(&sha256).hides("slip.pdf").hides("downloaded");
    admin.get_html(&path).await.is(200).shows("127.0.0.1");
    // A batch in the trash keeps its history.
    staff.post_form(&format!("/batches/{batch}/delete"), &[]).await.is(303);
    staff.get_html(&path).await.is(200).shows("moved ");
    viewer.get_html(&path).await.is(404);
}

#[tokio::test]
async fn a_file_says_who_saw_it() {
    let app = TestApp::start();
    let (staff, viewer) = (app.staff().await, app.viewer().await);
    let target = Target::make(&app, &staff).await;
    let page = format!("/attachments/{}", target.file);
    for _ in 0..2 {
        viewer.get(&format!("{page}/download")).await.is(200);
    }
    app.stranger().post_form(&format!("/s/{}/download", target.share_token), &[]).await.is(200);
    let shown = staff.get_html(&page).await.is(200).shows("Who saw it").shows("2 downloads, last");
    let shown = shown.shows("1 view, last").shows("With a share link").text();
    let (_, activity) = shown.split_once("id=\"activity-title\"").unwrap();
    assert!(!activity.contains("looked at"), "what changes nothing is not among the changes");
}
