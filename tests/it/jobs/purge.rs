//! The end of what is in the trash: when it comes, what keeps it off, and what a crash in between leaves.

use std::{fs, os::unix::fs::PermissionsExt};

use chrono::TimeDelta;
use stillage::domain::{
    backup, orphans,
    purge::{self, Purged},
};

use crate::support::{Client, TestApp, Tus, samples};

const STATES: &str = "SELECT string_agg(state, ' ' ORDER BY original_name) FROM attachments";

async fn due(app: &TestApp) -> Purged {
    purge::due(&app.app).await.unwrap()
}

fn days(app: &TestApp, days: i64) {
    app.advance(TimeDelta::days(days));
}

/// A batch with two files, the first of them in the trash.
async fn half_gone(staff: &Client, number: &str) -> (String, String) {
    let batch = staff.make_batch(number).await;
    let gone = staff.store_id(&batch, "a.pdf", &samples::pdf(number)).await;
    staff.store_id(&batch, "b.pdf", &samples::pdf("other")).await;
    staff.post_form(&format!("/attachments/{gone}/delete"), &[]).await.is(303);
    (batch, gone)
}

/// Files that the purge has not touched: both rows and both bytes.
fn is_untouched(app: &TestApp) {
    assert_eq!(app.value(STATES), "trashed available");
    assert_eq!(app.kept().published.len(), 2);
    assert_eq!(app.value("SELECT count(*) FROM purges"), "0");
}

#[tokio::test]
async fn a_file_goes_when_its_days_are_over_and_leaves_its_row() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let (_, gone) = half_gone(&staff, "B-1").await;
    app.execute("INSERT INTO attachment_texts (attachment_id, body) SELECT id, 'secret' FROM attachments");
    let previews = app.store().join("previews").join(&gone[34..]).join(gone.replace('-', ""));
    fs::create_dir_all(&previews).unwrap();
    days(&app, 29);
    assert_eq!(due(&app).await, Purged::default());
    is_untouched(&app);
    days(&app, 1);
    let size: i64 = app.value("SELECT size_bytes FROM attachments WHERE state = 'trashed'").parse().unwrap();
    assert_eq!(due(&app).await, Purged { files: 1, bytes: size, batches: 0 });
    assert_eq!(app.value(STATES), "purged available");
    assert_eq!(app.kept().published.len(), 1);
    assert!(!previews.exists());
    for table in ["attachment_texts", "attachment_copies", "previews"] {
        assert_eq!(app.value(&format!("SELECT count(*) FROM {table}")), "1", "{table}");
    }
    let event = "SELECT actor || ' ' || (details ->> 'filename') || ' ' || (details ->> 'size')
                   FROM audit_events WHERE action = 'attachment.purge'";
    assert_eq!(app.value(event), format!("system a.pdf {size}"));
    assert_eq!(app.value("SELECT files_count FROM batches"), "1");
    // Once more does nothing more.
    assert_eq!(due(&app).await, Purged::default());
    assert_eq!(app.value("SELECT count(*) FROM audit_events WHERE action = 'attachment.purge'"), "1");
}

#[tokio::test]
async fn a_batch_goes_with_its_files_and_leaves_its_row() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let (batch, _) = half_gone(&staff, "B-1").await;
    days(&app, 1);
    let staff = app.stranger().sign_in("stan").await;
    staff.post_form(&format!("/batches/{batch}/delete"), &[]).await.is(303);
    days(&app, 29);
    assert_eq!(due(&app).await.files, 1, "the one that was deleted first");
    days(&app, 1);
    let purged = due(&app).await;
    assert_eq!((purged.files, purged.batches), (1, 1));
    assert_eq!(app.value(STATES), "purged purged");
    assert!(app.kept().published.is_empty());
    assert_eq!(app.value("SELECT files_count || ' ' || bytes_total FROM batches"), "0 0");
    assert_eq!(app.value("SELECT count(*) FROM audit_events WHERE action = 'batch.purge'"), "1");
    assert_eq!(due(&app).await, Purged::default());
    let staff = app.stranger().sign_in("stan").await;
    staff.get(&format!("/batches/{batch}")).await.is(404);
    staff.get_html("/trash").await.hides("B-1");
}

