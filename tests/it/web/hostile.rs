//! Hostile values in every part of every address, in every field and in what scripts send: whatever it is, the answer
//! is no failure of the server. Parameters and fields are found in the sources, so that a new one is tried, too.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::{StreamExt, stream};
use reqwest::{
    Method, RequestBuilder,
    header::{ACCEPT, CONTENT_TYPE},
};

use super::{Target, listed, open, writes};
use crate::support::{Answer, Client, TestApp, Tus};

/// As they stand in an address.
fn values() -> Vec<String> {
    let plain = [
        "",
        "%00",
        "a%00b",
        "%ff%fe",
        // A lone surrogate, as UTF-8 does not have it.
        "%ED%A0%80",
        "%",
        "-1",
        "0",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "18446744073709551616",
        "1e400",
        "NaN",
        "0000-01-01",
        "-0001-01-01",
        "9999-12-31",
        "262142-12-31",
        "262143-01-01",
        "-262143-01-01",
        "294277-01-01",
        "%2B262142-12-31",
        "%2B262142-12-31T23:59:59Z",
        "-4713-01-01T00:00:00Z",
        "2026-02-30",
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "%E2%80%A8%1b%5B2J",
        "%25%5F%5C",
    ];
    plain.into_iter().map(str::to_owned).chain(["x".repeat(6000), "%F0%9F%98%80".repeat(300)]).collect()
}

/// Places that no page ever had, in the forms that places have.
fn cursors() -> Vec<String> {
    const ID: &str = "\"ffffffff-ffff-ffff-ffff-ffffffffffff\"";
    let moments = [
        "+262142-12-31T23:59:59Z",
        "-262143-01-01T00:00:00Z",
        "-4714-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "+294277-01-01T00:00:00Z",
        "9999-12-31T23:59:60.999999999Z",
        "a\\u0000b",
    ];
    let numbers = ["9223372036854775807", "-9223372036854775808", "9223372036854775808", "1e400", "null"];
    let keys = ["At", "Number", "Size", "Name", "Kind", "Time", "Rank"];
    let values = moments.iter().map(|text| format!("\"{text}\"")).chain(numbers.map(str::to_owned));
    let mut places = Vec::new();
    for value in values {
        places.push(value.clone());
        places.push(format!("[{value},{ID}]"));
        places.extend(keys.map(|key| format!("{{\"key\":{{\"{key}\":{value}}},\"id\":{ID}}}")));
    }
    places.extend(["[]".to_owned(), "{}".to_owned(), "[".repeat(2000), "\"\\ud800\"".to_owned()]);
    places.iter().map(|place| URL_SAFE_NO_PAD.encode(place)).collect()
}

