//! Comparing the store with the database.

use std::{fs, fs::File, path::Path, time::SystemTime};

use chrono::{DateTime, TimeDelta};
use stillage::domain::maintenance::{Reconciled, reconcile};
use uuid::Uuid;

use crate::support::{TestApp, samples};

const STATES: &str = "SELECT string_agg(DISTINCT a.state || ' ' || c.state, ', ')
    FROM attachments a JOIN attachment_copies c ON c.attachment_id = a.id";

async fn compare(app: &TestApp) -> Reconciled {
    reconcile(&app.app).await.unwrap()
}

#[tokio::test]
async fn a_file_that_is_gone_is_marked_and_found_again() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let file = staff.store(&batch, "slip.pdf", &samples::pdf("slip")).await;
    let path = app.published(file["stored_name"].as_str().unwrap());
    let download = format!("/attachments/{}/download", file["id"].as_str().unwrap());
    let bytes = fs::read(&path).unwrap();
    assert_eq!(compare(&app).await, Reconciled::default());

    for wrong in [None, Some(&bytes[1..])] {
        match wrong {
            None => fs::remove_file(&path).unwrap(),
            Some(bytes) => fs::write(&path, bytes).unwrap(),
        }
        assert_eq!(compare(&app).await, Reconciled { missing: 1, ..Reconciled::default() });
        assert_eq!(compare(&app).await, Reconciled::default(), "it is marked once");
        assert_eq!(app.value(STATES), "missing missing");
        assert_eq!(staff.get_json(&download).await.is(409).code(), "file_missing");
        staff.get_html(&format!("/batches/{batch}")).await.is(200).shows("slip.pdf").shows("Missing");

        fs::write(&path, &bytes).unwrap();
        assert_eq!(compare(&app).await, Reconciled { found_again: 1, ..Reconciled::default() });
        assert_eq!(app.value(STATES), "available present");
        assert!(staff.get(&download).await.is(200).body == bytes);
    }
    let trail = "SELECT string_agg(action, ' ' ORDER BY id) FROM audit_events WHERE actor = 'system'";
    let once = "attachment.missing attachment.found";
    assert_eq!(app.value(trail), format!("{once} {once}"));
    assert_eq!(app.value("SELECT files_count FROM batches"), "1");
}

#[tokio::test]
async fn a_file_without_a_row_is_moved_aside_after_an_hour() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let known = staff.store(&batch, "known.pdf", &samples::pdf("x")).await;
    let name = format!("{}_orphan.pdf", Uuid::new_v4());
    fs::write(app.published(&name), b"orphan").unwrap();
    app.advance(TimeDelta::minutes(59));
    assert_eq!(compare(&app).await, Reconciled::default(), "its commit may be on its way");
    app.advance(TimeDelta::minutes(2));
    assert_eq!(compare(&app).await, Reconciled { set_aside: 1, ..Reconciled::default() });
    assert_eq!(fs::read(app.store().join(".trash").join(&name)).unwrap(), b"orphan");
    assert_eq!(app.kept().published, [known["stored_name"].as_str().unwrap()]);
    let event = "SELECT details->>'stored_name' FROM audit_events WHERE action = 'storage.set_aside'";
    assert_eq!(app.value(event), name);
}

#[tokio::test]
async fn what_stillage_did_not_publish_is_left_alone() {
    let app = TestApp::start();
    let older = format!("{}_older than the marker.pdf", Uuid::new_v4());
    for name in ["photo.jpg", "notes", &older] {
        fs::write(app.published(name), b"foreign").unwrap();
    }
    set_modified(&app.published(&older), TimeDelta::days(-1));
    fs::create_dir(app.published("folder")).unwrap();
    app.advance(TimeDelta::days(2));
    assert_eq!(compare(&app).await, Reconciled { to_import: 3, ..Reconciled::default() });
    assert_eq!(app.kept().published.len(), 4);
}

fn set_modified(path: &Path, by: TimeDelta) {
    let file = File::options().write(true).open(path).unwrap();
    let now = DateTime::<chrono::Utc>::from(file.metadata().unwrap().modified().unwrap());
    file.set_modified(SystemTime::from(now + by)).unwrap();
}

/// Rows, of which only some have their file.
async fn fill(app: &TestApp, rows: usize, missing: usize) {
    app.staff().await.make_batch("B-1").await;
    app.execute(&format!(
        "INSERT INTO attachments (id, batch_id, stored_name, original_name, content_type, size_bytes, sha256,
                                  uploaded_by, uploaded_at)
         SELECT gen_random_uuid(), (SELECT id FROM batches), 'f' || n, n || '.pdf', 'application/pdf', 1,
                decode(repeat('00', 32), 'hex'), (SELECT id FROM users), now()
         FROM generate_series(1, {rows}) n;
         INSERT INTO attachment_copies SELECT id, 'local', 'present', now(), now() FROM attachments"
    ));
    for n in missing + 1..=rows {
        fs::write(app.published(&format!("f{n}")), b"1").unwrap();
    }
}

#[tokio::test]
async fn too_much_at_once_is_an_alarm_and_changes_nothing() {
    let table = [(30, 20, false), (30, 21, true), (2200, 22, false), (1900, 22, true)];
    for (rows, missing, alarmed) in table {
        let app = TestApp::start();
        fill(&app, rows, missing).await;
        let report = compare(&app).await;
        assert_eq!(report.alarmed, alarmed, "{missing} of {rows}");
        let marked = app.value("SELECT count(*) FROM attachments WHERE state = 'missing'");
        let expected = if alarmed { 0 } else { missing };
        assert_eq!((report.missing, marked), (expected, expected.to_string()), "{missing} of {rows}");
    }
}

#[tokio::test]
async fn a_store_that_is_not_there_changes_nothing() {
    let app = TestApp::start();
    fill(&app, 5, 0).await;
    app.unmount();
    reconcile(&app.app).await.unwrap_err();
    app.mount();
    let marker = app.store().join(".stillage-store");
    let text = fs::read(&marker).unwrap();
    fs::write(&marker, "7b0ea7a1-75f0-4a6f-8a54-0a6a4d2b6d0b\n").unwrap();
    fs::rename(app.store().join("batches"), app.store().join("elsewhere")).unwrap();
    reconcile(&app.app).await.unwrap_err();
    assert_eq!(app.value(STATES), "available present");
    fs::rename(app.store().join("elsewhere"), app.store().join("batches")).unwrap();
    fs::write(&marker, text).unwrap();
    assert_eq!(compare(&app).await, Reconciled::default());
}

#[tokio::test]
async fn files_in_the_trash_keep_their_bytes() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let file = staff.store_id(&batch, "slip.pdf", &samples::pdf("slip")).await;
    staff.post_form(&format!("/attachments/{file}/delete"), &[]).await.is(303);
    app.advance(TimeDelta::days(3));
    assert_eq!(compare(&app).await, Reconciled::default());
    assert_eq!(app.kept().published.len(), 1);
}
