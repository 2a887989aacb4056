//! What holds for every address: strangers, wrong methods, HEAD, headers of all answers.

use reqwest::{
    Method,
    header::{ACCEPT, HeaderMap},
};

use super::{FOR_STRANGERS, READS, Target, listed, open};
use crate::support::{Answer, Client, TestApp, raw, samples};

#[tokio::test]
async fn a_stranger_is_sent_to_sign_in() {
    let app = TestApp::start();
    let target = Target::make(&app, &app.admin().await).await;
    let stranger = app.stranger();
    for (method, pattern) in listed() {
        if FOR_STRANGERS.contains(&pattern) || method == Method::OPTIONS {
            continue;
        }
        let path = target.address(pattern);
        let ask = |accept: &str| Answer::to(stranger.request(method.clone(), &path).header(ACCEPT, accept));
        let page = ask("text/html,*/*;q=0.8").await.is(303);
        let next = if READS.contains(&method) { path.replace('/', "%2F") } else { "%2F".to_owned() };
        let expected = format!("/login?next={next}");
        let is_same = page.location().replace("%2D", "-").replace("%2E", ".").replace("%5F", "_") == expected;
        assert!(is_same, "{method} {pattern}: {}", page.location());
        let json = ask("application/json").await.is(401);
        if method != Method::HEAD {
            assert_eq!(json.code(), "unauthenticated", "{method} {pattern}");
        }
        ask("*/*").await.is(401);
        if method == Method::GET {
            stranger.head(&path).await.is(401);
        }
    }
}

#[tokio::test]
async fn a_wrong_method_is_405_with_what_is_allowed() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let target = Target::make(&app, &admin).await;
    let all = [listed(), open()].concat();
    for (_, pattern) in &all {
        let path = target.address(pattern).replace("{path:.*}", "x.css");
        let mut allowed: Vec<&str> =
            all.iter().filter(|(_, other)| other == pattern).map(|(method, _)| method.as_str()).collect();
        if allowed.contains(&"GET") {
            allowed.insert(1, "HEAD");
        }
        let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        for method in methods.iter().filter(|method| !allowed.contains(&method.as_str())) {
            let page = Answer::to(admin.request(method.clone(), &path)).await.is(405);
            let allow: Vec<&str> = page.header("allow").split(", ").collect();
            assert_eq!(allow, allowed, "{pattern}");
            let json = admin.request(method.clone(), &path).header(ACCEPT, "application/json");
            assert_eq!(Answer::to(json).await.is(405).code(), "method_not_allowed");
        }
    }
}

#[tokio::test]
async fn an_unknown_address_is_404() {
    let app = TestApp::start();
    let admin = app.admin().await;
    for path in ["/nowhere", "/batches/", "/api/nothing", "/static/nothing.css", "/static/missing"] {
        for by in [&admin, &app.stranger()] {
            let json = by.get_json(path).await.is(404);
            assert_eq!(json.code(), "not_found");
            assert_eq!(json.json()["error"]["request_id"], json.header("x-request-id"));
        }
    }
    let page = admin.get_html("/nowhere").await.is(404);
    let id = page.header("x-request-id").to_owned();
    page.shows("There is nothing here for you").shows(&id).shows("To the batches");
    app.stranger().get_html("/nowhere").await.is(404).shows("Sign in").hides("To the batches");
    assert_eq!(app.stranger().get("/api/nothing").await.is(404).code(), "not_found", "paths of the API");
}

/// Headers but for those that differ from request to request.
fn lasting(answer: &Answer) -> HeaderMap {
    let mut headers = answer.headers.clone();
    for changing in ["date", "x-request-id", "set-cookie"] {
        headers.remove(changing);
    }
    headers
}

#[tokio::test]
async fn head_answers_as_get_does() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let target = Target::make(&app, &admin).await;
    let gets = listed().into_iter().chain(open()).filter(|(method, _)| method == Method::GET);
    for (_, pattern) in gets.filter(|(_, pattern)| *pattern != "/metrics") {
        let path = target.address(pattern).replace("{path:.*}", &asset(&admin).await["/static/".len()..]);
        for by in [&admin, &app.stranger()] {
            let (get, head) = (by.get(&path).await, by.head(&path).await);
            assert_eq!(head.status, get.status, "{path}");
            assert_eq!(lasting(&head), lasting(&get), "{path}");
            assert!(head.body.is_empty(), "{path}");
        }
    }
}

/// The address of some style sheet.
async fn asset(by: &Client) -> String {
    assets_of(&by.get_html("/batches").await.text()).into_iter().find(|url| url.ends_with(".css")).unwrap()
}