/// Every source of the web part, one after the other.
fn sources() -> String {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web"), &mut found);
    found.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

fn word(text: &str) -> &str {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap()
}

/// Names of all parameters of queries: the fields of what `web::Query` reads.
fn parameters(sources: &str) -> BTreeSet<String> {
    // Read pair by pair.
    let mut names = BTreeSet::from(["ids".to_owned(), "size".to_owned()]);
    for read in sources.split("web::Query<").skip(1).map(word).filter(|name| *name != "Vec") {
        for body in sources.split(&format!("struct {read} {{")).skip(1) {
            let (body, _) = body.split_once("\n}").unwrap();
            let fields =
                body.lines().filter_map(|line| line.trim().trim_start_matches("pub ").split_once(": "));
            names.extend(fields.map(|(name, _)| name).filter(|name| word(name) == *name).map(str::to_owned));
        }
    }
    names
}

/// Names of all fields of forms.
fn fields(sources: &str) -> BTreeSet<String> {
    let calls = ["text(\"", "ids(\"", "all(\"", "typed(\"", "is_ticked(\""];
    let found = calls.iter().flat_map(|call| sources.split(call).skip(1)).map(word).map(str::to_owned);
    found.filter(|name| name != "csrf_token").collect()
}

#[test]
fn parameters_and_fields_are_found() {
    let sources = sources();
    let (parameters, fields) = (parameters(&sources), fields(&sources));
    for known in ["q", "cursor", "limit", "since", "until", "site", "at", "token", "table"] {
        assert!(parameters.contains(known), "{known}: {parameters:?}");
    }
    for known in ["username", "ids", "trash_days", "expires_in_hours", "expect", "sites"] {
        assert!(fields.contains(known), "{known}: {fields:?}");
    }
}

/// Sends all of them, a few at a time, and says which the server failed at.
async fn failures(requests: Vec<RequestBuilder>) -> Vec<String> {
    let asked = stream::iter(requests).map(|request| async {
        let (client, request) = request.build_split();
        let request = request.unwrap();
        let what = format!("{} {:.200}", request.method(), request.url().as_str());
        match client.execute(request).await {
            Ok(answer) if answer.status().as_u16() < 500 => None,
            Ok(answer) => Some(format!("{}: {what}", answer.status())),
            Err(error) => Some(format!("no answer ({error}): {what}")),
        }
    });
    asked.buffer_unordered(8).filter_map(std::future::ready).collect().await
}

#[track_caller]
fn none(failures: &[String]) {
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// Every address that can be read.
fn pages(target: &Target) -> Vec<String> {
    let gets = listed().into_iter().chain(open()).filter(|(method, _)| method == Method::GET);
    gets.map(|(_, pattern)| target.address(pattern).replace("{path:.*}", "css/base.css")).collect()
}

#[tokio::test]
async fn any_query_can_be_asked() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let target = Target::make(&app, &admin).await;
    let names = parameters(&sources());
    let get = |path: String| admin.request(Method::GET, &path);
    let mut requests = Vec::new();
    for page in pages(&target) {
        for value in values() {
            let all: Vec<String> =
                names.iter().filter(|name| *name != "cursor").map(|name| format!("{name}={value}")).collect();
            if value.len() < 100 {
                requests.push(get(format!("{page}?{}", all.join("&"))));
            }
        }
        requests.push(get(format!("{page}?{}", "q=1&".repeat(500))));
    }
    none(&failures(requests).await);
    // One by one where a part may hide the others, and again what may be there twice.
    let mut requests = Vec::new();
    for page in pages(&target) {
        for name in &names {
            let once = admin.get_json(&format!("{page}?{name}=%00&{name}=%00")).await;
            assert!(once.status < 500, "{page}?{name}");
            // This one is read here.
            if once.status == 400 {
                let values = values().into_iter().chain(cursors());
                requests.extend(values.map(|value| get(format!("{page}?{name}={value}"))));
            }
        }
    }
    assert!(requests.len() > 2000, "{}", requests.len());
    none(&failures(requests).await);
}

#[tokio::test]
async fn any_segment_can_be_asked_for() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let target = Target::make(&app, &admin).await;
    let token = admin.token().await;
    let mut requests = Vec::new();
    let routes = listed().into_iter().chain(open()).filter(|(_, pattern)| pattern.contains('{'));
    for (method, pattern) in routes {
        for value in values().into_iter().filter(|value| !value.is_empty()) {
            // One segment after the other, the rest being what is there.
            for (nth, _) in pattern.match_indices('{') {
                let (begin, rest) = pattern.split_at(nth);
                let (_, end) = rest.split_once('}').unwrap();
                let path = target.address(&format!("{begin}\u{1}{end}")).replace('\u{1}', &value);
                let request = admin.request(method.clone(), &path).header("X-CSRF-Token", &token);
                let request = request.header("Tus-Resumable", "1.0.0").header(ACCEPT, "application/json");
                requests.push(if method == Method::POST { request.form(&[("ids", "x")]) } else { request });
            }
        }
    }
    none(&failures(requests).await);
    app.execute("DELETE FROM jobs WHERE kind <> 'make_previews'");
}