#[tokio::test]
async fn something_keeps_them() {
    // What keeps, and what lets go.
    let table = [
        (
            "a hold",
            "UPDATE batches SET held_at = now(), held_by = created_by",
            "UPDATE batches SET held_at = NULL, held_by = NULL",
        ),
        ("the years of the site", "UPDATE sites SET keep_years = 1", "UPDATE sites SET keep_years = 0"),
        (
            "having been restored",
            "UPDATE attachments SET state = 'available', trashed_at = NULL, trashed_by = NULL;
             UPDATE batches SET trashed_at = NULL, trashed_by = NULL",
            "UPDATE attachments SET state = 'trashed', trashed_at = '2020-01-01', trashed_by = uploaded_by
              WHERE original_name = 'a.pdf';
             UPDATE batches SET trashed_at = '2020-01-01', trashed_by = created_by",
        ),
    ];
    for (what, keeps, lets_go) in table {
        let app = TestApp::start();
        let staff = app.staff().await;
        let (batch, _) = half_gone(&staff, "B-1").await;
        staff.post_form(&format!("/batches/{batch}/delete"), &[]).await.is(303);
        days(&app, 40);
        app.execute(keeps);
        assert_eq!(due(&app).await, Purged::default(), "{what}");
        assert_eq!(app.kept().published.len(), 2, "{what}");
        assert_eq!(app.value("SELECT count(*) FROM purges"), "0", "{what}");
        // The same when a crash came after the beginning.
        app.execute("INSERT INTO purges SELECT id, now() FROM attachments WHERE state = 'trashed'");
        assert_eq!(due(&app).await, Purged::default(), "{what}");
        assert_eq!(app.kept().published.len(), 2, "{what}");
        assert_eq!(app.value("SELECT count(*) FROM purges"), "0", "{what}");
        app.execute(lets_go);
        assert_eq!(due(&app).await.batches, 1, "{what}");
        assert!(app.kept().published.is_empty(), "{what}");
    }
}

#[tokio::test]
async fn the_years_of_a_batch_count_from_its_latest_file() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    days(&app, 300);
    let staff = app.stranger().sign_in("stan").await;
    staff.store_id(&batch, "a.pdf", &samples::pdf("late")).await;
    staff.post_form(&format!("/batches/{batch}/delete"), &[]).await.is(303);
    app.execute("UPDATE sites SET keep_years = 1");
    days(&app, 100);
    assert_eq!(due(&app).await, Purged::default(), "the batch is older than a year, its file is not");
    days(&app, 267);
    assert_eq!(due(&app).await.batches, 1);
}

#[tokio::test]
async fn without_its_store_nothing_is_even_begun() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let (batch, _) = half_gone(&staff, "B-1").await;
    days(&app, 40);
    app.unmount();
    purge::due(&app.app).await.unwrap_err();
    orphans::expire(&app.app).await.unwrap_err();
    app.mount();
    is_untouched(&app);
    // Another database's folder in its place.
    let marker = app.store().join(".stillage-store");
    let text = fs::read(&marker).unwrap();
    fs::write(&marker, "7b0ea7a1-75f0-4a6f-8a54-0a6a4d2b6d0b\n").unwrap();
    purge::due(&app.app).await.unwrap_err();
    let which = purge::Tombstone::UpTo(app.app.clock.now());
    let id = batch.parse().unwrap();
    purge::batch(&app.app, id, which, &mut Purged::default()).await.unwrap_err();
    fs::write(&marker, text).unwrap();
    is_untouched(&app);
    assert_eq!(due(&app).await.files, 1);
}

#[tokio::test]
async fn whatever_a_crash_left_is_taken_up_again() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let (_, gone) = half_gone(&staff, "B-1").await;
    days(&app, 1);
    // After the beginning, before the bytes went: the days do not count any more, and nobody brings it back.
    app.execute(&format!("INSERT INTO purges VALUES ('{gone}', now())"));
    let staff = app.stranger().sign_in("stan").await;
    let batch = app.value("SELECT id FROM batches");
    let one = format!("/attachments/{gone}/restore");
    assert_eq!(staff.post_for_json(&one, &[]).await.is(409).code(), "being_purged");
    let many = format!("/batches/{batch}/files/restore");
    assert_eq!(staff.post_for_json(&many, &[("ids", &gone)]).await.is(409).code(), "being_purged");
    staff.get_html("/trash").await.hides("a.pdf");
    // After the bytes went.
    let name = app.value("SELECT stored_name FROM attachments WHERE state = 'trashed'");
    fs::remove_file(app.published(&name)).unwrap();
    assert_eq!(due(&app).await.files, 1);
    assert_eq!(app.value(STATES), "purged available");
    assert_eq!(app.value("SELECT count(*) FROM purges"), "0");
    // A job that comes late finds nothing to do.
    app.execute(&format!("INSERT INTO purges VALUES ('{gone}', now())"));
    assert_eq!(due(&app).await, Purged::default());
    assert_eq!(app.value("SELECT count(*) FROM purges"), "0");
    assert_eq!(app.value("SELECT count(*) FROM audit_events WHERE action = 'attachment.purge'"), "1");
}

