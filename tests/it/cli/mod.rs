//! Commands beside a running server.

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
    app.unmount();
    expect(&health(&address), 1, "not ready: storage");
    app.mount();
    expect(&health(&address), 0, "ready");
    drop(app);
    expect(&health(&address), 1, "not ready: 127.0.0.1");
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
    let name = format!("{}_orphan.pdf", uuid::Uuid::new_v4());
    std::fs::write(app.published(&name), b"orphan").unwrap();
    // Both of them hours old, the marker first.
    for (path, hours) in [(app.store().join(".stillage-store"), 3), (app.published(&name), 2)] {
        let file = std::fs::File::options().write(true).open(path).unwrap();
        let modified = file.metadata().unwrap().modified().unwrap();
        file.set_modified(modified - std::time::Duration::from_secs(hours * 3600)).unwrap();
    }
    expect(&cleanup(&app, &[]), 0, "Nothing was touched. 1 would go with --apply.");
    expect(&cleanup(&app, &["--older-than", "1"]), 0, "nothing to clean up");
    expect(&cleanup(&app, &["--dry-run", "--json"]), 0, &name);
    for wrong in [["--dry-run", "--apply"], ["--expect", "1"], ["--apply", "--expect=2"]] {
        expect(&cleanup(&app, &wrong), 2, "");
    }
    // The row that ties the marker to this database is what the start of a command looks at.
    let marker = app.store().join(".stillage-store");
    let text = std::fs::read(&marker).unwrap();
    std::fs::write(&marker, "7b0ea7a1-75f0-4a6f-8a54-0a6a4d2b6d0b\n").unwrap();
    let refused = cleanup(&app, &["--apply"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("belongs to another database"));
    expect(&refused, 2, "");
    assert!(app.published(&name).exists());
    std::fs::write(&marker, text).unwrap();
    // Written just now, the marker is younger than the file, which is foreign then.
    expect(&cleanup(&app, &["--apply"]), 0, "1 files to import");
    let file = std::fs::File::options().write(true).open(&marker).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    file.set_modified(modified - std::time::Duration::from_secs(3 * 3600)).unwrap();
    expect(&cleanup(&app, &["--apply"]), 0, "Moved 1 of 1 aside.");
    assert!(app.store().join(".trash").join(&name).exists());
}