#[tokio::test]
async fn any_field_can_be_filled() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let target = Target::make(&app, &admin).await;
    let token = admin.token().await;
    let names = fields(&sources());
    // With these a form gets as far as its other fields.
    let usual = [
        ("number", "F-1"),
        ("product", "Soap"),
        ("site_id", &target.site),
        ("kind", "label"),
        ("username", "fay"),
        ("display_name", "Fay"),
        ("role", "staff"),
        ("sites", &target.site),
        ("name", "Fay"),
        ("scope", "read"),
        ("days", "30"),
        ("expires_in_hours", "1"),
    ];
    let mut requests = Vec::new();
    for (method, pattern) in writes().into_iter().filter(|(_, pattern)| *pattern != "/logout") {
        for value in values() {
            let value = percent_encoding::percent_decode_str(&value).collect::<Vec<u8>>();
            let value: String = value.iter().map(|byte| format!("%{byte:02x}")).collect();
            let mut whole = format!("csrf_token={token}");
            let mut rest = whole.clone();
            for name in &names {
                whole += &format!("&{name}={value}");
                match usual.iter().find(|(usual, _)| usual == name) {
                    Some((_, own)) => rest += &format!("&{name}={own}"),
                    None => rest += &format!("&{name}={value}"),
                }
            }
            for form in [whole, rest] {
                let request = admin.request(method.clone(), &target.address(pattern));
                let request = request.header("X-CSRF-Token", &token).header("Tus-Resumable", "1.0.0");
                requests.push(request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form));
            }
        }
    }
    none(&failures(requests).await);
    app.execute("DELETE FROM jobs WHERE kind <> 'make_previews'");
}

#[tokio::test]
async fn scripts_can_send_what_they_want() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let target = Target::make(&app, &app.admin().await).await;
    let token = staff.token().await;
    let write = |method: Method, path: &str| {
        staff.request(method, path).header("X-CSRF-Token", &token).header("Tus-Resumable", "1.0.0")
    };
    let mut requests = Vec::new();
    let bodies = [
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"a\\u0000b\"",
        "9223372036854775808",
        "1e400",
        "-0",
        "null",
        "[]",
        "{}",
        "\"9999999-01-01T00:00:00Z\"",
        "\"\"",
    ];
    for value in bodies {
        for field in ["number", "product", "site_id", "notes", "files", "unknown"] {
            let body = format!("{{\"number\":\"J-1\",\"{field}\":{value}}}");
            for body in [body, value.to_owned(), "[".repeat(5000)] {
                let request = write(Method::POST, "/api/production/batches");
                requests.push(request.header(CONTENT_TYPE, "application/json").body(body));
            }
        }
    }
    let upload = Tus::of(&staff).await.create(&target.batch, "slip.pdf", 100).await;
    let numbers =
        ["-1", "9223372036854775807", "9223372036854775808", "18446744073709551615", "1e3", "", "0x1"];
    for value in numbers {
        let metadata = Tus::metadata(&target.batch, "slip.pdf");
        let created = write(Method::POST, "/uploads").header("Upload-Length", value);
        requests.push(created.header("Upload-Metadata", metadata));
        let appended = write(Method::PATCH, &upload).header("Upload-Offset", value);
        requests.push(appended.header(CONTENT_TYPE, Tus::OCTETS).body("x"));
        let ranges = [format!("bytes={value}-"), format!("bytes=0-{value}"), format!("bytes=-{value}")];
        for range in ranges {
            let path = format!("/attachments/{}/download", target.file);
            requests.push(staff.request(Method::GET, &path).header("Range", range));
        }
    }
    for name in ["\0", "a\0b.pdf", "\u{2028}.pdf", &"x".repeat(3000)] {
        let created = write(Method::POST, "/uploads").header("Upload-Length", "5");
        requests.push(created.header("Upload-Metadata", Tus::metadata(&target.batch, name)));
    }
    for metadata in
        ["batch_id !!!", "filename AAAA,filename AAAA", ",", "batch_id /w==", &"a b,".repeat(2000)]
    {
        requests.push(
            write(Method::POST, "/uploads").header("Upload-Length", "5").header("Upload-Metadata", metadata),
        );
    }
    none(&failures(requests).await);
    end_uploads(&app, &staff).await;
}

/// Uploads that came to be have a place in the store until they end.
async fn end_uploads(app: &TestApp, by: &Client) {
    let ids = app.value("SELECT string_agg(id::text, ',') FROM uploads");
    let token = by.token().await;
    for id in ids.split(',') {
        let request = by.request(Method::DELETE, &format!("/uploads/{id}"));
        Answer::to(request.header("X-CSRF-Token", &token).header("Tus-Resumable", "1.0.0")).await;
    }
}
