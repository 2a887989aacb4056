//! Commands beside a running server.

mod doctor;
mod import;
mod pipes;

use std::process::{Command, Output};

use crate::support::TestApp;

fn health(address: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stillage"))
        .arg("health")
        .current_dir(std::env::temp_dir())
        .env_clear()
        .env("BIND_ADDRESS", address)
        .output()
        .unwrap()
}

#[track_caller]
fn expect(output: &Output, code: i32, said: &str) {
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.contains(said), "{text}");
}

#[test]
fn health_is_what_the_server_says_of_itself() {
    let app = TestApp::start();
    let address = app.address.to_string();
    expect(&health(&address), 0, "ready");
    // One answer counts for a second.
    app.unmount();
    app.advance(chrono::TimeDelta::seconds(2));
    expect(&health(&address), 1, "not ready: storage");
    app.mount();
    app.advance(chrono::TimeDelta::seconds(2));
    expect(&health(&address), 0, "ready");
    drop(app);
    expect(&health(&address), 1, "not ready: 127.0.0.1");
}

#[test]
fn stats_prints_what_the_api_answers() {
    let app = TestApp::start();
    let run = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_stillage"))
            .arg("stats")
            .args(arguments)
            .current_dir(std::env::temp_dir())
            .env_clear()
            .env("DATABASE_URL", &app.app.database_url)
            .env("UPLOAD_STORAGE_PATH", app.store())
            .output()
            .unwrap()
    };
    expect(&run(&["--by", "week"]), 0, "Week from ");
    let json = run(&["--json", "--site", "main"]);
    // Which one it is depends on the disk of this machine.
    expect(&json, 0, "\"verdict\": \"");
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&json["stored"]["files"], json["spans"].as_array().unwrap().len()), (&0.into(), 12));
    assert_eq!(run(&["--site", "Nowhere"]).status.code(), Some(2));
}

fn cleanup(app: &TestApp, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stillage"))
        .arg("cleanup")
        .args(arguments)
        .current_dir(std::env::temp_dir())
        .env_clear()
        .env("DATABASE_URL", &app.database.url)
        .env("UPLOAD_STORAGE_PATH", app.store())
        .output()
        .unwrap()
}

#[test]
fn cleanup_looks_first_and_says_what_it_did() {
    let app = TestApp::start();
    let (young, foreign) = (format!("{}_orphan.pdf", uuid::Uuid::new_v4()), "by hand.pdf".to_owned());
    for name in [&young, &foreign] {
        std::fs::write(app.published(name), b"bytes").unwrap();
    }
    // Its row may be on its way: what came within the hour is left alone, whatever is asked for.
    expect(&cleanup(&app, &[]), 0, "1 files to import");
    expect(&cleanup(&app, &["--older-than", "1", "--dry-run", "--json"]), 0, "\"to_import\": 1");
    expect(&cleanup(&app, &["--apply"]), 0, "1 files to import");
    for wrong in [["--dry-run", "--apply"], ["--expect", "1"], ["--apply", "--expect=2"]] {
        expect(&cleanup(&app, &wrong), 2, "");
    }
    // The row that ties the marker to this database is what the start of a command looks at.
    let marker = app.store().join(".stillage-store");
    std::fs::write(&marker, "7b0ea7a1-75f0-4a6f-8a54-0a6a4d2b6d0b\n").unwrap();
    let refused = cleanup(&app, &["--apply"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("belongs to another database"));
    expect(&refused, 2, "");
    assert!(app.published(&young).exists() && app.published(&foreign).exists());
}
