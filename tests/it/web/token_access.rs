//! What a token opens, for every method and address there is: by its scope, and by the site it is held to. The tokens
//! are an admin's, so that nothing but the token itself bounds them.

use reqwest::{Method, RequestBuilder, header::AUTHORIZATION};

use super::{FOR_STRANGERS, READS, Target, listed, tokens::token};
use crate::support::{Answer, Client, TestApp};

const SCOPES: [&str; 3] = ["read", "upload", "admin"];

/// The status for the scopes read, upload and admin: of tokens for all sites, for the one that it is about, and for
/// another one.
const TABLE: &[(&str, &str, [[u16; 3]; 3])] = &[
    ("GET", "/attachments/{id}/download", [[200; 3], [200; 3], [404; 3]]),
    ("GET", "/attachments/{id}/preview", [[200; 3], [200; 3], [404; 3]]),
    // Nothing is drawn yet.
    ("GET", "/attachments/{id}/thumbnail", [[202; 3], [202; 3], [404; 3]]),
    ("POST", "/batches/{id}/attachments", [[403, 201, 201], [403, 201, 201], [404; 3]]),
    ("GET", "/batches/{id}/archive.zip", [[200; 3], [200; 3], [404; 3]]),
    ("POST", "/batches/{id}/archive.zip", [[200; 3], [200; 3], [404; 3]]),
    ("OPTIONS", "/uploads", [[204; 3]; 3]),
    ("POST", "/uploads", [[403, 201, 201], [403, 201, 201], [404; 3]]),
    ("OPTIONS", "/uploads/{id}", [[204; 3]; 3]),
    ("HEAD", "/uploads/{id}", [[403, 200, 200], [403, 200, 200], [404; 3]]),
    ("PATCH", "/uploads/{id}", [[403, 204, 204], [403, 204, 204], [404; 3]]),
    ("DELETE", "/uploads/{id}", [[403, 204, 204], [403, 204, 204], [404; 3]]),
    ("GET", "/api/docs", [[200; 3]; 3]),
    ("GET", "/api/openapi.json", [[200; 3]; 3]),
    // About all sites.
    ("GET", "/api/stats", [[403, 403, 200], [403; 3], [403; 3]]),
    ("GET", "/api/production/batches", [[200; 3]; 3]),
    // A site that one does not see is none to choose.
    ("POST", "/api/production/batches", [[403, 201, 201], [403, 201, 201], [403, 422, 422]]),
    ("GET", "/api/production/batches/{id}", [[200; 3], [200; 3], [404; 3]]),
    ("GET", "/api/production/attachments/{id}", [[200; 3], [200; 3], [404; 3]]),
    ("DELETE", "/api/production/attachments/{id}", [[403, 204, 204], [403, 204, 204], [404; 3]]),
    ("POST", "/api/production/batches/{id}/attachments", [[403, 201, 201], [403, 201, 201], [404; 3]]),
    ("GET", "/api/production/attachment/{stored_name}", [[200; 3], [200; 3], [404; 3]]),
];

fn asking(
    script: &Client,
    target: &Target,
    method: &Method,
    pattern: &'static str,
    token: &str,
) -> RequestBuilder {
    let request = if READS.contains(method) {
        script.request(method.clone(), &target.address(pattern))
    } else {
        target.write(script, &(method.clone(), pattern), None)
    };
    let request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    if pattern.starts_with("/uploads") && READS.contains(method) {
        request.header("Tus-Resumable", "1.0.0")
    } else {
        request
    }
}

#[tokio::test]
async fn every_token_gets_what_the_table_says() {
    let app = TestApp::start();
    let (admin, script) = (app.admin().await, app.stranger());
    let (here, elsewhere) =
        (app.value("SELECT id FROM sites WHERE is_default"), app.add_site("Elsewhere").to_string());
    let mut wrong = Vec::new();
    for (nth, site) in ["", &here, &elsewhere].into_iter().enumerate() {
        for (scope, name) in SCOPES.into_iter().enumerate() {
            let token = token(&admin, name, site).await;
            let mut target = Target::make(&app, &admin).await;
            for (method, pattern, expected) in TABLE {
                let method: Method = method.parse().unwrap();
                let answer = Answer::to(asking(&script, &target, &method, pattern, &token)).await;
                let expected = expected[nth][scope];
                if answer.status != expected {
                    wrong.push(format!(
                        "{method} {pattern}, {name} at {site:?}: {} not {expected}",
                        answer.status
                    ));
                }
                if [Method::DELETE, Method::PATCH].contains(&method) {
                    target = Target::make(&app, &admin).await;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Everywhere else a token is none, whatever it may: a route that takes one has its row.
#[tokio::test]
async fn a_token_opens_nothing_that_has_no_row() {
    let app = TestApp::start();
    let (admin, script) = (app.admin().await, app.stranger());
    let token = token(&admin, "admin", "").await;
    let target = Target::make(&app, &admin).await;
    let all = listed();
    for (method, pattern, _) in TABLE {
        assert!(all.contains(&(method.parse().unwrap(), *pattern)), "{method} {pattern} is gone");
    }
    let has_row = |method: &Method, pattern: &str| {
        TABLE.iter().any(|(known, path, _)| *known == method.as_str() && *path == pattern)
    };
    for (method, pattern) in all {
        if has_row(&method, pattern) || FOR_STRANGERS.contains(&pattern) {
            continue;
        }
        let answer = Answer::to(asking(&script, &target, &method, pattern, &token)).await;
        assert_eq!(answer.status, 401, "{method} {pattern} takes tokens and has no row");
    }
    // What strangers may do, a token does not make more of: the link's page names nobody who is signed in.
    let visit = script.request(Method::GET, &target.address("/s/{token}"));
    let page = Answer::to(visit.header(AUTHORIZATION, format!("Bearer {token}"))).await.is(200);
    page.hides("Sign out");
}
