//! One good copy is enough: to serve, and to mend the other.

use std::fs;

use chrono::TimeDelta;
use reqwest::{Method, header::ACCEPT};
use serde_json::Value;
use stillage::domain::{
    copies::{self, Place, Scope},
    maintenance,
};

use super::{COPIES, STATES, download, text, trail};
use crate::support::{
    Client, TestApp,
    s3::{Mood, S3},
    samples,
};

/// A store in hybrid mode with one file in both homes.
struct Pair {
    s3: S3,
    app: TestApp,
    staff: Client,
    batch: String,
    file: Value,
    bytes: Vec<u8>,
}

impl Pair {
    async fn make() -> Self {
        let s3 = S3::start_for_the_impatient();
        let app = TestApp::with_cloud(&s3, "hybrid", &[]);
        let staff = app.staff().await;
        let batch = staff.make_batch("B-1").await;
        let bytes = samples::pdf_of(700_000);
        let file = staff.store(&batch, "slip.pdf", &bytes).await;
        app.work_off().await;
        Self { s3, app, staff, batch, file, bytes }
    }

    fn name(&self) -> &str {
        text(&self.file, "stored_name")
    }

    fn local(&self) -> Option<Vec<u8>> {
        fs::read(self.app.published(self.name())).ok()
    }

    fn cloud(&self) -> Option<Vec<u8>> {
        fs::read(self.s3.object(self.name())).ok()
    }

    fn flipped(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes[300_000] ^= 1;
        bytes
    }

    fn set_local(&self, bytes: Option<&[u8]>) {
        let path = self.app.published(self.name());
        bytes.map_or_else(|| fs::remove_file(&path), |bytes| fs::write(&path, bytes)).unwrap();
    }

    fn set_cloud(&self, bytes: Option<&[u8]>) {
        let path = self.s3.object(self.name());
        bytes.map_or_else(|| fs::remove_file(&path), |bytes| fs::write(&path, bytes)).unwrap();
    }

    #[track_caller]
    fn both_are_good(&self) {
        assert!(self.local().as_ref() == Some(&self.bytes), "the local copy");
        assert!(self.cloud().as_ref() == Some(&self.bytes), "the copy in the bucket");
        assert_eq!(self.app.value(COPIES), "local present, cloud present");
        assert_eq!(self.app.value(STATES), "available");
    }

    fn set_aside(&self) -> usize {
        fs::read_dir(self.app.store().join(".trash")).unwrap().count()
    }

