//! Background work as admins see it, and what they do about it.

use std::time::Duration;

use chrono::TimeDelta;
use stillage::jobs::{Worker, schedule};

use crate::support::{TestApp, eventually, samples};

/// Adds a job in some state and returns its id.
fn add(app: &TestApp, kind: &str, state: &str, attempts: i32, due: &str, key: &str) -> String {
    let lease = if state == "running" { "gen_random_uuid(), now() + interval '1 min'" } else { "NULL, NULL" };
    let key = if key.is_empty() { "NULL".to_owned() } else { format!("'{key}'") };
    let error = if attempts > 0 { "'the disk is full'" } else { "NULL" };
    app.execute(&format!(
        "INSERT INTO jobs (id, kind, payload, state, dedupe_key, run_at, attempts, max_attempts, leased_by,
                           lease_until, last_error, created_at, updated_at)
         VALUES (gen_random_uuid(), '{kind}', '{{\"kind\": \"{kind}\"}}', '{state}', {key}, now() + interval '{due}',
                 {attempts}, 8, {lease}, {error}, now(), clock_timestamp())"
    ));
    app.value("SELECT id FROM jobs ORDER BY updated_at DESC LIMIT 1")
}

fn states(app: &TestApp) -> String {
    app.value("SELECT string_agg(state || ' ' || attempts, ', ' ORDER BY state, attempts) FROM jobs")
}

fn clear(app: &TestApp) {
    app.execute("DELETE FROM jobs");
}

#[tokio::test]
async fn every_state_has_its_jobs_and_nothing_is_hidden() {
    let app = TestApp::start();
    let admin = app.admin().await;
    admin.get_html("/admin/jobs").await.is(200).shows("Nothing to do").shows("Schedule").shows("Never");
    add(&app, "reconcile", "running", 1, "0", "");
    add(&app, "expire_sessions", "waiting", 0, "-1 min", "");
    add(&app, "sweep_staging", "waiting", 0, "1 hour", "");
    add(&app, "verify_trail", "waiting", 3, "1 min", "");
    add(&app, "of_another_version", "dead", 8, "-1 hour", "");
    let page = admin.get_html("/admin/jobs").await.is(200).hides("Nothing to do");
    let page = page.shows("Compare store and database").shows("Remove sessions that are over");
    let page = page.shows("Clear away uploads").shows("Verify the audit trail").shows("of_another_version");
    page.shows("the disk is full").shows("3 of 8").shows("Retry all dead");
    let only = [
        ("running", "title-running"),
        ("ready", "title-ready"),
        ("delayed", "title-delayed"),
        ("failed", "title-failed"),
        ("dead", "title-dead"),
    ];
    for (state, title) in only {
        let page = admin.get_html(&format!("/admin/jobs?state={state}")).await.is(200).shows(title);
        for (_, other) in only.iter().filter(|(other, _)| *other != state) {
            assert!(!page.text().contains(&format!("id=\"{other}\"")), "{state} shows {other}");
        }
    }
    admin.get_html("/admin/jobs?state=dead&cursor=nonsense").await.is(400);
    clear(&app);
}

#[tokio::test]
async fn many_jobs_of_a_state_come_in_pages() {
    let app = TestApp::start();
    let admin = app.admin().await;
    for (state, attempts) in [("dead", 8), ("waiting", 2), ("waiting", 0)] {
        app.execute(&format!(
            "INSERT INTO jobs (id, kind, payload, state, run_at, attempts, max_attempts, created_at, updated_at)
             SELECT gen_random_uuid(), 'k-' || '{state}{attempts}-' || lpad(n::text, 3, '0'), '{{}}', '{state}',
                    now() - interval '1 hour' + n / 4 * interval '1 s', {attempts}, 8, now(),
                    now() - n / 4 * interval '1 s'
               FROM generate_series(1, 250) n"
        ));
    }
    for (state, kind) in [("dead", "k-dead8-"), ("failed", "k-waiting2-"), ("ready", "k-waiting0-")] {
        let (mut path, mut found) = (format!("/admin/jobs?state={state}"), Vec::new());
        for _ in 0..3 {
            let page = admin.get_html(&path).await.is(200).text();
            let cell = format!("<span>{kind}");
            let rows = page.match_indices(&cell);
            let length = kind.len() + 3;
            found.extend(rows.map(|(at, _)| page[at + 6..at + 6 + length].to_owned()));
            let Some((_, rest)) = page.split_once("rel=\"next\" href=\"") else { break };
            path = rest.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
        }
        found.sort();
        found.dedup();
        assert_eq!(found.len(), 250, "{state}");
    }
    admin.get_html("/admin/jobs").await.is(200).shows("250 in all").shows("Show all");
    clear(&app);
}

