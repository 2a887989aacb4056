//! Commands beside a running server.

mod doctor;
mod import;

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
