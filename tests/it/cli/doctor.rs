//! `stillage doctor`: what it finds in places that are well and ill.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    TestApp,
    clamd::{Clamd, LIMIT, settings},
    fake_clamd::FakeClamd,
};

/// The command in an empty folder, with these variables.
fn doctor(environment: &[(&str, &str)]) -> Output {
    let here = TempDir::new().unwrap();
    Command::new(env!("CARGO_BIN_EXE_stillage"))
        .args(["doctor", "--json", "--deep"])
        .current_dir(here.path())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

struct Findings {
    code: Option<i32>,
    all: Vec<Value>,
}

impl Findings {
    fn of(environment: &[(&str, &str)]) -> Self {
        let output = doctor(environment);
        let json: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        Self { code: output.status.code(), all: json["findings"].as_array().unwrap().clone() }
    }

    /// Exit code, and that there is such a finding, with a line that mends it wherever one is to be done.
    #[track_caller]
    fn has(&self, code: i32, area: &str, level: &str, said: &str) -> &Self {
        assert_eq!(self.code, Some(code), "{:#?}", self.all);
        let found = self.all.iter().any(|finding| {
            let what = finding["what"].as_str().unwrap();
            finding["area"] == area && finding["level"] == level && what.contains(said)
        });
        assert!(found, "no {level} {said:?} of {area} in {:#?}", self.all);
        for finding in &self.all {
            let mends = ["warning", "failure"].contains(&finding["level"].as_str().unwrap());
            assert!(!mends || finding["mend"].is_string(), "{finding}");
        }
        self
    }
}

/// What the server of `app` has, with `other` over it.
fn of_app(app: &TestApp, other: &[(&str, &str)]) -> Findings {
    let (store, bind) = (app.store().display().to_string(), app.address.to_string());
    let mut environment = vec![
        ("DATABASE_URL", app.database.url.as_str()),
        ("UPLOAD_STORAGE_PATH", store.as_str()),
        ("BIND_ADDRESS", bind.as_str()),
    ];
    environment.extend(other);
    Findings::of(&environment)
}

fn everything_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(everything_in(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}

#[test]
fn a_healthy_place_fails_nothing_and_stays_as_it_is() {
    let app = TestApp::start();
    let before = everything_in(&app.store());
    of_app(&app, &[])
        .has(0, "storage", "ok", "can be written")
        .has(0, "storage", "ok", "belongs to this database")
        .has(0, "storage", "ok", "one filesystem")
        .has(0, "database", "ok", "PostgreSQL")
        .has(0, "database", "ok", "up to date")
        .has(0, "database", "ok", "agree")
        .has(0, "address", "ok", "leads to this server")
        .has(0, "scanner", "note", "unscanned");
    assert_eq!(everything_in(&app.store()), before);
}

#[test]
fn a_database_that_is_down_is_one_finding_among_others() {
    let app = TestApp::start();
    let url = "postgres://u:hunter2@127.0.0.1:1/stillage";
    let findings = of_app(&app, &[("DATABASE_URL", url)]);
    findings
        .has(1, "database", "failure", "127.0.0.1:1/stillage does not answer")
        .has(1, "storage", "ok", "can be written")
        .has(1, "storage", "note", "cannot be compared");
    assert!(!format!("{:?}", findings.all).contains("hunter2"));
}

#[test]
fn nothing_is_made_where_nothing_was() {
    let place = TempDir::new().unwrap();
    let path = |name: &str| place.path().join(name).display().to_string();
    let (store, data) = (path("store"), path("data"));
    Findings::of(&[("UPLOAD_STORAGE_PATH", &store), ("STILLAGE_DATA_PATH", &data)])
        .has(1, "storage", "failure", "is not there")
        .has(1, "database", "note", "first start");
    assert_eq!(everything_in(place.path()), Vec::<PathBuf>::new());
}

#[test]
fn a_storage_that_cannot_be_written_or_is_not_ours_fails() {
    let app = TestApp::start();
    // Read-only to everybody, root too.
    of_app(&app, &[("UPLOAD_STORAGE_PATH", "/proc/self")]).has(1, "storage", "failure", "cannot be written");
    let file = app.store().join(".stillage-store");
    of_app(&app, &[("UPLOAD_STORAGE_PATH", &file.display().to_string())]).has(
        1,
        "storage",
        "failure",
        "is not a folder",
    );
    let staging = app.store().join(".staging");
    fs::remove_dir(&staging).unwrap();
    fs::write(&staging, "").unwrap();
    of_app(&app, &[]).has(1, "storage", "failure", ".staging cannot be written");
    fs::remove_file(&staging).unwrap();
    fs::create_dir(&staging).unwrap();

    let marker = fs::read(&file).unwrap();
    fs::write(&file, format!("{}\n", uuid::Uuid::new_v4())).unwrap();
    of_app(&app, &[]).has(1, "storage", "failure", "another database");
    fs::write(&file, marker).unwrap();
}

#[tokio::test]
async fn a_marker_that_is_gone_while_there_are_files_is_an_unmounted_storage() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    staff.store(&batch, "a.pdf", &crate::support::samples::pdf("a")).await;
    app.unmount();
    of_app(&app, &[]).has(1, "storage", "failure", "not mounted");
    let gone = app.store().join("gone").display().to_string();
    of_app(&app, &[("UPLOAD_STORAGE_PATH", &gone)]).has(1, "storage", "failure", "is not there");
    app.mount();
    of_app(&app, &[]).has(0, "storage", "ok", "Every one of 1 files");
}

#[test]
fn a_storage_in_memory_fails() {
    let app = TestApp::start();
    // A tmpfs wherever there is Linux.
    let shm = TempDir::new_in("/dev/shm").unwrap();
    of_app(&app, &[("UPLOAD_STORAGE_PATH", &shm.path().display().to_string())]).has(
        1,
        "storage",
        "failure",
        "in memory",
    );
}

#[test]
fn a_scanner_is_tried_with_the_test_virus() {
    let app = TestApp::start();
    let mut clamd = Clamd::start();
    let address = clamd.address();
    let with = [("CLAMAV_ADDRESS", address.as_str()), ("MAX_UPLOAD_SIZE_MB", "1")];
    of_app(&app, &with).has(0, "scanner", "ok", "EICAR test virus at the end of a file of 1 MB");
    clamd.start_again(&settings(2 * LIMIT, false));
    of_app(&app, &with).has(0, "scanner", "ok", "of 1 MB").has(0, "scanner", "warning", "leaves out a part");
    clamd.stop();
    of_app(&app, &with).has(1, "scanner", "failure", "does not answer");
}

#[test]
fn scanner_with_too_small_limits_fails_with_the_lines_for_its_settings() {
    let app = TestApp::start();
    for is_reported in [false, true] {
        let clamd = Clamd::with(&settings(LIMIT, is_reported));
        let with = [("CLAMAV_ADDRESS", clamd.address())];
        let findings = of_app(&app, &with.each_ref().map(|(name, value)| (*name, value.as_str())));
        findings.has(1, "scanner", "failure", "but not of one of 10 MB");
        let lines = format!("{:?}", findings.all);
        for line in ["AlertExceedsMax yes", "StreamMaxLength 11M", "MaxFileSize 11M", "MaxScanSize 400M"] {
            assert!(lines.contains(line), "{line}: {lines}");
        }
    }
}

#[test]
fn a_scanner_that_finds_nothing_fails() {
    let fake = FakeClamd::blind();
    let app = TestApp::start();
    of_app(&app, &[("CLAMAV_ADDRESS", fake.address())]).has(1, "scanner", "failure", "clean");
}

#[test]
fn settings_that_cannot_be_read_end_it_with_2() {
    let output = doctor(&[("BIND_ADDRESS", "nowhere")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("BIND_ADDRESS"));
}