#[tokio::test]
async fn a_dead_job_is_sent_to_work_again_or_thrown_away() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let dead = add(&app, "reconcile", "dead", 8, "-1 hour", "reconcile");
    admin.post_form(&format!("/admin/jobs/{dead}/retry"), &[]).await.is(303);
    assert_eq!(states(&app), "waiting 0");
    assert_eq!(app.value("SELECT run_at <= now() + interval '1 s' FROM jobs"), "true");
    // Its like waits now: a second one of the same key cannot come to life.
    let twin = add(&app, "reconcile", "dead", 8, "-1 hour", "reconcile");
    admin.post_form(&format!("/admin/jobs/{twin}/retry"), &[]).await.is(409);
    admin.post_form(&format!("/admin/jobs/{twin}/discard"), &[]).await.is(303);
    admin.post_form(&format!("/admin/jobs/{twin}/discard"), &[]).await.is(404);
    admin.post_form(&format!("/admin/jobs/{dead}/discard"), &[]).await.is(303);
    assert_eq!(states(&app), "null");
    let record = "SELECT string_agg(action || ' ' || (details->>'kind') || ' ' || actor, ', ' ORDER BY id)
                    FROM audit_events WHERE action LIKE 'job.%'";
    assert_eq!(
        app.value(record),
        "job.retry reconcile ada, job.discard reconcile ada, job.discard reconcile ada"
    );
    admin.get_html("/admin/audit?group=upkeep").await.shows("Compare store and database");
}

#[tokio::test]
async fn a_failed_job_need_not_wait_and_a_running_one_is_left_alone() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let failed = add(&app, "reconcile", "waiting", 3, "1 hour", "");
    admin.post_form(&format!("/admin/jobs/{failed}/retry"), &[]).await.is(303);
    assert_eq!(states(&app), "waiting 3", "its attempts stay");
    assert_eq!(app.value("SELECT run_at <= now() + interval '1 s' FROM jobs"), "true");
    clear(&app);
    let running = add(&app, "reconcile", "running", 1, "0", "");
    for act in ["retry", "discard"] {
        admin.post_form(&format!("/admin/jobs/{running}/{act}"), &[]).await.is(409);
    }
    assert_eq!(states(&app), "running 1");
    clear(&app);
}

#[tokio::test]
async fn all_dead_jobs_at_once_but_none_beside_its_like() {
    let app = TestApp::start();
    let admin = app.admin().await;
    for (state, attempts, key) in [
        ("dead", 8, ""),
        ("dead", 8, ""),
        ("dead", 8, "a"),
        ("dead", 8, "a"),
        ("dead", 8, "b"),
        ("waiting", 1, "b"),
    ] {
        add(&app, "reconcile", state, attempts, "-1 min", key);
    }
    admin.post_form("/admin/jobs/retry-dead", &[]).await.is(303);
    assert_eq!(states(&app), "dead 8, dead 8, waiting 0, waiting 0, waiting 0, waiting 1");
    assert_eq!(app.value("SELECT details->>'jobs' FROM audit_events WHERE action = 'job.retry_dead'"), "3");
    admin.get_html("/admin/jobs").await.shows("Sent to work again: 3 dead jobs");
    clear(&app);
}

#[tokio::test]
async fn a_job_names_its_file() {
    let app = TestApp::start();
    let (admin, staff) = (app.admin().await, app.staff().await);
    let batch = staff.make_batch("B-1").await;
    let file = staff.store(&batch, "slip.pdf", &samples::pdf("slip")).await;
    let link = format!("href=\"/attachments/{}\"", file["id"].as_str().unwrap());
    admin.get_html("/admin/jobs").await.is(200).shows("Draw previews").shows(&link).shows("slip.pdf");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_schedule_knows_the_last_run_and_the_next() {
    let app = TestApp::start();
    let admin = app.admin().await;
    schedule::enqueue_due(&app.app).await.unwrap();
    admin.get_html("/admin/jobs").await.is(200).shows("Now").shows("6 hours").shows("1 day");
    let worker = Worker::start(&app.app);
    eventually("all ran", || {
        app.value("SELECT count(*) FROM schedule_runs") == schedule::TABLE.len().to_string()
    });
    worker.stop(Duration::from_secs(20)).await;
    let page = admin.get_html("/admin/jobs").await.is(200).hides("Never").hides(">Now<");
    page.shows("Done");
    // One that fails says so, and why.
    app.advance(TimeDelta::days(2));
    app.unmount();
    schedule::enqueue_due(&app.app).await.unwrap();
    let worker = Worker::start(&app.app);
    let failed = "SELECT count(*) FROM schedule_runs WHERE kind = 'reconcile' AND problem <> ''";
    eventually("it failed", || app.value(failed) == "1");
    worker.stop(Duration::from_secs(20)).await;
    app.mount();
    // Two days are longer than any session.
    let admin = app.stranger().sign_in("ada").await;
    admin.get_html("/admin/jobs").await.is(200).shows("Failed");
    clear(&app);
}
