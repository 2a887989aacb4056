//! Local storage first, a copy in the bucket soon after, whatever the bucket does meanwhile.

use std::{
    fs,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use stillage::{
    db::copy_figures::{Backlog, Figure},
    domain::{
        access::Actor,
        audit,
        copies::{self, Move, Place},
        orphans::{self, GRACE, Wanted},
        purge, storage,
    },
};

use super::{COPIES, text};
use crate::support::{
    TestApp,
    s3::{Mood, S3},
    samples,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_gets_its_copy_in_the_background() {
    let s3 = S3::start();
    let app = TestApp::with_cloud(&s3, "hybrid", &[("MAX_UPLOAD_SIZE_MB", "40")]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let bytes = [samples::pdf("small"), samples::pdf_of(20 << 20)];
    let mut files = Vec::new();
    for (n, bytes) in bytes.iter().enumerate() {
        let file = staff.store(&batch, &format!("slip {n} ü.pdf"), bytes).await;
        assert_eq!(file["copies"], serde_json::json!({ "local": "present", "cloud": "pending" }));
        files.push(file);
    }
    assert_eq!(app.value("SELECT count(*) FROM jobs WHERE kind = 'copy_replicate'"), "2");
    assert_eq!(s3.objects(), Vec::<String>::new());
    let page = format!("/attachments/{}", text(&files[0], "id"));
    staff.get_html(&page).await.is(200).shows("Local storage: safe. Cloud: on its way.");
    app.work_off().await;
    staff.get_html(&page).await.is(200).shows("Local storage: safe. Cloud: safe.");
    assert_eq!(app.value(COPIES), "local present, cloud present");
    for (file, bytes) in files.iter().zip(&bytes) {
        assert!(fs::read(s3.object(text(file, "stored_name"))).unwrap() == *bytes);
    }
    assert_eq!(app.value("SELECT count(*) FROM attachment_copies WHERE verified_at IS NULL"), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_without_a_cloud_makes_no_jobs() {
    let s3 = S3::start();
    for app in [TestApp::start(), TestApp::with_cloud(&s3, "local", &[])] {
        let staff = app.staff().await;
        let batch = staff.make_batch("B-1").await;
        let file = staff.store(&batch, "slip.pdf", &samples::pdf("x")).await;
        assert_eq!(file["copies"], serde_json::json!({ "local": "present", "cloud": "none" }));
        assert_eq!(app.value("SELECT count(*) FROM jobs WHERE kind LIKE 'copy%'"), "0");
    }
    assert_eq!(copies::enqueue_backlog(&TestApp::start().app).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_do_not_need_the_cloud_and_the_backlog_drains_by_itself() {
    let s3 = S3::start_for_the_impatient();
    let app = TestApp::with_cloud(&s3, "hybrid", &[]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let table = [
        (Mood::Refusing, "The connection to 127.0.0.1"),
        (Mood::Stalling, "does not answer in time"),
        (Mood::Overloaded, "is not able to serve right now (503)"),
    ];
    let mut stored = Vec::new();
    for (mood, reason) in table {
        let staff = app.stranger().sign_in("stan").await;
        s3.set(mood);
        // A bucket that is silent is asked every few seconds only: this one is asked now.
        app.app.cloud.as_ref().unwrap().probe().await.unwrap_err();
        let begun = Instant::now();
        for n in 0..5 {
            let bytes = samples::pdf(&format!("{mood:?} {n}"));
            let file = staff.store(&batch, &format!("{mood:?} {n}.pdf"), &bytes).await;
            stored.push((text(&file, "stored_name").to_owned(), bytes));
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "uploads wait for nothing");
        let noted = format!(
            "SELECT count(*) FROM attachment_copies WHERE state = 'pending' AND last_error LIKE '%{reason}%'"
        );
        // What failed before fails again.
        app.work_until("the failures are noted", || app.value(&noted) == stored.len().to_string()).await;
        app.advance(TimeDelta::hours(2));
    }
    let seen = storage::overview(&app.app, &Actor::console()).await.unwrap();
    assert_eq!((seen.backlog.pending, seen.failures.len(), seen.dead_jobs), (15, 15, 0));
    assert!(seen.bucket.unwrap().trouble.is_some());
    assert!(app.app.clock.now() - seen.backlog.oldest.unwrap() > TimeDelta::hours(5));
    assert_eq!(s3.objects(), Vec::<String>::new());

    s3.set(Mood::Well);
    app.work_off().await;
    assert_eq!(app.value(COPIES), "local present, cloud present");
    let mut expected: Vec<String> = stored.iter().map(|(name, _)| name.clone()).collect();
    expected.sort();
    assert_eq!(s3.objects(), expected, "nothing is missing, nothing is there twice");
    for (name, bytes) in stored {
        assert!(fs::read(s3.object(&name)).unwrap() == bytes);
    }
    assert_eq!(app.value("SELECT count(*) FROM attachment_copies WHERE last_error IS NOT NULL"), "0");
    let seen = storage::overview(&app.app, &Actor::console()).await.unwrap();
    let bytes: i64 = app.value("SELECT sum(size_bytes) FROM attachments").parse().unwrap();
    let figure =
        |place: &str| Figure { place: place.into(), state: "present".into(), files: 15, bytes, read: 15 };
    assert_eq!(seen.figures, [figure("local"), figure("cloud")]);
    assert_eq!((seen.backlog, seen.failures.len()), (Backlog::default(), 0));
    assert!(seen.bucket.unwrap().trouble.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_cloud_is_back_what_waits_for_it_is_hurried() {
    let s3 = S3::start();
    let app = TestApp::with_cloud(&s3, "hybrid", &[]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    for n in 0..6 {
        staff.store(&batch, &format!("{n}.pdf"), &samples::pdf("x")).await;
    }
    s3.set(Mood::Refusing);
    let waiting =
        "SELECT count(*) FROM jobs WHERE kind = 'copy_replicate' AND state = 'waiting' AND attempts > 0";
    app.work_until("each has failed", || app.value(waiting) == "6").await;
    s3.set(Mood::Well);
    // One is due; without a hurry the others would wait for minutes.
    app.execute("UPDATE jobs SET run_at = run_at + interval '30 minutes'");
    app.execute("UPDATE jobs SET run_at = now() WHERE kind <> 'copy_replicate'");
    app.execute(
        "UPDATE jobs SET run_at = now() WHERE id = (SELECT id FROM jobs WHERE kind = 'copy_replicate' LIMIT 1)",
    );
    app.work_off().await;
    assert_eq!(app.value(COPIES), "local present, cloud present");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_from_before_the_cloud_get_their_copies_too() {
    let s3 = S3::start();
    let app = TestApp::with_cloud(&s3, "hybrid", &[]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    for n in 0..7 {
        staff.store(&batch, &format!("{n}.pdf"), &samples::pdf(&n.to_string())).await;
    }
    let trashed = staff.store_id(&batch, "trashed.pdf", &samples::pdf("t")).await;
    staff.post_form(&format!("/attachments/{trashed}/delete"), &[]).await.is(303);
    app.execute("DELETE FROM jobs; DELETE FROM attachment_copies WHERE place = 'cloud'");
    assert_eq!(copies::enqueue_backlog(&app.app).await.unwrap(), 8, "the trash can be restored");
    assert_eq!(copies::enqueue_backlog(&app.app).await.unwrap(), 0, "once is enough");
    app.work_off().await;
    assert_eq!(s3.objects().len(), 8);
    assert_eq!(copies::enqueue_backlog(&app.app).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_given_up_is_shown_and_can_be_taken_up_again() {
    let s3 = S3::start();
    let app = TestApp::with_cloud(&s3, "hybrid", &[]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    staff.store(&batch, "slip.pdf", &samples::pdf("x")).await;
    s3.set(Mood::Refusing);
    app.execute("UPDATE jobs SET max_attempts = 1");
    app.work_until("it is given up", || app.value(COPIES) == "local present, cloud failed").await;
    let seen = storage::overview(&app.app, &Actor::console()).await.unwrap();
    assert_eq!((seen.backlog.failed, seen.dead_jobs), (1, 1));
    assert!(seen.failures[0].error.as_ref().unwrap().contains("127.0.0.1"));
    assert!(storage::test_connection(&app.app, &Actor::console()).await.unwrap().is_some());
    app.stranger().get("/health/ready").await.is(200).shows("ready\ndegraded: cloud\n");

    s3.set(Mood::Well);
    assert_eq!(storage::test_connection(&app.app, &Actor::console()).await.unwrap(), None);
    app.advance(TimeDelta::seconds(1));
    app.stranger().get("/health/ready").await.is(200).hides("degraded");
    assert_eq!(storage::sync(&app.app, &Actor::console()).await.unwrap(), 1);
    app.work_off().await;
    assert_eq!(app.value(COPIES), "local present, cloud present");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_file_can_be_tried_again_and_all_can_be_put_off() {
    let s3 = S3::start();
    let app = TestApp::with_cloud(&s3, "hybrid", &[]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let console = Actor::console();
    let first = staff.store_id(&batch, "a.pdf", &samples::pdf("a")).await.parse().unwrap();
    let second = staff.store_id(&batch, "b.pdf", &samples::pdf("b")).await.parse().unwrap();
    s3.set(Mood::Refusing);
    app.execute("UPDATE jobs SET max_attempts = 1");
    app.work_until("both are given up", || app.value(COPIES) == "local present, cloud failed").await;
    s3.set(Mood::Well);
    app.app.cloud.as_ref().unwrap().probe().await.unwrap();

    storage::set_paused(&app.app, &console, true).await.unwrap();
    assert!(storage::overview(&app.app, &console).await.unwrap().paused);
    storage::retry(&app.app, &console, first).await.unwrap();
    let heal = |conn: &mut _| copies::enqueue_heal(conn, &app.app.clock, first);
    heal(&mut app.database.connect()).unwrap();
    let left = "SELECT string_agg(kind || ' ' || state, ', ' ORDER BY kind, state) FROM jobs";
    let waiting = "copy_replicate dead, copy_replicate waiting";
    app.work_until("all but new copies", || app.value(left) == waiting).await;
    storage::set_paused(&app.app, &console, false).await.unwrap();
    app.work_until("the copy is made", || app.value(left) == "copy_replicate dead").await;
    assert_eq!(s3.objects().len(), 1);
    storage::retry(&app.app, &console, second).await.unwrap();
    app.work_off().await;
    assert_eq!(app.value(COPIES), "local present, cloud present");
    storage::retry(&app.app, &console, second).await.unwrap();
    assert_eq!(app.value("SELECT count(*) FROM jobs"), "0", "what is there needs no copy");
    assert!(storage::retry(&app.app, &console, uuid::Uuid::new_v4()).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_takes_both_copies() {
    let s3 = S3::start();
    let app = TestApp::with_cloud(&s3, "hybrid", &[]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let [gone, kept] = ["a", "b"].map(|name| (format!("{name}.pdf"), samples::pdf(name)));
    let id = staff.store_id(&batch, &gone.0, &gone.1).await;
    let kept = staff.store(&batch, &kept.0, &kept.1).await;
    app.work_off().await;
    staff.post_form(&format!("/attachments/{id}/delete"), &[]).await.is(303);
    app.advance(TimeDelta::days(31));
    s3.set(Mood::Refusing);
    assert!(purge::due(&app.app).await.is_err());
    assert_eq!(app.kept().published.len(), 2, "the bucket first: what it keeps stays here too");
    s3.set(Mood::Well);
    assert_eq!(purge::due(&app.app).await.unwrap().files, 1);
    assert_eq!(s3.objects(), [text(&kept, "stored_name")]);
    assert_eq!(app.kept().published, [text(&kept, "stored_name")]);
    assert_eq!(app.value(COPIES), "local present, cloud present");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_was_on_its_way_when_the_purge_began_is_taken_back() {
    let s3 = S3::start();
    let app = TestApp::with_cloud(&s3, "hybrid", &[]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    staff.store(&batch, "a.pdf", &samples::pdf("a")).await;
    // A move has the file on its list; then the purge begins; then the copy is made.
    app.execute("INSERT INTO purges (attachment_id, begun_at) SELECT id, now() FROM attachments");
    let to_cloud = Move { to: Place::Cloud, dry_run: false, evict: false };
    let go_on = |_: &str| ControlFlow::Continue(());
    let moved = copies::relocate(&app.app, &Actor::console(), to_cloud, go_on).await.unwrap();
    assert_eq!((moved.copied, moved.failed.len()), (0, 1));
    assert_eq!(s3.objects(), Vec::<String>::new());
    app.work_off().await;
    assert_eq!(s3.objects(), Vec::<String>::new(), "and none is made later");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_copy_that_is_bad_never_reaches_the_bucket() {
    let s3 = S3::start();
    let app = TestApp::with_cloud(&s3, "hybrid", &[]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let file = staff.store(&batch, "slip.pdf", &samples::pdf("x")).await;
    let path = app.published(text(&file, "stored_name"));
    let mut bytes = fs::read(&path).unwrap();
    bytes[20] ^= 1;
    fs::write(&path, bytes).unwrap();
    let noted = "SELECT last_error FROM attachment_copies WHERE place = 'cloud'";
    app.work_until("it is refused", || app.value(noted).contains("SHA-256")).await;
    assert_eq!(s3.objects(), Vec::<String>::new());
    app.execute("DELETE FROM jobs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_admins_see_and_touch_the_homes() {
    let s3 = S3::start();
    let app = TestApp::with_cloud(&s3, "hybrid", &[]);
    let staff =
        Actor::user(uuid::Uuid::new_v4(), "stan".into(), stillage::domain::access::Role::Staff, vec![], None);
    assert!(storage::overview(&app.app, &staff).await.is_err());
    assert!(storage::test_connection(&app.app, &staff).await.is_err());
    assert!(storage::sync(&app.app, &staff).await.is_err());
    assert!(storage::set_paused(&app.app, &staff, true).await.is_err());
    assert!(storage::retry(&app.app, &staff, uuid::Uuid::new_v4()).await.is_err());
    let off = TestApp::start();
    assert!(storage::sync(&off.app, &Actor::console()).await.is_err(), "there is no cloud");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_tell_backlog_and_lag() {
    let s3 = S3::start();
    let app = TestApp::with_cloud(&s3, "hybrid", &[]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    staff.store(&batch, "slip.pdf", &samples::pdf("x")).await;
    app.advance(TimeDelta::seconds(90));
    let text = app.stranger().get("/metrics").await.is(200);
    let text = text.shows("stillage_state{of=\"copies\",state=\"backlog\"} 1");
    let lag = text.text();
    let (_, lag) = lag.split_once("stillage_state{of=\"copies\",state=\"lag_seconds\"} ").unwrap();
    assert!(lag.lines().next().unwrap().parse::<u32>().unwrap() >= 90);
    app.work_off().await;
    let text = app.stranger().get("/metrics").await.is(200);
    text.shows("stillage_state{of=\"copies\",state=\"backlog\"} 0").shows("lag_seconds\"} 0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_without_a_row_is_moved_aside_and_goes_in_the_end() {
    let s3 = S3::start();
    let app = TestApp::with_cloud(&s3, "hybrid", &[]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let living = staff.store(&batch, "a.pdf", &samples::pdf("a")).await;
    app.work_off().await;
    // The store is older than the bucket's objects, to the second that an engine tells.
    let marker = fs::File::options().write(true).open(app.store().join(".stillage-store")).unwrap();
    let made_at = marker.metadata().unwrap().modified().unwrap();
    marker.set_modified(made_at - Duration::from_secs(60)).unwrap();
    let orphan = format!("{}_orphan.pdf", uuid::Uuid::new_v4());
    for name in [orphan.as_str(), "foreign.pdf"] {
        fs::write(s3.object(name), b"orphan").unwrap();
    }
    let clean = |apply| {
        let wanted = Wanted { older_than: GRACE, apply, expect: None };
        let app = std::sync::Arc::clone(&app.app);
        async move { orphans::clean_up(&app, &Actor::console(), wanted).await.unwrap() }
    };
    assert_eq!(clean(true).await.going(), 0, "its row may be on its way");
    app.advance(TimeDelta::hours(2));
    let found = clean(false).await;
    assert_eq!((found.going(), found.objects.names), (1, vec![orphan.clone()]));
    assert_eq!(clean(true).await.moved, 1);
    let mut left = vec![text(&living, "stored_name").to_owned(), "foreign.pdf".to_owned()];
    left.sort();
    assert_eq!(s3.objects(), left);
    assert_eq!(orphans::expire(&app.app).await.unwrap(), 0);
    app.advance(TimeDelta::days(31));
    assert_eq!(orphans::expire(&app.app).await.unwrap(), 1);
    assert_eq!(clean(false).await.going(), 0);
    s3.set(Mood::Refusing);
    let found = clean(false).await;
    assert!(found.bucket_trouble.is_some_and(|trouble| trouble.contains("127.0.0.1")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_head_of_the_trail_is_kept_in_the_bucket() {
    let s3 = S3::start();
    let app = TestApp::with_cloud(&s3, "hybrid", &[]);
    app.staff().await.make_batch("B-1").await;
    for _ in 0..2 {
        audit::anchor::drop_anchor(&app.app).await.unwrap();
        assert!(s3.heads().is_empty(), "nothing is sealed yet");
    }
    audit::seal::seal_pending(&app.app).await.unwrap();
    for _ in 0..2 {
        audit::anchor::drop_anchor(&app.app).await.unwrap();
        assert_eq!(s3.heads().len(), 1);
    }
    let kept: serde_json::Value = serde_json::from_slice(&s3.heads()[0]).unwrap();
    assert_eq!(
        kept["hash"],
        app.value("SELECT encode(hash, 'hex') FROM audit_seals ORDER BY id DESC LIMIT 1")
    );
    // Whoever rewrites the chain cannot rewrite what is kept.
    app.execute("ALTER TABLE audit_seals DISABLE TRIGGER USER; UPDATE audit_seals SET hash = sha256('x')");
    assert!(audit::anchor::drop_anchor(&app.app).await.is_err());
}
