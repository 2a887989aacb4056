//! Whose previews are made next.

use chrono::TimeDelta;
use serde_json::json;
use stillage::db::{
    jobs::{self, JobRow, Kinds, NewJob},
    preview_jobs,
};
use uuid::Uuid;

use crate::support::TestApp;

fn owner(name: char) -> Uuid {
    Uuid::from_u128(name as u128)
}

/// Makes a job wait for each letter, in their order; the letter is its owner.
fn wait_for(app: &TestApp, owners: &str) {
    let mut conn = app.database.connect();
    for (n, name) in owners.chars().enumerate() {
        let at = app.app.clock.now() - TimeDelta::minutes(30) + TimeDelta::seconds(n as i64);
        let job = NewJob {
            id: Uuid::now_v7(),
            kind: "make_previews",
            payload: json!({ "owner": name.to_string() }),
            dedupe_key: None,
            run_at: at,
            max_attempts: 8,
            created_at: at,
            updated_at: at,
            fair_key: owner(name),
        };
        assert!(jobs::enqueue(&mut conn, &job).unwrap());
    }
}

fn claim(app: &TestApp) -> Option<JobRow> {
    // Turns are told apart by their time.
    app.advance(TimeDelta::milliseconds(1));
    let now = app.app.clock.now();
    preview_jobs::claim(&mut app.database.connect(), owner('w'), now, now + TimeDelta::seconds(60)).unwrap()
}

fn name(job: &JobRow) -> &str {
    job.payload["owner"].as_str().unwrap()
}

/// Takes and finishes jobs one after the other, and returns whose they were.
fn make_all(app: &TestApp) -> String {
    let mut made = String::new();
    while let Some(job) = claim(app) {
        made += name(&job);
        jobs::finish(&mut app.database.connect(), job.id, owner('w')).unwrap();
    }
    made
}

#[tokio::test]
async fn uploaders_take_turns_however_many_documents_wait() {
    let app = TestApp::start();
    wait_for(&app, "aaaaaabbc");
    assert_eq!(make_all(&app), "abcabaaaa");
    // Turns are remembered: who was served last waits for the others.
    wait_for(&app, "aacb");
    assert_eq!(make_all(&app), "cbaa");
}

#[tokio::test]
async fn uploader_with_fewer_documents_in_work_comes_first() {
    let app = TestApp::start();
    wait_for(&app, "aaa");
    let long = claim(&app).unwrap();
    // Somebody else was served more often and more recently, but nothing of theirs is in work.
    wait_for(&app, "bb");
    for _ in 0..2 {
        let job = claim(&app).unwrap();
        assert_eq!(name(&job), "b");
        jobs::finish(&mut app.database.connect(), job.id, owner('w')).unwrap();
    }
    // With nobody else waiting, one person may use every worker.
    assert_eq!(name(&claim(&app).unwrap()), "a");
    // A worker that is gone does not count, and its job comes first.
    app.advance(TimeDelta::seconds(61));
    assert_eq!(claim(&app).unwrap().id, long.id);
    app.execute("DELETE FROM jobs");
}

#[tokio::test]
async fn other_jobs_are_not_taken_for_previews_nor_the_other_way_round() {
    let app = TestApp::start();
    wait_for(&app, "a");
    let now = app.app.clock.now();
    let lease = now + TimeDelta::seconds(60);
    let mut conn = app.database.connect();
    assert!(jobs::claim(&mut conn, owner('w'), Kinds::AllBut(&[]), now, lease).unwrap().is_none());
    app.execute("UPDATE jobs SET kind = 'reconcile'");
    assert!(claim(&app).is_none());
    assert!(jobs::claim(&mut conn, owner('w'), Kinds::AllBut(&[]), now, lease).unwrap().is_some());
    app.execute("DELETE FROM jobs");
}