fn assets_of(page: &str) -> Vec<String> {
    page.split('"')
        .filter(|text| text.starts_with("/static/"))
        .map(|url| url.split('#').next().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn every_answer_has_its_headers() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let target = Target::make(&app, &admin).await;
    let file = format!("/attachments/{}", target.file);
    let style = asset(&admin).await;
    let mut answers = vec![
        admin.get_html("/batches").await.is(200),
        admin.get_html("/nowhere").await.is(404),
        admin.get_json("/nowhere").await.is(404),
        admin.get(&format!("{file}/download")).await.is(200),
        admin.get(&format!("{file}/preview")).await.is(200),
        admin.get_with(&format!("{file}/download"), &[("Range", "bytes=9999999-")]).await.is(416),
        admin.get_html("/batches?cursor=nonsense").await.is(400),
        admin.post_login("ada", "wrong horse battery").await.is(401),
        Answer::to(admin.request(Method::POST, "/batches")).await.is(403),
        Answer::to(admin.request(Method::DELETE, "/batches")).await.is(405),
        admin.upload(&target.batch, &[("a.exe", b"MZ")]).await.is(415),
        app.stranger().get_html("/batches").await.is(303),
        app.stranger().get("/batches").await.is(401),
        app.stranger().get("/health/live").await.is(200),
        app.stranger().get(&style).await.is(200),
    ];
    app.unmount();
    answers.push(app.stranger().get("/health/ready").await.is(503));
    app.mount();
    let mut ids: Vec<&str> = Vec::new();
    for answer in &answers {
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors"), "{policy}");
        let scripts = policy.split(';').find(|part| part.trim().starts_with("script-src")).unwrap_or("");
        assert!(!scripts.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "same-origin");
        assert!(!answer.headers.contains_key("server"));
        assert!(!answer.header("cache-control").is_empty());
        let id = answer.header("x-request-id");
        assert!(!id.is_empty() && !ids.contains(&id), "an id of its own: {id}");
        ids.push(id);
    }
    let caching: Vec<&str> = answers.iter().map(|answer| answer.header("cache-control")).collect();
    assert_eq!(caching[0], "private, no-store");
    assert_eq!(caching[3], "private, no-cache");
    assert!(answers[3].header("content-security-policy").contains("sandbox"));
    assert_eq!(caching[14], "public, max-age=31536000, immutable");
}

#[tokio::test]
async fn every_page_finds_its_assets() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let target = Target::make(&app, &admin).await;
    admin.store(&target.batch, "photo.jpg", &samples::jpeg()).await;
    let mut pages = vec![admin.get_html("/nowhere").await, app.stranger().get_html("/login").await];
    let gets = listed().into_iter().filter(|(method, _)| method == Method::GET);
    for (_, pattern) in gets.filter(|(_, pattern)| !pattern.contains("/api/")) {
        pages.push(admin.get_html(&target.address(pattern)).await);
    }
    let mut urls: Vec<String> = pages.iter().flat_map(|page| assets_of(&page.text())).collect();
    urls.sort();
    urls.dedup();
    assert!(urls.len() > 10, "{urls:?}");
    for url in urls.clone().iter().filter(|url| url.ends_with(".js")) {
        urls.extend(assets_of(&admin.get(url).await.is(200).text()));
    }
    for url in &urls {
        let asset = admin.get(url).await.is(200);
        assert_eq!(asset.header("cache-control"), "public, max-age=31536000, immutable");
        let kind = asset.header("content-type").split(';').next().unwrap().to_owned();
        let expected = match url.rsplit_once('.').unwrap().1 {
            "css" => ["text/css", "text/css"],
            "js" => ["text/javascript", "application/javascript"],
            _ => ["image/svg+xml", "image/svg+xml"],
        };
        assert!(expected.contains(&kind.as_str()), "{url}: {kind}");
    }
    // Another release's name is not answered with this one's file.
    let (begin, end) = urls[0].rsplit_once('.').unwrap();
    let (stem, _) = begin.rsplit_once('.').unwrap();
    admin.get(&format!("{stem}.000000000000.{end}")).await.is(404);
    admin.get(&format!("{stem}.{end}")).await.is(404);
}

#[tokio::test]
async fn odd_requests_get_plain_refusals() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let (cookie, token) = (admin.cookie(), admin.token().await);
    let table = [
        ("GET /static/../Cargo.toml HTTP/1.1".to_owned(), "", 404),
        ("GET /static/%2e%2e/Cargo.toml HTTP/1.1".to_owned(), "", 404),
        ("GET /static/css/%2e%2e%2fbase.css HTTP/1.1".to_owned(), "", 404),
        ("GET /api/production/attachment/..%2f..%2fetc%2fpasswd HTTP/1.1".to_owned(), "", 404),
        ("GET /api/production/attachment/%00 HTTP/1.1".to_owned(), "", 404),
        ("GET /batches?q=%00 HTTP/1.1".to_owned(), "", 200),
        ("GET /batches?q=%ff%fe HTTP/1.1".to_owned(), "", 200),
        ("GET /batches?cursor=%00 HTTP/1.1".to_owned(), "", 400),
        (format!("GET /{} HTTP/1.1", "a/".repeat(3000)), "", 404),
        ("POST /batches HTTP/1.1".to_owned(), "Content-Type: application/x-www-form-urlencoded\r\n", 403),
        ("POST /batches HTTP/1.1".to_owned(), "Content-Type: application/json\r\n", 400),
        ("NONSENSE /batches HTTP/1.1".to_owned(), "", 405),
    ];
    for (line, headers, expected) in table {
        let answer = raw::exchange(
            app.address,
            &format!(
                "{line}\r\nHost: {}\r\nCookie: {cookie}\r\nConnection: close\r\n{headers}Content-Length: 0\r\n\r\n",
                app.address
            ),
        );
        assert_eq!(raw::status(&answer), expected, "{line}\n{answer}");
    }
    let form = format!("csrf_token={token}&number=B-1&product=a%00b");
    let request = admin.request(Method::POST, "/batches");
    let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(form);
    Answer::to(request).await.is(422);
    let large = format!("csrf_token={token}&number=B-1&notes={}", "x".repeat(300_000));
    let request = admin.request(Method::POST, "/batches");
    let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(large);
    Answer::to(request).await.is(400);
    assert_eq!(app.value("SELECT count(*) FROM batches"), "0");
}
