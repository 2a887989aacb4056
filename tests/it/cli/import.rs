//! `stillage import`: the files of an older system.

use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;
use stillage::domain::maintenance::{Reconciled, reconcile};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::{TestApp, samples};

/// An old system's folder and its CSV.
struct Old {
    folder: TempDir,
    csv: String,
}

impl Old {
    fn new() -> Self {
        let csv = "stored_name,batch_number,original_filename,uploaded_at,uploaded_by,checksum\n".to_owned();
        Self { folder: TempDir::with_prefix("stillage-old-").unwrap(), csv }
    }

    fn file(&self, own_name: &str, bytes: &[u8]) -> String {
        let name = format!("{}_{own_name}", Uuid::new_v4());
        fs::write(self.folder.path().join(&name), bytes).unwrap();
        name
    }

    fn row(&mut self, cells: &[&str]) {
        let quoted: Vec<_> = cells.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
        self.csv += &format!("{}\n", quoted.join(","));
    }
}

fn import(app: &TestApp, folder: &Path, csv: Option<&str>, more: &[&str]) -> (Option<i32>, Value, String) {
    let here = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_stillage"));
    command.arg("import").arg(folder).arg("--json").args(more);
    if let Some(csv) = csv {
        fs::write(here.path().join("map.csv"), csv).unwrap();
        command.args(["--map", "map.csv"]);
    }
    let Output { status, stdout, stderr } = command
        .current_dir(here.path())
        .env_clear()
        .env("DATABASE_URL", &app.database.url)
        .env("UPLOAD_STORAGE_PATH", app.store())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    (status.code(), serde_json::from_slice(&stdout).unwrap_or_default(), stderr)
}

fn count(report: &Value, what: &str) -> u64 {
    report[what].as_u64().unwrap_or_else(|| panic!("no {what} in {report}"))
}

