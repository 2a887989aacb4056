//! `/admin/storage`: what it shows, and what its buttons do.

use std::fs;

use super::{COPIES, text};
use crate::support::{
    TestApp,
    s3::{Mood, S3},
    samples,
};

const PAGE: &str = "/admin/storage";

#[tokio::test]
async fn without_a_bucket_it_says_how_to_get_one() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let page = admin.get_html(PAGE).await.is(200).shows("ENABLE_ATTACHMENT_CLOUD_STORAGE=true");
    page.shows("The right storage is mounted").hides("Move all files");
    fs::rename(app.store().join(".stillage-store"), app.store().join("elsewhere")).unwrap();
    admin.get_html(PAGE).await.is(200).shows("Local storage cannot be written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_shown_in_words_and_tried_again() {
    let s3 = S3::start();
    let app = TestApp::with_cloud(&s3, "hybrid", &[]);
    let (staff, admin) = (app.staff().await, app.admin().await);
    let batch = staff.make_batch("B-1").await;
    let file = staff.store(&batch, "slip.pdf", &samples::pdf("x")).await;
    admin
        .get_html(PAGE)
        .await
        .is(200)
        .shows("0 <small>of 1 file verified there")
        .shows("1 file, oldest from");
    let stats = admin.get("/api/stats").await.is(200).json();
    assert_eq!((&stats["cloud"]["waiting"], &stats["cloud"]["failed"]), (&1.into(), &0.into()));
    admin.get_html("/admin").await.is(200).shows("Copies the bucket waits for");
    s3.set(Mood::Refusing);
    let failed = "SELECT count(*) FROM attachment_copies WHERE last_error IS NOT NULL";
    app.work_until("the copy has failed", || app.value(failed) == "1").await;
    let page = admin.get_html(PAGE).await.is(200).shows("slip.pdf").shows("will be tried again");
    page.shows("127.0.0.1");
    admin.post_form("/admin/storage/test", &[]).await.is(303);
    admin.get_html(PAGE).await.shows("The bucket does not work: ");

    s3.set(Mood::Well);
    admin.post_form("/admin/storage/test", &[]).await.is(303);
    admin.get_html(PAGE).await.shows("gave it back and deleted it");
    admin.post_form("/admin/storage/retry", &[("id", text(&file, "id"))]).await.is(303);
    admin.post_form("/admin/storage/sync", &[]).await.is(303);
    app.work_off().await;
    let page = admin.get_html(PAGE).await.shows("1 <small>of 1 file verified there").shows("1 (100.0 %)");
    page.hides("will be tried again").shows("2 copies, ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_are_put_off_and_gone_on_with() {
    let s3 = S3::start();
    let app = TestApp::with_cloud(&s3, "hybrid", &[]);
    let (staff, admin) = (app.staff().await, app.admin().await);
    admin.post_form("/admin/storage/pause", &[]).await.is(303);
    admin.get_html(PAGE).await.shows("Paused").shows("Go on");
    let batch = staff.make_batch("B-1").await;
    staff.store(&batch, "slip.pdf", &samples::pdf("x")).await;
    let others = "SELECT count(*) FROM jobs WHERE kind <> 'copy_replicate'";
    app.work_until("all else is done", || app.value(others) == "0").await;
    assert_eq!(s3.objects(), Vec::<String>::new());
    admin.post_form("/admin/storage/resume", &[]).await.is(303);
    app.work_off().await;
    assert_eq!(s3.objects().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_runs_as_a_job_and_frees_the_disk() {
    let s3 = S3::start();
    let app = TestApp::with_cloud(&s3, "cloud", &[]);
    let (staff, admin) = (app.staff().await, app.admin().await);
    let batch = staff.make_batch("B-1").await;
    for n in 0..3 {
        staff.store(&batch, &format!("{n}.pdf"), &samples::pdf("x")).await;
    }
    admin.post_form("/admin/storage/move", &[("to", "local")]).await.is(303);
    admin.get_html(PAGE).await.shows("Moving to local storage").shows("0 of 3 files").hides("Bring all back");
    let again = admin.post_for_json("/admin/storage/move", &[("to", "cloud")]).await.is(409);
    assert_eq!(again.code(), "move_under_way");
    app.work_off().await;
    admin.get_html(PAGE).await.shows("Moved to local storage").shows("3 of 3 files");
    assert_eq!(app.value(COPIES), "local present, cloud present");
    assert_eq!(app.kept().published.len(), 3);

    admin.post_form("/admin/storage/evict", &[]).await.is(303);
    app.work_off().await;
    admin.get_html(PAGE).await.shows("Moved to the cloud, local copies removed").shows("3 of 3 files");
    assert_eq!(app.value(COPIES), "cloud present");
    assert_eq!(app.kept().published, Vec::<String>::new());
    let trail = "SELECT string_agg(action, ' ' ORDER BY id) FROM audit_events WHERE action LIKE 'storage.%'";
    assert_eq!(app.value(trail), "storage.move storage.move");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_is_stopped_before_the_next_file() {
    let s3 = S3::start();
    let app = TestApp::with_cloud(&s3, "cloud", &[]);
    let (staff, admin) = (app.staff().await, app.admin().await);
    let batch = staff.make_batch("B-1").await;
    for n in 0..3 {
        staff.store(&batch, &format!("{n}.pdf"), &samples::pdf("x")).await;
    }
    admin.post_form("/admin/storage/move", &[("to", "local")]).await.is(303);
    admin.post_form("/admin/storage/stop", &[]).await.is(303);
    admin.get_html(PAGE).await.shows("Ending the move");
    app.work_off().await;
    admin.get_html(PAGE).await.shows("Move was stopped").shows("1 of 3 files");
    admin.post_form("/admin/storage/move", &[("to", "local")]).await.is(303);
    app.work_off().await;
    admin.get_html(PAGE).await.shows("2 of 2 files");
    assert_eq!(app.kept().published.len(), 3);
}
