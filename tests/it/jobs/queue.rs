//! The queue, its schedule and its worker.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use stillage::{
    db::jobs::{self, Kinds, NewJob},
    jobs::{Job, Worker, schedule},
};
use uuid::Uuid;

use crate::support::{TestApp, eventually};

const WAITING: &str = "SELECT string_agg(kind, ' ' ORDER BY kind) FROM jobs";

/// Takes everything that recurs off the schedule for as long as the clock is not moved far.
async fn skip_the_schedule(app: &TestApp) {
    schedule::enqueue_due(&app.app).await.unwrap();
    app.execute("DELETE FROM jobs");
}

/// Lets a worker take what is due.
async fn work(app: &TestApp, until: impl Fn() -> bool) {
    let worker = Worker::start(&app.app);
    eventually("the worker did it", until);
    worker.stop(Duration::from_secs(20)).await;
}

fn enqueue(app: &TestApp, kind: &str, max_attempts: i32) -> Uuid {
    let (id, now) = (Uuid::now_v7(), app.app.clock.now());
    let payload = json!({ "kind": kind });
    let job = NewJob {
        id,
        kind,
        payload,
        dedupe_key: None,
        run_at: now,
        max_attempts,
        created_at: now,
        updated_at: now,
        fair_key: Uuid::nil(),
    };
    assert!(jobs::enqueue(&mut app.database.connect(), &job).unwrap());
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_recurs_waits_once_and_comes_again_when_it_is_due() {
    let app = TestApp::start();
    let often = "copy_head copy_scrub expire_sessions fold_usage purge_trash reconcile sweep_staging";
    let all =
        "copy_head copy_scrub expire_sessions fold_usage purge_trash reconcile sweep_staging verify_trail";
    for _ in 0..2 {
        schedule::enqueue_all(&app.app).await.unwrap();
        schedule::enqueue_due(&app.app).await.unwrap();
        assert_eq!(app.value(WAITING), all);
    }
    work(&app, || app.value(WAITING) == "null").await;
    schedule::enqueue_due(&app.app).await.unwrap();
    assert_eq!(app.value(WAITING), "null", "nothing is due again yet");
    let mut connection = app.database.connect();
    let table = [
        (601, "copy_scrub expire_sessions fold_usage"),
        (300, "copy_scrub expire_sessions fold_usage sweep_staging"),
        (6 * 3600, often),
        (24 * 3600, all),
    ];
    for (seconds, expected) in table {
        app.advance(TimeDelta::seconds(seconds));
        schedule::enqueue_due(&app.app).await.unwrap();
        assert_eq!(app.value(WAITING), expected);
        // A job that still waits is not added again.
        assert!(
            !Job::ExpireSessions.enqueue(&mut connection, &app.app.clock, Some("expire_sessions")).unwrap()
        );
    }
    work(&app, || app.value(WAITING) == "null").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_ends_sessions_and_sweeps_what_a_crash_left() {
    let app = TestApp::start();
    app.staff().await;
    app.advance(TimeDelta::hours(13));
    let _fresh = app.stranger().sign_in("stan").await;
    let left = app.store().join(format!(".staging/{}.part", Uuid::new_v4()));
    std::fs::write(&left, b"half").unwrap();
    let living = app.app.store.stage().unwrap();
    schedule::enqueue_all(&app.app).await.unwrap();
    work(&app, || app.value(WAITING) == "null").await;
    assert_eq!(app.value("SELECT count(*) FROM sessions"), "1");
    assert!(!left.exists());
    assert_eq!(app.kept().staged.len(), 1, "a living upload is spared");
    drop(living);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_is_tried_again_later_and_less_often_until_it_is_dead() {
    let app = TestApp::start();
    skip_the_schedule(&app).await;
    enqueue(&app, "nonsense", 3);
    let wait = "SELECT extract(epoch FROM run_at - updated_at)::int FROM jobs WHERE dedupe_key IS NULL";
    let mut waits: Vec<i32> = Vec::new();
    for attempt in 1..=2 {
        work(&app, || {
            app.value("SELECT attempts || state FROM jobs WHERE dedupe_key IS NULL")
                == format!("{attempt}waiting")
        })
        .await;
        waits.push(app.value(wait).parse().unwrap());
        app.advance(TimeDelta::seconds(i64::from(waits[attempt - 1]) + 1));
    }
    assert!((7..=13).contains(&waits[0]) && (14..=26).contains(&waits[1]), "{waits:?}");
    work(&app, || app.value("SELECT attempts || state FROM jobs WHERE dedupe_key IS NULL") == "3dead").await;
    assert!(app.value("SELECT last_error FROM jobs WHERE dedupe_key IS NULL").contains("nonsense"));
    app.advance(TimeDelta::days(1));
    let claimed = claim(&app, Uuid::now_v7());
    assert!(claimed.is_none(), "the dead are left to people");
    app.execute("DELETE FROM jobs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_comparison_without_a_store_is_repeated_when_the_store_is_back() {
    let app = TestApp::start();
    skip_the_schedule(&app).await;
    app.unmount();
    Job::Reconcile.enqueue(&mut app.database.connect(), &app.app.clock, None).unwrap();
    work(&app, || app.value("SELECT attempts || state FROM jobs WHERE dedupe_key IS NULL") == "1waiting")
        .await;
    app.mount();
    app.advance(TimeDelta::minutes(1));
    work(&app, || app.value(WAITING) == "null").await;
}

fn claim(app: &TestApp, worker: Uuid) -> Option<jobs::JobRow> {
    let now = app.app.clock.now();
    jobs::claim(&mut app.database.connect(), worker, Kinds::AllBut(&[]), now, lease(now)).unwrap()
}

fn lease(now: DateTime<Utc>) -> DateTime<Utc> {
    now + TimeDelta::seconds(60)
}

#[tokio::test]
async fn a_lease_that_runs_out_goes_to_the_next_worker() {
    let app = TestApp::start();
    let id = enqueue(&app, "expire_sessions", 8);
    let (dead, living) = (Uuid::now_v7(), Uuid::now_v7());
    assert_eq!(claim(&app, dead).map(|job| (job.id, job.attempts)), Some((id, 1)));
    assert!(claim(&app, living).is_none());

    let mut connection = app.database.connect();
    app.advance(TimeDelta::seconds(50));
    let until = lease(app.app.clock.now());
    assert!(jobs::heartbeat(&mut connection, id, dead, until).unwrap());
    app.advance(TimeDelta::seconds(50));
    assert!(claim(&app, living).is_none(), "a heartbeat prolongs the lease");

    app.advance(TimeDelta::seconds(11));
    assert_eq!(claim(&app, living).map(|job| (job.id, job.attempts)), Some((id, 2)));
    assert!(!jobs::heartbeat(&mut connection, id, dead, until).unwrap());
    jobs::finish(&mut connection, id, dead).unwrap();
    jobs::fail(&mut connection, id, dead, "late", None, app.app.clock.now()).unwrap();
    assert_eq!(app.value("SELECT state || attempts FROM jobs"), "running2", "the first has no say any more");
    jobs::finish(&mut connection, id, living).unwrap();
}

#[tokio::test]
async fn two_workers_never_take_the_same_job() {
    let app = TestApp::start();
    let ids: Vec<Uuid> = (0..20).map(|_| enqueue(&app, "expire_sessions", 8)).collect();
    let mut taken: Vec<Uuid> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let worker = Uuid::now_v7();
                    std::iter::from_fn(|| claim(&app, worker)).map(|job| job.id).collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    taken.sort();
    assert_eq!(taken, ids);
    app.execute("DELETE FROM jobs");
}
