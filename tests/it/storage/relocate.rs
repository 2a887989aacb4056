//! Moving the home of all files, there and back.

use std::{fs, ops::ControlFlow};

use serde_json::Value;
use stillage::{
    config::StorageMode,
    domain::{
        access::Actor,
        copies::{self, Move, Moved, Place},
    },
};

use super::{COPIES, download, text, trail};
use crate::support::{
    Client, TestApp,
    s3::{Mood, S3},
    samples,
};

const TO_CLOUD: Move = Move { to: Place::Cloud, dry_run: false, evict: false };

/// A store whose files are on local storage only, with a bucket at hand.
async fn local_store(s3: &S3, count: usize) -> (TestApp, Client, Vec<(Value, Vec<u8>)>) {
    let app = TestApp::with_cloud(s3, "local", &[]);
    assert_eq!(app.app.config.storage_mode, StorageMode::Local);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let mut files = Vec::new();
    for n in 0..count {
        let bytes = samples::pdf_of(3000 + n);
        files.push((staff.store(&batch, &format!("{n}.pdf"), &bytes).await, bytes));
    }
    (app, staff, files)
}

async fn relocate(app: &TestApp, what: Move) -> Moved {
    copies::relocate(&app.app, &Actor::console(), what, |_| ControlFlow::Continue(())).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_and_back_with_every_hash_equal() {
    let s3 = S3::start();
    let (app, staff, files) = local_store(&s3, 12).await;
    let bytes: u64 = files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    let plan = relocate(&app, Move { dry_run: true, ..TO_CLOUD }).await;
    assert_eq!((plan.copied, plan.bytes), (12, bytes));
    assert_eq!(s3.objects().len(), 0, "a dry run only counts");

    assert_eq!(relocate(&app, TO_CLOUD).await, Moved { copied: 12, bytes, ..Moved::default() });
    assert_eq!(app.value(COPIES), "local present, cloud present");
    for (file, bytes) in &files {
        assert!(fs::read(s3.object(text(file, "stored_name"))).unwrap() == *bytes);
    }
    assert_eq!(relocate(&app, TO_CLOUD).await, Moved::default(), "what is there is left alone");

    let evicted = relocate(&app, Move { evict: true, ..TO_CLOUD }).await;
    assert_eq!(evicted, Moved { evicted: 12, ..Moved::default() });
    assert_eq!(app.kept().published, Vec::<String>::new());
    assert_eq!(app.value(COPIES), "cloud present");
    for (file, bytes) in &files {
        assert!(staff.get(&download(file)).await.is(200).body == *bytes);
    }
    assert_eq!(app.kept().published, Vec::<String>::new(), "reading does not bring them back");

    let back = relocate(&app, Move { to: Place::Local, ..TO_CLOUD }).await;
    assert_eq!(back, Moved { copied: 12, bytes, ..Moved::default() });
    assert_eq!(app.value(COPIES), "local present, cloud present");
    for (file, bytes) in &files {
        assert!(fs::read(app.published(text(file, "stored_name"))).unwrap() == *bytes);
    }
    let events = "SELECT string_agg(DISTINCT action || ' ' || n, ', ') FROM (SELECT action, count(*) AS n
        FROM audit_events WHERE action LIKE 'copy.%' GROUP BY action) e";
    assert_eq!(app.value(events), "copy.evict 12, copy.move 24");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_is_broken_off_goes_on_where_it_stopped() {
    let s3 = S3::start();
    let (app, _, _) = local_store(&s3, 6).await;
    let mut done = 0;
    let stop = |_: &str| {
        done += 1;
        if done == 2 {
            s3.set(Mood::Refusing);
        }
        ControlFlow::Continue(())
    };
    let stopped = copies::relocate(&app.app, &Actor::console(), TO_CLOUD, stop).await.unwrap();
    assert_eq!((stopped.copied, stopped.failed.len()), (2, 4));
    assert!(stopped.failed[0].1.contains("127.0.0.1"), "{:?}", stopped.failed);
    s3.set(Mood::Well);
    assert_eq!(relocate(&app, TO_CLOUD).await.copied, 4);
    assert_eq!(app.value(COPIES), "local present, cloud present");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_evicted_only_when_its_other_copy_was_just_read() {
    let s3 = S3::start();
    let (app, staff, files) = local_store(&s3, 3).await;
    relocate(&app, TO_CLOUD).await;
    let bad = text(&files[1].0, "stored_name");
    fs::write(s3.object(bad), b"damaged since").unwrap();
    let evicted = relocate(&app, Move { evict: true, ..TO_CLOUD }).await;
    assert_eq!((evicted.evicted, evicted.failed.len()), (2, 1));
    assert_eq!(app.kept().published, [bad]);
    assert_eq!(evicted.failed[0].0, "1.pdf");
    // A job mends the bad one, and then it can go, too.
    app.work_off().await;
    assert_eq!(trail(&app).matches("copy.heal cloud").count(), 1);
    assert_eq!(relocate(&app, Move { evict: true, ..TO_CLOUD }).await.evicted, 1);
    for (file, bytes) in &files {
        assert!(staff.get(&download(file)).await.is(200).body == *bytes);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_bytes_do_not_travel() {
    let s3 = S3::start();
    let (app, _, files) = local_store(&s3, 2).await;
    let name = text(&files[0].0, "stored_name");
    let mut flipped = files[0].1.clone();
    flipped[2500] ^= 1;
    fs::write(app.published(name), flipped).unwrap();
    let moved = relocate(&app, Move { evict: true, ..TO_CLOUD }).await;
    assert_eq!((moved.copied, moved.evicted, moved.failed.len()), (1, 1, 1));
    assert!(moved.failed[0].1.contains("SHA-256"));
    assert_eq!(app.kept().published, [name], "the only copy stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_is_refused_before_anything_moves() {
    let s3 = S3::start();
    let (app, _, _) = local_store(&s3, 1).await;
    let console = Actor::console();
    let relocate = |what| copies::relocate(&app.app, &console, what, |_| ControlFlow::Continue(()));
    assert!(relocate(Move { to: Place::Local, dry_run: false, evict: true }).await.is_err());
    s3.set(Mood::Refusing);
    assert!(relocate(TO_CLOUD).await.is_err(), "the bucket does not answer");
    s3.set(Mood::Well);
    let off = TestApp::start();
    assert!(
        copies::relocate(&off.app, &Actor::console(), TO_CLOUD, |_| ControlFlow::Continue(())).await.is_err()
    );
    let id = uuid::Uuid::new_v4();
    let staff = Actor::user(id, "stan".into(), stillage::domain::access::Role::Staff, vec![], None);
    assert!(copies::relocate(&app.app, &staff, TO_CLOUD, |_| ControlFlow::Continue(())).await.is_err());
}
