//! The journey of files through a bucket of a real engine; runs with `make test-garage` only.

use std::{fs, ops::ControlFlow};

use stillage::{
    config::Patience,
    domain::{
        access::Actor,
        copies::{self, Move, Place, Scope},
    },
};

use super::{COPIES, download, text};
use crate::support::{Answer, TestApp, s3, samples};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hybrid_then_out_of_the_house_and_back() {
    let Some(bucket) = s3::engine() else { return };
    let environment = s3::environment(&bucket, "hybrid");
    let more = [("MAX_UPLOAD_SIZE_MB", "40")];
    let app = TestApp::with_bucket(&environment, Patience::default(), &more);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let mut files = Vec::new();
    for length in [300, 5000, 700_000, 20 << 20] {
        let bytes = samples::pdf_of(length);
        files.push((staff.store(&batch, "Zertifikat März.pdf", &bytes).await, bytes));
    }
    app.work_off().await;
    assert_eq!(app.value(COPIES), "local present, cloud present");
    fs::remove_file(app.published(text(&files[1].0, "stored_name"))).unwrap();
    assert!(staff.get(&download(&files[1].0)).await.is(200).body == files[1].1);

    let to_cloud = Move { to: Place::Cloud, dry_run: false, evict: true };
    let console = Actor::console();
    let relocate = |what| copies::relocate(&app.app, &console, what, |_| ControlFlow::Continue(()));
    let moved = relocate(to_cloud).await.unwrap();
    assert_eq!((moved.evicted, moved.failed.len()), (4, 0));
    for (file, bytes) in &files {
        assert!(staff.get(&download(file)).await.is(200).body == *bytes);
    }
    let back = relocate(Move { to: Place::Local, evict: false, ..to_cloud }).await.unwrap();
    assert_eq!((back.copied, back.failed.len()), (4, 0));
    let checked = copies::check(&app.app, Scope::All, false, |_| {}).await.unwrap();
    assert!(checked.is_sound() && checked.copies == 8, "{checked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_works_for_as_long_as_it_says() {
    let Some(bucket) = s3::engine() else { return };
    let environment = s3::environment(&bucket, "cloud");
    let more = [("DOWNLOAD_MODE", "redirect"), ("SIGNED_URL_TTL_SECONDS", "2")];
    let app = TestApp::with_bucket(&environment, Patience::default(), &more);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let bytes = samples::pdf("x");
    let file = staff.store(&batch, "März.pdf", &bytes).await;
    let url = staff.get(&download(&file)).await.is(307).location().to_owned();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let signed = Answer::to(http.get(&url)).await.is(200);
    assert!(signed.body == bytes);
    assert!(signed.header("content-disposition").contains("M%C3%A4rz.pdf"));
    assert_eq!(signed.header("content-type"), "application/pdf");
    // The engine's own clock decides: there is nothing to do but wait.
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    assert_ne!(Answer::to(http.get(&url)).await.status, 200);
}
