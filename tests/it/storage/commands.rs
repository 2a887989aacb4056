//! The commands about copies, run as an operator runs them.

use std::{
    fs,
    process::{Command, Output},
};

use super::{COPIES, text};
use crate::support::{TestApp, s3::S3, samples};

/// Runs `stillage` on the store of `app`; `None` is a store without a bucket.
fn stillage(app: &TestApp, bucket: Option<(&S3, &str)>, args: &[&str]) -> (i32, String) {
    let environment = bucket.map(|(s3, mode)| s3.environment(mode)).unwrap_or_default();
    let output = Command::new(env!("CARGO_BIN_EXE_stillage"))
        .args(args)
        // No `.env` above it.
        .current_dir(app.store())
        .env_clear()
        .env("DATABASE_URL", &app.database.url)
        .env("UPLOAD_STORAGE_PATH", app.store())
        .env("RUST_LOG", "off")
        .envs(environment)
        .output()
        .unwrap();
    let Output { status, stdout, stderr } = output;
    let said = [stdout, stderr].concat();
    (status.code().unwrap(), String::from_utf8(said).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verify_finds_heals_and_tells_by_its_exit_code() {
    let s3 = S3::start();
    let app = TestApp::with_cloud(&s3, "hybrid", &[]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let file = staff.store(&batch, "slip.pdf", &samples::pdf("x")).await;
    app.work_off().await;
    let verify = |args: &[&str]| stillage(&app, Some((&s3, "hybrid")), &[&["verify"], args].concat());

    let (code, said) = verify(&[]);
    assert_eq!((code, said.contains("0 copies of 0 files")), (0, true), "all were read just now: {said}");
    let (code, said) = verify(&["--all"]);
    assert_eq!((code, said.contains("2 copies of 1 files read: 0 healed")), (0, true), "{said}");

    fs::write(app.published(text(&file, "stored_name")), b"damaged").unwrap();
    let (code, said) = verify(&["--batch", "b-1"]);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("corrupt") && said.contains("slip.pdf") && said.contains("verify --heal"),
        "{said}"
    );
    let (code, said) = verify(&["--all", "--heal", "--json"]);
    assert_eq!(code, 0, "{said}");
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&report["healed"], &report["corrupt"]), (&1.into(), &0.into()));
    assert_eq!(report["findings"][0]["state"], "healed");
    assert_eq!(report["findings"][0]["place"], "local");

    assert_eq!(verify(&["--batch", "nothing"]).0, 2);
    assert_eq!(verify(&["--all", "--batch", "b-1"]).0, 2);
    let (code, said) = stillage(&app, None, &["verify", "--all"]);
    assert_eq!((code, said.contains("1 copies of 1 files")), (0, true), "with the cloud off: {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sync_makes_what_is_missing() {
    let s3 = S3::start();
    let app = TestApp::with_cloud(&s3, "hybrid", &[]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    staff.store(&batch, "slip.pdf", &samples::pdf("x")).await;
    app.execute("DELETE FROM jobs; DELETE FROM attachment_copies WHERE place = 'cloud'");
    let sync = |args: &[&str]| stillage(&app, Some((&s3, "hybrid")), &[&["sync"], args].concat());
    let (code, said) = sync(&[]);
    assert_eq!((code, said.trim()), (0, "1 copies to make"));
    assert_eq!(app.value(COPIES), "local present, cloud pending");
    let (code, said) = sync(&["--wait"]);
    assert_eq!((code, said.contains("every file has its copy")), (0, true), "{said}");
    assert_eq!(app.value(COPIES), "local present, cloud present");
    let (code, said) = stillage(&app, None, &["sync"]);
    assert_eq!((code, said.contains("Cloud storage is off")), (2, true), "{said}");
    // Its worker keeps the schedule as every worker does.
    app.execute("DELETE FROM jobs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storage_move_there_and_back() {
    let s3 = S3::start();
    let app = TestApp::with_cloud(&s3, "local", &[]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    for n in 0..3 {
        staff.store(&batch, &format!("{n}.pdf"), &samples::pdf(&n.to_string())).await;
    }
    let relocate =
        |args: &[&str]| stillage(&app, Some((&s3, "local")), &[&["storage", "move"], args].concat());
    let (code, said) = relocate(&["--to", "cloud", "--dry-run"]);
    assert_eq!((code, said.contains("3 files to copy")), (0, true), "{said}");
    assert_eq!(app.value(COPIES), "local present");
    let (code, said) = relocate(&["--to", "cloud", "--evict", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &report["copied"], &report["evicted"]), (0, &3.into(), &3.into()));
    assert_eq!(app.value(COPIES), "cloud present");
    let (code, said) = relocate(&["--to", "local"]);
    assert_eq!((code, said.contains("3 files copied")), (0, true), "{said}");
    assert_eq!(app.value(COPIES), "local present, cloud present");
    assert_eq!(relocate(&["--to", "mars"]).0, 2);
    assert_eq!(relocate(&["--to", "local", "--evict"]).0, 2);
    assert_eq!(stillage(&app, None, &["storage", "move", "--to", "cloud"]).0, 2);
}
