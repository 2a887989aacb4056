//! Where bytes live.

mod cloud;
mod commands;
mod conformance;
mod engine;
mod healing;
mod hybrid;
mod object;
mod page;
mod relocate;

use serde_json::Value;

use crate::support::TestApp;

/// The states of every copy, as `local present, cloud pending`.
const COPIES: &str =
    "SELECT string_agg(DISTINCT place || ' ' || state, ', ' ORDER BY place || ' ' || state DESC)
    FROM attachment_copies";
/// How the last job or look at each file ended.
const STATES: &str = "SELECT string_agg(DISTINCT state, ' ') FROM attachments";

fn text<'a>(file: &'a Value, name: &str) -> &'a str {
    file[name].as_str().unwrap()
}

fn download(file: &Value) -> String {
    format!("/attachments/{}/download", text(file, "id"))
}

/// What the trail says of copies.
fn trail(app: &TestApp) -> String {
    app.value(
        "SELECT string_agg(action || ' ' || coalesce(details->>'place', ''), ', ' ORDER BY id) FROM audit_events
         WHERE action LIKE 'copy.%'",
    )
}