fn reason<'a>(report: &'a Value, name: &str) -> &'a str {
    let unplaced = report["unplaced"].as_array().unwrap();
    let found = unplaced.iter().find(|unplaced| unplaced["name"] == name);
    found.unwrap_or_else(|| panic!("{name} is not in {report}"))["reason"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_folder_comes_in_and_what_cannot_is_named() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let stan = app.staff().await;
    let closed = stan.make_batch("Closed").await;
    stan.post_form(&format!("/batches/{closed}/close"), &[]).await.is(303);

    let mut old = Old::new();
    let mut good = Vec::new();
    for n in 0..30 {
        let bytes = samples::pdf(&format!("slip {n}"));
        let name = old.file(&format!("slip {n}, \u{fc}ber.pdf"), &bytes);
        let by = if n % 2 == 0 { "Stan" } else { "Old \"Bob\", QA" };
        old.row(&[&name, &format!("L-{}", n % 4), "", "2021-03-04 05:06:07", by, "x"]);
        good.push((name, bytes));
    }
    let big = samples::pdf_of(11 * 1024 * 1024);
    let large = old.file("large.pdf", &big);
    old.row(&[&large, "l-0", "Scan of 2019.pdf", "", "", ""]);
    let photo = old.file("photo.jpg", &samples::jpeg());
    old.row(&[&photo, "L-1", "", "", "", ""]);

    let lonely = old.file("lonely.pdf", &samples::pdf("lonely"));
    let lying = old.file("lying.png", &samples::jpeg());
    old.row(&[&lying, "L-1", "", "", "", ""]);
    let program = old.file("setup.exe", b"MZ");
    old.row(&[&program, "L-1", "", "", "", ""]);
    let empty = old.file("empty.pdf", b"");
    old.row(&[&empty, "L-1", "", "", "", ""]);
    let late = old.file("late.pdf", &samples::pdf("late"));
    old.row(&[&late, "Closed", "", "", "", ""]);
    let undated = old.file("undated.pdf", &samples::pdf("undated"));
    old.row(&[&undated, "L-1", "", "last week", "", ""]);
    fs::write(old.folder.path().join("plain.pdf"), samples::pdf("plain")).unwrap();
    old.row(&["plain.pdf", "L-1", "", "", "", ""]);
    let nowhere = format!("{}_nowhere.pdf", Uuid::new_v4());
    old.row(&[&nowhere, "L-1", "", "", "", ""]);
    fs::create_dir(old.folder.path().join("folder")).unwrap();
    let link = format!("{}_passwd.pdf", Uuid::new_v4());
    symlink("/etc/passwd", old.folder.path().join(&link)).unwrap();
    let csv = format!("{}\"{}\",L-2,,,,\n", old.csv, good[0].0);

    let (code, dry, _) = import(&app, old.folder.path(), Some(&csv), &["--dry-run"]);
    assert_eq!((code, count(&dry, "imported"), count(&dry, "batches_made")), (Some(1), 32, 4), "{dry}");
    assert_eq!(app.kept().rows, "0");

    let (code, report, _) = import(&app, old.folder.path(), Some(&csv), &[]);
    assert_eq!(code, Some(1));
    assert_eq!((count(&report, "imported"), count(&report, "batches_made")), (32, 4), "{report}");
    assert_eq!(report["notes"][0], "These columns mean nothing here: checksum.");
    for (name, said) in [
        (lonely.as_str(), "no row"),
        (&lying, "content is image/jpeg"),
        (&program, "exe are not taken"),
        (&empty, "is empty"),
        (&late, "closed"),
        (&undated, "is no time"),
        ("plain.pdf", "{uuid}_{name}"),
        (&nowhere, "no such file"),
        (&link, "symbolic link"),
        ("folder", "a folder"),
        (&good[0].0, "same file"),
    ] {
        assert!(reason(&report, name).contains(said), "{name}: {}", reason(&report, name));
    }
    assert_eq!(report["unplaced"].as_array().unwrap().len(), 11, "{report}");
    assert_eq!(report["unplaced"].as_array().unwrap().len(), dry["unplaced"].as_array().unwrap().len());

    // The old addresses give the old bytes, and the folder is as it was.
    good.push((large.clone(), big));
    for (name, bytes) in &good {
        let encoded = name.replace(' ', "%20");
        assert!(
            admin.get(&format!("/api/production/attachment/{encoded}")).await.is(200).body == *bytes,
            "{name}"
        );
        assert_eq!(fs::read(old.folder.path().join(name)).unwrap(), *bytes);
    }
    let of = |name: &str, what: &str| {
        app.value(&format!("SELECT {what} FROM attachments WHERE stored_name = '{name}'"))
    };
    assert_eq!(of(&large, "original_name"), "Scan of 2019.pdf");
    assert_eq!(of(&good[0].0, "uploaded_at AT TIME ZONE 'UTC'"), "2021-03-04 05:06:07");
    assert_eq!(of(&good[0].0, "(SELECT username FROM users WHERE id = uploaded_by)"), "stan");
    assert_eq!(of(&good[1].0, "uploader_name"), "Old \"Bob\", QA");
    let shown =
        admin.get_json(&format!("/api/production/attachments/{}", of(&good[1].0, "id"))).await.is(200).json();
    assert_eq!(shown["uploaded_by"], "Old \"Bob\", QA");
    assert_eq!(app.value("SELECT count(*) FROM audit_events WHERE action = 'attachment.import'"), "32");
    assert_eq!(app.value("SELECT sum(files_count) FROM batches WHERE number LIKE 'L-%'"), "32");
    assert_eq!(app.value("SELECT count(*) FROM jobs WHERE kind = 'make_previews'"), "32");
    assert_eq!(reconcile(&app.app).await.unwrap(), Reconciled::default());

    // Once more: nothing is done twice.
    let (code, again, _) = import(&app, old.folder.path(), Some(&csv), &[]);
    assert_eq!(
        (code, count(&again, "imported"), count(&again, "already_there")),
        (Some(1), 0, 32),
        "{again}"
    );
    assert_eq!(app.kept().rows, "32");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_broke_off_goes_on() {
    let app = TestApp::start();
    app.admin().await;
    let mut old = Old::new();
    let names: Vec<_> =
        (0..6).map(|n| old.file(&format!("{n}.pdf"), &samples::pdf(&n.to_string()))).collect();
    for name in &names[..2] {
        old.row(&[name, "L-1"]);
    }
    let (_, first, _) = import(&app, old.folder.path(), Some(&old.csv), &[]);
    assert_eq!((count(&first, "imported"), first["unplaced"].as_array().unwrap().len()), (2, 4));
    for name in &names[2..] {
        old.row(&[name, "L-1"]);
    }
    // It ended between publishing and committing: once with a second name for the bytes, once with a copy; and once
    // somebody had put another file there.
    let source = |name: &String| old.folder.path().join(name);
    fs::hard_link(source(&names[2]), app.published(&names[2])).unwrap();
    fs::write(app.published(&names[3]), samples::pdf("3")).unwrap();
    fs::write(app.published(&names[4]), samples::pdf("other")).unwrap();
    let (code, second, _) = import(&app, old.folder.path(), Some(&old.csv), &[]);
    assert_eq!(
        (code, count(&second, "imported"), count(&second, "already_there")),
        (Some(1), 3, 2),
        "{second}"
    );
    assert!(reason(&second, &names[4]).contains("another file of this name"));
    assert_eq!(fs::read(app.published(&names[4])).unwrap(), samples::pdf("other"), "it is left alone");
    // Second names where they are to be had.
    assert_eq!(fs::metadata(source(&names[5])).unwrap().nlink(), 2);
    assert!(app.kept().staged.is_empty());
    fs::remove_file(app.published(&names[4])).unwrap();
    let (code, third, _) = import(&app, old.folder.path(), Some(&old.csv), &[]);
    assert_eq!((code, count(&third, "imported"), count(&third, "already_there")), (Some(0), 1, 5), "{third}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_put_into_the_store_by_hand_are_adopted_where_they_are() {
    let app = TestApp::start();
    app.admin().await;
    app.add_site("Oliwa");
    let name = format!("{}_by hand.png", Uuid::new_v4());
    fs::write(app.published(&name), samples::png()).unwrap();
    let batches = app.store().join("batches");
    let (code, report, _) = import(&app, &batches, None, &[]);
    assert_eq!(code, Some(1));
    assert!(reason(&report, &name).contains("no row"));

    let inode = fs::metadata(app.published(&name)).unwrap().ino();
    let csv = format!("stored_name,batch_number\n{name},L-1\n");
    let (code, report, _) = import(&app, &batches, Some(&csv), &["--site", "oliwa"]);
    assert_eq!((code, count(&report, "imported")), (Some(0), 1), "{report}");
    let meta = fs::metadata(app.published(&name)).unwrap();
    assert_eq!((meta.ino(), meta.nlink()), (inode, 1));
    let site = "SELECT s.name FROM sites s JOIN batches b ON b.site_id = s.id";
    assert_eq!(app.value(site), "Oliwa");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_used_at_all_ends_with_2() {
    let app = TestApp::start();
    let old = Old::new();
    let file = old.file("a.pdf", &samples::pdf("a"));
    let good = format!("stored_name,batch_number\n{file},L-1\n");
    let refused = |csv: &str, more: &[&str], said: &str| {
        let (code, _, stderr) = import(&app, old.folder.path(), Some(csv), more);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains(said), "{stderr}");
    };
    refused(&good, &[], "add an admin first");
    app.admin().await;
    refused("name,batch\n", &[], "stored_name");
    refused(&good, &["--site", "nowhere"], "Known sites");
    refused(&good, &["--as", "nobody"], "no account");
    let (code, _, stderr) = import(&app, Path::new("/nowhere"), Some(&good), &[]);
    assert_eq!(code, Some(2), "{stderr}");
    assert_eq!(app.kept().rows, "0");
}
