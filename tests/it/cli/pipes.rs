//! Commands whose reader goes away: they end quietly, and do what they were told all the same.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
};

use crate::support::TestApp;

fn command(app: &TestApp, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stillage"));
    command
        .args(arguments)
        .current_dir(std::env::temp_dir())
        .env_clear()
        .env("DATABASE_URL", &app.database.url)
        .env("UPLOAD_STORAGE_PATH", app.store())
        .env("RUST_LOG", "error")
        .stderr(Stdio::piped());
    command
}

#[test]
fn an_export_ends_with_its_reader() {
    let app = TestApp::start();
    app.execute(
        "INSERT INTO audit_events (at, actor, action, subject)
         SELECT now(), 'console', 'backup.make', 'system' FROM generate_series(1, 5000)",
    );
    let mut child = command(&app, &["audit", "export"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with('{'), "{first}");
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}

#[test]
fn nobody_has_to_read_what_a_command_says() {
    let app = TestApp::start();
    app.add_site("East");
    for arguments in [
        &["config"][..],
        &["config", "--json"],
        &["audit", "head"],
        &["audit", "verify"],
        &["migrate", "--status"],
        &["stats"],
        &["user", "list"],
        &["cleanup"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let done = command(&app, arguments).stdout(writer).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!((done.status.code(), said.as_ref()), (Some(0), ""), "{arguments:?}");
    }
}

/// A full disk is another matter.
#[test]
fn what_cannot_be_written_is_an_error() {
    let app = TestApp::start();
    for arguments in [&["config"][..], &["audit", "head"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let done = command(&app, arguments).stdout(full).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains("not everything could be printed"), "{said}");
    }
}
