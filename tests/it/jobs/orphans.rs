//! Files without a living row: what is found, what is moved, and what never is.

use std::{fs, sync::Arc};

use chrono::TimeDelta;
use stillage::{
    domain::{
        access::Actor,
        orphans::{self, GRACE, Report, Wanted},
    },
    error::{Error, Result},
};
use uuid::Uuid;

use crate::support::{TestApp, Tus, samples};

async fn clean(app: &TestApp, apply: bool, expect: Option<usize>) -> Result<Report> {
    let wanted = Wanted { older_than: GRACE, apply, expect };
    orphans::clean_up(&Arc::clone(&app.app), &Actor::console(), wanted).await
}

/// Puts a file without a row into `batches/`.
fn orphan(app: &TestApp) -> String {
    let name = format!("{}_orphan.pdf", Uuid::new_v4());
    fs::write(app.published(&name), b"orphan").unwrap();
    name
}

fn aside(app: &TestApp) -> usize {
    fs::read_dir(app.store().join(".trash")).unwrap().count()
}

#[tokio::test]
async fn everything_without_a_row_is_found_and_nothing_that_lives() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let living = staff.store(&batch, "living.pdf", &samples::pdf("living")).await;
    let gone = staff.store_id(&batch, "gone.pdf", &samples::pdf("gone")).await;
    staff.post_form(&format!("/attachments/{gone}/delete"), &[]).await.is(303);
    let tus = Tus::of(&staff).await;
    let upload = tus.create(&batch, "big.pdf", 100).await;
    tus.append(&upload, 0, &samples::pdf("begun")[..20]).await.is(204);
    let held = app.app.store.stage().unwrap();
    let staging = app.store().join(".staging");
    let left = [format!("{}.part", Uuid::new_v4()), format!("{}.upload", Uuid::new_v4())];
    for name in &left {
        fs::write(staging.join(name), b"half").unwrap();
    }
    fs::write(staging.join("notes.txt"), b"foreign").unwrap();
    let previews =
        |id: &str| app.store().join("previews").join(&id[id.len() - 2..]).join(id.replace('-', ""));
    let (own, lost) = (previews(living["id"].as_str().unwrap()), previews(&Uuid::new_v4().to_string()));
    for folder in [&own, &lost] {
        fs::create_dir_all(folder).unwrap();
    }
    let name = orphan(&app);
    fs::write(app.published("photo.jpg"), b"foreign").unwrap();
    app.execute("UPDATE uploads SET expires_at = now() + interval '1 year'");

    assert_eq!(clean(&app, false, None).await.unwrap().going(), 1, "the previews; the rest is too young");
    app.advance(TimeDelta::minutes(61));
    let before = app.kept();
    let found = clean(&app, false, None).await.unwrap();
    assert_eq!((found.published.names.as_slice(), found.staged.files), ([name.clone()].as_slice(), 2));
    assert_eq!((found.previews, found.to_import, found.going()), (1, 1, 4));
    assert_eq!((app.kept(), lost.exists()), (before, true), "a look touches nothing");

    let done = clean(&app, true, None).await.unwrap();
    assert_eq!((done.applied, done.moved), (true, 4));
    assert_eq!(app.kept().published.len(), 3, "two with rows and the foreign one");
    assert_eq!(app.kept().staged.len(), 3, "two of living uploads and the foreign one");
    assert_eq!((aside(&app), own.exists(), lost.exists()), (3, true, false));
    assert_eq!(clean(&app, true, None).await.unwrap().moved, 0);
    let event = "SELECT actor || ' ' || (details ->> 'moved') FROM audit_events
                  WHERE action = 'storage.clean_up' ORDER BY id LIMIT 1";
    assert_eq!(app.value(event), "console 4");
    drop(held);
    fs::remove_file(staging.join("notes.txt")).unwrap();
    let staff = app.stranger().sign_in("stan").await;
    Tus::of(&staff).await.cancel(&upload).await.is(204);
}

