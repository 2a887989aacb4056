//! Files that turn out bad after they were stored: found by `stillage rescan`, locked away, released or deleted.

use std::{
    fs,
    process::{Command, Output},
};

use super::scanning::pdf_saying;
use crate::support::{
    Client, TestApp,
    clamd::{Clamd, FOUND, LIMIT, eicar},
    s3::S3,
    samples,
};

/// Runs `stillage rescan` on the store of `app`, with more variables.
fn rescan(app: &TestApp, environment: &[(&str, String)], args: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_stillage"))
        .arg("rescan")
        .args(args)
        .current_dir(app.store())
        .env_clear()
        .env("DATABASE_URL", &app.database.url)
        .env("UPLOAD_STORAGE_PATH", app.store())
        .env("RUST_LOG", "off")
        .envs(environment.iter().map(|(name, value)| (*name, value)))
        .output()
        .unwrap();
    let Output { status, stdout, stderr } = output;
    (status.code().unwrap(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

async fn is_locked(by: &Client, id: &str, stored_name: &str) {
    for path in [
        format!("/attachments/{id}/download"),
        format!("/attachments/{id}/preview"),
        format!("/attachments/{id}/thumbnail"),
        format!("/attachments/{id}/pages/1"),
        format!("/api/production/attachment/{stored_name}"),
    ] {
        assert_eq!(by.get_json(&path).await.is(409).code(), "file_quarantined", "{path}");
        by.head(&path).await.is(409);
        by.get_with(&path, &[("Range", "bytes=0-3")]).await.is(409);
    }
    by.get_html(&format!("/attachments/{id}")).await.is(200).shows("This file is locked away");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_found_later_is_locked_away() {
    // Stored while there was no scanner.
    let app = TestApp::with(&[("MAX_UPLOAD_SIZE_MB", "5")]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let bad = staff.store(&batch, "bad.pdf", &pdf_saying(&eicar())).await;
    let (id, stored_name) = (bad["id"].as_str().unwrap(), bad["stored_name"].as_str().unwrap());
    staff.store(&batch, "good.pdf", &samples::pdf("good")).await;
    let fields = [("expires_in_hours", "24")];
    let link = staff.post_for_json(&format!("/attachments/{id}/shares"), &fields).await.is(201).json();
    let link = link["share"]["url"].as_str().unwrap().rsplit_once("/s/").unwrap().1.to_owned();
    let of_batch = staff.post_for_json(&format!("/batches/{batch}/shares"), &fields).await.is(201).json();
    let of_batch = of_batch["share"]["url"].as_str().unwrap().rsplit_once("/s/").unwrap().1.to_owned();
    app.draw().await;
    let previews = format!("SELECT count(*) FROM previews WHERE attachment_id = '{id}'");
    assert_eq!(app.value(&previews), "1");

    let (code, said) = rescan(&app, &[], &[]);
    assert_eq!((code, said.contains("CLAMAV_ADDRESS")), (2, true), "{said}");
    let clamd = Clamd::start();
    let with = [("CLAMAV_ADDRESS", clamd.address())];
    let (code, said) = rescan(&app, &with, &[]);
    assert_eq!((code, said.contains(FOUND) && said.contains("bad.pdf")), (1, true), "{said}");
    assert!(said.contains("2 files scanned: 1 clean, 1 locked away, 0 without a verdict"), "{said}");

    let admin = app.admin().await;
    is_locked(&staff, id, stored_name).await;
    is_locked(&admin, id, stored_name).await;
    let visitor = app.stranger();
    let refused = visitor.post_for_json(&format!("/s/{link}/download"), &[]).await.is(409);
    assert_eq!(refused.code(), "file_quarantined");
    visitor.get_html(&format!("/s/{of_batch}")).await.is(200).shows("good.pdf").hides("bad.pdf");
    visitor.post_for_json(&format!("/s/{of_batch}/download"), &[("file", id)]).await.is(409);
    let archive = staff.get(&format!("/batches/{batch}/archive.zip")).await.is(200);
    let eicar = String::from_utf8(eicar()).unwrap();
    let archive = archive.shows("good.pdf").hides(&eicar);
    drop(archive.shows("bad.pdf (quarantined)"));
    staff.get_html(&format!("/batches/{batch}")).await.is(200).shows("locked away, because of malware");
    assert_eq!(app.value(&previews), "0");
    assert_eq!(app.value("SELECT scan FROM attachments WHERE original_name = 'good.pdf'"), "clean");
    assert_eq!(app.kept().published.len(), 2, "the bytes are kept");

    // The rest is known to be clean.
    assert!(rescan(&app, &with, &[]).1.contains("0 files scanned"));
    let (code, said) = rescan(&app, &with, &["--all", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &report["clean"], &report["infected"]), (0, &1.into(), &0.into()));
    assert_eq!(rescan(&app, &with, &["--all", "--batch", "b-1"]).0, 2);
    assert_eq!(rescan(&app, &with, &["--batch", "nothing"]).0, 2);

    staff.get("/admin/quarantine").await.is(403);
    admin.get_html("/admin/quarantine").await.is(200).shows("bad.pdf").shows(FOUND).shows("B-1");
    staff.post_form(&format!("/admin/quarantine/{id}/release"), &[]).await.is(403);
    admin.post_form(&format!("/admin/quarantine/{id}/release"), &[]).await.is(303);
    staff.get(&format!("/attachments/{id}/download")).await.is(200);
    admin.post_form(&format!("/admin/quarantine/{id}/release"), &[]).await.is(409);
    assert_eq!(rescan(&app, &with, &["--batch", "b-1"]).0, 1);
    is_locked(&staff, id, stored_name).await;
    let trail = app.value(
        "SELECT string_agg(actor || ' ' || action, ', ' ORDER BY id) FROM audit_events
          WHERE action IN ('attachment.quarantine', 'attachment.release')",
    );
    assert_eq!(trail, "console attachment.quarantine, ada attachment.release, console attachment.quarantine");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trash_is_no_way_out_of_quarantine() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let bad = staff.store(&batch, "bad.pdf", &pdf_saying(&eicar())).await;
    let binned = staff.store(&batch, "binned.pdf", &pdf_saying(&eicar())).await;
    let text = |file: &serde_json::Value, name: &str| file[name].as_str().unwrap().to_owned();
    let (bad_id, binned_id) = (text(&bad, "id"), text(&binned, "id"));
    staff.post_form(&format!("/attachments/{binned_id}/delete"), &[]).await.is(303);
    let clamd = Clamd::start();
    assert_eq!(rescan(&app, &[("CLAMAV_ADDRESS", clamd.address())], &[]).0, 1);

    let admin = app.admin().await;
    let page = admin.get_html("/admin/quarantine").await.is(200);
    page.shows("bad.pdf").hides("binned.pdf");
    let gone = admin.post_form(&format!("/admin/quarantine/{bad_id}/delete"), &[]).await.is(303);
    assert_eq!(gone.location(), "/admin/quarantine");
    admin.get_html("/trash").await.is(200).shows("bad.pdf").shows("binned.pdf");
    // One by one, and many at once.
    staff.post_form(&format!("/attachments/{bad_id}/restore"), &[]).await.is(303);
    let ids = [("ids", binned_id.as_str())];
    staff.post_form(&format!("/batches/{batch}/files/restore"), &ids).await.is(303);
    is_locked(&staff, &bad_id, &text(&bad, "stored_name")).await;
    is_locked(&staff, &binned_id, &text(&binned, "stored_name")).await;
    admin.get_html("/admin/quarantine").await.is(200).shows("bad.pdf").shows("binned.pdf");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_copy_in_the_bucket_is_scanned_where_the_local_one_is_gone() {
    let s3 = S3::start();
    let app = TestApp::with_cloud(&s3, "hybrid", &[]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let bad = staff.store(&batch, "bad.pdf", &pdf_saying(&eicar())).await;
    let lost = staff.store(&batch, "lost.pdf", &samples::pdf("lost")).await;
    // Pictures of them are of no use here.
    app.execute("DELETE FROM jobs WHERE kind = 'make_previews'");
    app.work_off().await;
    for file in [&bad, &lost] {
        fs::remove_file(app.published(file["stored_name"].as_str().unwrap())).unwrap();
    }
    fs::remove_file(s3.object(lost["stored_name"].as_str().unwrap())).unwrap();
    let clamd = Clamd::start();
    let with = [s3.environment("hybrid").to_vec(), vec![("CLAMAV_ADDRESS", clamd.address())]].concat();
    let (code, said) = rescan(&app, &with, &["--all"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("0 clean, 1 locked away, 1 without a verdict"), "{said}");
    assert!(said.contains(FOUND) && said.contains("lost.pdf"), "{said}");
    app.execute("DELETE FROM jobs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_verdict_nothing_is_called_clean() {
    let app = TestApp::with(&[("MAX_UPLOAD_SIZE_MB", "5")]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    staff.store(&batch, "large.pdf", &samples::pdf_of(LIMIT + 1)).await;
    let mut clamd = Clamd::start();
    let with = [("CLAMAV_ADDRESS", clamd.address())];
    let (code, said) = rescan(&app, &with, &[]);
    assert_eq!((code, said.contains("larger than the scanner takes")), (1, true), "{said}");
    clamd.stop();
    let (code, said) = rescan(&app, &with, &[]);
    assert_eq!((code, said.contains("does not answer")), (2, true), "{said}");
    assert_eq!(app.value("SELECT scan || ' ' || state FROM attachments"), "skipped available");
}