#[tokio::test]
async fn a_batch_that_a_crash_left_half_gone_goes_whole() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let (batch, _) = half_gone(&staff, "B-1").await;
    staff.post_form(&format!("/batches/{batch}/delete"), &[]).await.is(303);
    app.execute("UPDATE batches SET purge_begun_at = now()");
    let admin = app.admin().await;
    for act in ["restore", "hold", "delete"] {
        admin.post_form(&format!("/batches/{batch}/{act}"), &[]).await.is(404);
    }
    let purged = due(&app).await;
    assert_eq!((purged.files, purged.batches), (2, 1));
    assert_eq!(app.value(STATES), "purged purged");
    assert!(app.kept().published.is_empty());
}

#[tokio::test]
async fn what_cannot_be_removed_keeps_nothing_else() {
    let app = TestApp::start();
    let staff = app.staff().await;
    for number in ["B-1", "B-2"] {
        half_gone(&staff, number).await;
    }
    let stuck = app.value("SELECT min(stored_name) FROM attachments WHERE state = 'trashed'");
    // A folder in the file's place cannot be unlinked, whoever asks.
    fs::remove_file(app.published(&stuck)).unwrap();
    fs::create_dir(app.published(&stuck)).unwrap();
    days(&app, 40);
    purge::due(&app.app).await.unwrap_err();
    let left = "SELECT string_agg(stored_name, ' ') FROM attachments WHERE state = 'trashed'";
    assert_eq!(app.value(left), stuck);
    fs::remove_dir(app.published(&stuck)).unwrap();
    assert_eq!(due(&app).await.files, 1);
    assert_eq!(app.value("SELECT count(*) FROM purges"), "0");
}

#[tokio::test]
async fn an_upload_under_way_and_everything_that_lives_are_untouched() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let (batch, _) = half_gone(&staff, "B-1").await;
    let tus = Tus::of(&staff).await;
    let upload = tus.create(&batch, "big.pdf", 100).await;
    tus.append(&upload, 0, &samples::pdf("begun")[..20]).await.is(204);
    let living = app.app.store.stage().unwrap();
    let staged = app.kept().staged;
    app.execute("UPDATE attachments SET trashed_at = now() - interval '40 days' WHERE state = 'trashed'");
    assert_eq!(due(&app).await.files, 1);
    assert_eq!(app.kept().staged, staged);
    assert_eq!(app.value("SELECT count(*) FROM attachments WHERE state = 'available'"), "1");
    drop(living);
    assert_eq!(tus.offset(&upload).await, 20);
    tus.cancel(&upload).await.is(204);
}

#[tokio::test]
async fn a_backup_asks_for_nothing_that_is_on_its_way_out() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let (_, gone) = half_gone(&staff, "B-1").await;
    app.execute(&format!("INSERT INTO purges VALUES ('{gone}', now())"));
    let name = app.value("SELECT stored_name FROM attachments WHERE state = 'trashed'");
    fs::remove_file(app.published(&name)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let console = stillage::domain::access::Actor::console();
    let report = backup::make(&app.app, &console, folder.path(), |_, _| {}).await.unwrap();
    assert_eq!((report.files, report.problems.len()), (1, 0));
    assert_eq!(due(&app).await.files, 1);
}

#[tokio::test]
async fn many_files_go_in_steps() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    app.execute(&format!(
        "INSERT INTO attachments (id, batch_id, stored_name, original_name, content_type, size_bytes, sha256,
                                  uploaded_by, uploaded_at)
         SELECT gen_random_uuid(), '{batch}', 'f' || n, n || '.pdf', 'application/pdf', 1,
                decode(repeat('00', 32), 'hex'), (SELECT id FROM users), now()
         FROM generate_series(1, 250) n;
         UPDATE batches SET files_count = 250, bytes_total = 250"
    ));
    for n in 1..=250 {
        fs::write(app.published(&format!("f{n}")), b"1").unwrap();
    }
    staff.post_form(&format!("/batches/{batch}/delete"), &[]).await.is(303);
    days(&app, 31);
    assert_eq!(due(&app).await, Purged { files: 250, bytes: 250, batches: 1 });
    assert!(app.kept().published.is_empty());
    assert_eq!(app.value("SELECT count(*) FROM audit_events WHERE action = 'attachment.purge'"), "250");
}