    async fn check(&self, heal: bool) -> copies::Checked {
        copies::check(&self.app.app, Scope::All, heal, |_| {}).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_gets_the_other_copy_and_mends_the_local_one() {
    let pair = Pair::make().await;
    let short = &pair.bytes[..1000];
    for (n, bad) in [None, Some(short), Some(&b""[..])].into_iter().enumerate() {
        pair.set_local(bad);
        let part = pair.staff.get_with(&download(&pair.file), &[("Range", "bytes=5-9")]).await.is(206);
        assert!(part.body == pair.bytes[5..10]);
        pair.both_are_good();
        assert_eq!(pair.set_aside(), n, "a bad copy is kept aside, a missing one is not");
        assert!(pair.staff.get(&download(&pair.file)).await.is(200).body == pair.bytes);
    }
    assert_eq!(trail(&pair.app), "copy.heal local, copy.heal local, copy.heal local");
    let metrics = pair.app.stranger().get("/metrics").await.is(200);
    metrics.shows("stillage_copies_healed_total{place=\"local\"} 3");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_cloud_that_answers_a_missing_file_is_a_trouble_that_passes() {
    let pair = Pair::make().await;
    pair.set_local(None);
    pair.s3.set(Mood::Refusing);
    let answer = pair.staff.get_json(&download(&pair.file)).await.is(503);
    assert!(!answer.header("retry-after").is_empty());
    pair.s3.set(Mood::Stalling);
    pair.staff.get_json(&download(&pair.file)).await.is(503);
    pair.s3.set(Mood::Well);
    // A bucket that was silent is tried again every few seconds only.
    pair.app.app.cloud.as_ref().unwrap().probe().await.unwrap();
    assert!(pair.staff.get(&download(&pair.file)).await.is(200).body == pair.bytes);
    pair.both_are_good();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_bytes_from_the_bucket_are_never_handed_out() {
    let pair = Pair::make().await;
    pair.set_local(None);
    pair.set_cloud(Some(&pair.flipped()));
    assert_eq!(pair.staff.get_json(&download(&pair.file)).await.is(409).code(), "file_missing");
    assert_eq!(pair.local(), None, "and they heal nothing");
    pair.app.work_off().await;
    assert_eq!(pair.app.value(COPIES), "local missing, cloud corrupt");
    assert_eq!(pair.app.value(STATES), "corrupt");
    // Somebody puts the file back by hand: the next look mends all.
    pair.set_local(Some(&pair.bytes));
    assert!(pair.check(true).await.is_sound());
    pair.both_are_good();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_read_on_while_the_local_storage_is_away() {
    let pair = Pair::make().await;
    pair.app.unmount();
    assert!(pair.staff.get(&download(&pair.file)).await.is(200).body == pair.bytes);
    assert_eq!(pair.app.value(COPIES), "local present, cloud present", "nothing is marked");
    // Every file looks missing now, and none is.
    let checked = pair.check(true).await;
    assert_eq!((checked.unreachable, checked.missing, checked.healed), (1, 0, 0));
    pair.app.mount();
    pair.both_are_good();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scrub_finds_and_heals_four_kinds_of_damage() {
    let s3 = S3::start();
    let app = TestApp::with_cloud(&s3, "hybrid", &[]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let mut files = Vec::new();
    for n in 0..5 {
        let bytes = samples::pdf_of(2000 + n);
        let file = staff.store(&batch, &format!("{n}.pdf"), &bytes).await;
        files.push((text(&file, "stored_name").to_owned(), bytes));
    }
    app.work_off().await;
    assert_eq!(copies::scrub(&app.app).await.unwrap().files, 0, "all were read just now");

    let flip = |path: std::path::PathBuf| {
        let mut bytes = fs::read(&path).unwrap();
        bytes[1000] ^= 1;
        fs::write(path, bytes).unwrap();
    };
    flip(app.published(&files[0].0));
    flip(s3.object(&files[1].0));
    fs::remove_file(app.published(&files[2].0)).unwrap();
    fs::remove_file(s3.object(&files[3].0)).unwrap();
    app.advance(TimeDelta::days(29));
    assert_eq!(copies::scrub(&app.app).await.unwrap().files, 0);
    app.advance(TimeDelta::days(2));
    let checked = copies::scrub(&app.app).await.unwrap();
    assert_eq!((checked.files, checked.copies, checked.healed), (5, 10, 4));
    assert!(checked.is_sound());
    for (name, bytes) in &files {
        assert!(fs::read(app.published(name)).unwrap() == *bytes);
        assert!(fs::read(s3.object(name)).unwrap() == *bytes);
    }
    assert_eq!(app.value(COPIES), "local present, cloud present");
    assert_eq!(copies::scrub(&app.app).await.unwrap().files, 0, "and all were read again");
    let healed = "SELECT count(*) FROM audit_events WHERE action = 'copy.heal'";
    assert_eq!(app.value(healed), "4");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_is_away_does_not_keep_the_disk_from_being_read() {
    let pair = Pair::make().await;
    pair.app.advance(TimeDelta::days(31));
    pair.s3.set(Mood::Refusing);
    let checked = copies::scrub(&pair.app.app).await.unwrap();
    assert_eq!((checked.copies, checked.unreachable), (1, 1));
    let checked = copies::scrub(&pair.app.app).await.unwrap();
    assert_eq!(checked.files, 0, "the disk's copy was just read, the other cannot be");
    pair.s3.set(Mood::Well);
    assert_eq!(copies::scrub(&pair.app.app).await.unwrap().copies, 2);
    pair.both_are_good();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_bad_copies_neither_is_overwritten() {
    let pair = Pair::make().await;
    let (local, cloud) = (pair.flipped(), b"something else".to_vec());
    pair.set_local(Some(&local));
    pair.set_cloud(Some(&cloud));
    for heal in [false, true] {
        let checked = pair.check(heal).await;
        assert_eq!((checked.corrupt, checked.healed), (2, 0));
        assert!(!checked.is_sound());
        assert_eq!(pair.local(), Some(local.clone()));
        assert_eq!(pair.cloud(), Some(cloud.clone()));
        assert_eq!(pair.app.value(COPIES), "local corrupt, cloud corrupt");
        assert_eq!(pair.app.value(STATES), "corrupt");
    }
    assert_eq!(trail(&pair.app), "copy.corrupt local, copy.corrupt cloud", "told once");
    assert_eq!(pair.staff.get_json(&download(&pair.file)).await.is(409).code(), "file_corrupt");
    // One comes back from a backup.
    pair.set_cloud(Some(&pair.bytes));
    assert!(pair.check(true).await.is_sound());
    pair.both_are_good();
    pair.staff.get(&download(&pair.file)).await.is(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_changes_nothing_without_heal() {
    let pair = Pair::make().await;
    pair.set_local(Some(&pair.flipped()));
    let checked = pair.check(false).await;
    assert_eq!((checked.files, checked.copies, checked.corrupt), (1, 2, 1));
    assert_eq!((checked.findings[0].place, checked.findings[0].state), (Place::Local, "corrupt"));
    assert!(pair.local() == Some(pair.flipped()));
    assert_eq!(pair.app.value(STATES), "available", "the other copy serves");
    // The local copy has the right size, but is known to be bad.
    assert!(pair.staff.get(&download(&pair.file)).await.is(200).body == pair.bytes);
    pair.both_are_good();
    let of_batch =
        |number: &str| copies::check(&pair.app.app, Scope::Batch(number.to_owned()), false, |_| {});
    assert_eq!(of_batch("b-1").await.unwrap().files, 1);
    assert_eq!(of_batch("B-2").await.unwrap().files, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_is_away_marks_nothing() {
    let pair = Pair::make().await;
    pair.s3.set(Mood::Refusing);
    let checked = pair.check(true).await;
    assert_eq!((checked.copies, checked.unreachable, checked.missing), (1, 1, 0));
    assert!(!checked.is_sound());
    pair.s3.set(Mood::Well);
    let bucket = pair.s3.object("x").parent().unwrap().parent().unwrap().to_owned();
    fs::rename(&bucket, bucket.with_extension("away")).unwrap();
    let checked = pair.check(true).await;
    assert_eq!((checked.unreachable, checked.missing), (1, 0));
    assert!(checked.findings[0].reason.as_ref().unwrap().contains("There is no bucket"));
    fs::rename(bucket.with_extension("away"), &bucket).unwrap();
    assert!(pair.check(true).await.is_sound());
    pair.both_are_good();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn comparing_brings_a_missing_file_back_from_the_bucket() {
    let pair = Pair::make().await;
    pair.set_local(None);
    let report = maintenance::reconcile(&pair.app.app).await.unwrap();
    assert_eq!(report.missing, 1);
    assert_eq!(pair.app.value(COPIES), "local missing, cloud present");
    assert_eq!(pair.app.value(STATES), "available", "it can still be read");
    pair.app.work_off().await;
    pair.both_are_good();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_without_a_cloud_finds_damage_too() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let file = staff.store(&batch, "slip.pdf", &samples::pdf("x")).await;
    let path = app.published(text(&file, "stored_name"));
    let good = fs::read(&path).unwrap();
    let mut bad = good.clone();
    bad[30] ^= 1;
    fs::write(&path, &bad).unwrap();
    app.advance(TimeDelta::days(31));
    let checked = copies::scrub(&app.app).await.unwrap();
    assert_eq!((checked.corrupt, checked.healed), (1, 0));
    assert_eq!(fs::read(&path).unwrap(), bad, "it is left for inspection");
    let staff = app.stranger().sign_in("stan").await;
    assert_eq!(staff.get_json(&download(&file)).await.is(409).code(), "file_corrupt");
    fs::write(&path, &good).unwrap();
    assert_eq!(copies::scrub(&app.app).await.unwrap().files, 0, "not again at once");
    app.advance(TimeDelta::hours(7));
    assert!(copies::scrub(&app.app).await.unwrap().is_sound());
    let staff = app.stranger().sign_in("stan").await;
    staff.get(&download(&file)).await.is(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_in_the_trash_are_looked_after_and_stay_there() {
    let pair = Pair::make().await;
    let path = format!("/attachments/{}", text(&pair.file, "id"));
    pair.staff.post_form(&format!("{path}/delete"), &[]).await.is(303);
    pair.set_local(Some(&pair.flipped()));
    assert_eq!(pair.check(true).await.healed, 1);
    assert_eq!(pair.app.value(STATES), "trashed");
    pair.staff.post_form(&format!("{path}/restore"), &[]).await.is(303);
    pair.both_are_good();
    pair.staff.get_html(&format!("/batches/{}", pair.batch)).await.is(200).shows("slip.pdf");
}

/// The bytes of a whole answer, or an error when it breaks off.
async fn whole(client: &Client, path: &str) -> reqwest::Result<Vec<u8>> {
    let request = client.request(Method::GET, path).header(ACCEPT, "*/*");
    request.send().await?.error_for_status()?.bytes().await.map(Into::into)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_local_copy_breaks_the_download_off_and_is_healed() {
    let pair = Pair::make().await;
    let archive = format!("/batches/{}/archive.zip", pair.batch);
    for path in [download(&pair.file), archive] {
        pair.set_local(Some(&pair.flipped()));
        assert!(whole(&pair.staff, &path).await.is_err(), "{path}: changed bytes are handed out as whole");
        pair.both_are_good();
        whole(&pair.staff, &path).await.unwrap();
    }
    assert_eq!(trail(&pair.app), "copy.corrupt local, copy.heal local, copy.corrupt local, copy.heal local");
    // A range that leaves out the end is not checked; one of all bytes is.
    pair.set_local(Some(&pair.flipped()));
    pair.staff.get_with(&download(&pair.file), &[("Range", "bytes=0-9")]).await.is(206);
    let all = pair.staff.request(Method::GET, &download(&pair.file)).header("Range", "bytes=0-").send().await;
    assert!(all.unwrap().bytes().await.is_err());
    pair.both_are_good();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_read_a_changed_file_heal_it_once() {
    let pair = Pair::make().await;
    pair.set_local(Some(&pair.flipped()));
    let path = download(&pair.file);
    let read = futures_util::future::join_all((0..8).map(|_| whole(&pair.staff, &path))).await;
    assert!(read.into_iter().flatten().all(|bytes| bytes == pair.bytes));
    pair.both_are_good();
    assert_eq!(trail(&pair.app), "copy.corrupt local, copy.heal local");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_changed_file_is_healed_before_its_first_byte() {
    let s3 = S3::start_for_the_impatient();
    let app = TestApp::with_cloud(&s3, "hybrid", &[]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let bytes = samples::pdf("small");
    let file = staff.store(&batch, "small.pdf", &bytes).await;
    app.work_off().await;
    let path = app.published(text(&file, "stored_name"));
    let mut flipped = bytes.clone();
    flipped[30] ^= 1;
    fs::write(&path, &flipped).unwrap();
    assert!(staff.get(&download(&file)).await.is(200).body == bytes);
    assert!(fs::read(&path).unwrap() == bytes);
    assert_eq!(app.value(COPIES), "local present, cloud present");
    fs::write(&path, &flipped).unwrap();
    let part = staff.get_with(&download(&file), &[("Range", "bytes=30-30")]).await.is(206);
    assert!(part.body[..] == bytes[30..31], "small files are checked whatever is asked of them");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_file_without_another_copy_is_marked_and_no_longer_handed_out() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    for (name, bytes) in [("large.pdf", samples::pdf_of(700_000)), ("small.pdf", samples::pdf("small"))] {
        let file = staff.store(&batch, name, &bytes).await;
        let path = app.published(text(&file, "stored_name"));
        let mut flipped = bytes.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        fs::write(&path, &flipped).unwrap();
        assert!(whole(&staff, &download(&file)).await.is_err(), "{name}");
        assert_eq!(staff.get_json(&download(&file)).await.is(409).code(), "file_corrupt", "{name}");
        assert!(fs::read(&path).unwrap() == flipped, "of a file that is nowhere good nothing is touched");
    }
    assert_eq!(app.value(STATES), "corrupt");
    assert_eq!(app.value(COPIES), "local corrupt");
    let archive = whole(&staff, &format!("/batches/{batch}/archive.zip")).await.unwrap();
    let names = String::from_utf8_lossy(&archive).into_owned();
    assert!(names.contains("NOT IN THIS ARCHIVE.txt"));
}