#[tokio::test]
async fn a_held_batch_loses_not_even_the_files_of_purged_rows() {
    let app = TestApp::start();
    let (staff, admin) = (app.staff().await, app.admin().await);
    let batch = staff.make_batch("B-1").await;
    staff.store(&batch, "slip.pdf", &samples::pdf("slip")).await;
    admin.post_form(&format!("/batches/{batch}/hold"), &[]).await.is(303);
    app.execute("UPDATE attachments SET state = 'purged', trashed_at = now(), trashed_by = uploaded_by");
    app.advance(TimeDelta::hours(2));
    assert_eq!(clean(&app, true, None).await.unwrap().moved, 0);
    app.execute("UPDATE batches SET held_at = NULL, held_by = NULL");
    assert_eq!(clean(&app, true, None).await.unwrap().moved, 1);
}

#[tokio::test]
async fn too_many_go_only_when_somebody_names_the_number() {
    let app = TestApp::start();
    let found: Vec<String> = (0..21).map(|_| orphan(&app)).collect();
    app.advance(TimeDelta::hours(2));
    assert!(clean(&app, false, None).await.unwrap().is_too_much());
    for (expect, code) in
        [(None, "too_many"), (Some(20), "unexpected_number"), (Some(0), "unexpected_number")]
    {
        let refused = clean(&app, true, expect).await.unwrap_err();
        assert_eq!(refused.code(), code);
        assert_eq!(aside(&app), 0);
    }
    let Error::Conflict { message, .. } = clean(&app, true, None).await.unwrap_err() else { panic!() };
    assert!(message.contains("--expect 21"), "{message}");
    fs::remove_file(app.published(&found[0])).unwrap();
    assert_eq!(clean(&app, true, None).await.unwrap().moved, 20, "20 are never too many");
    for _ in 0..30 {
        orphan(&app);
    }
    app.advance(TimeDelta::hours(2));
    assert_eq!(clean(&app, true, Some(30)).await.unwrap().moved, 30);
}

#[tokio::test]
async fn on_a_store_that_is_not_ours_nothing_is_looked_at() {
    let app = TestApp::start();
    app.staff().await.make_batch("B-1").await;
    orphan(&app);
    app.advance(TimeDelta::hours(2));
    app.unmount();
    for apply in [false, true] {
        clean(&app, apply, None).await.unwrap_err();
    }
    app.mount();
    let marker = app.store().join(".stillage-store");
    let text = fs::read(&marker).unwrap();
    fs::write(&marker, "7b0ea7a1-75f0-4a6f-8a54-0a6a4d2b6d0b\n").unwrap();
    clean(&app, true, Some(1)).await.unwrap_err();
    fs::write(&marker, text).unwrap();
    assert_eq!((app.kept().published.len(), aside(&app)), (1, 0));
}

#[tokio::test]
async fn what_was_moved_aside_goes_after_the_days_of_the_trash_unless_a_row_misses_it() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let file = staff.store(&batch, "slip.pdf", &samples::pdf("slip")).await;
    let name = file["stored_name"].as_str().unwrap();
    let trash = app.store().join(".trash");
    fs::rename(app.published(name), trash.join(name)).unwrap();
    fs::write(trash.join("unknown"), b"x").unwrap();
    app.advance(TimeDelta::days(29));
    assert_eq!(orphans::expire(&app.app).await.unwrap(), 0);
    let found = clean(&app, false, None).await.unwrap();
    assert_eq!((found.aside.files, found.wanted_back.files, found.rows_without_file), (1, 1, 1));
    app.advance(TimeDelta::days(2));
    assert_eq!(orphans::expire(&app.app).await.unwrap(), 1);
    assert_eq!(orphans::expire(&app.app).await.unwrap(), 0);
    assert!(trash.join(name).exists());
    fs::copy(trash.join(name), app.published(name)).unwrap();
    assert_eq!(orphans::expire(&app.app).await.unwrap(), 1);
    assert_eq!(app.value("SELECT count(*) FROM audit_events WHERE action = 'storage.aside_removed'"), "2");
}
