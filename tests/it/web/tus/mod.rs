//! Resumable uploads, point by point of tus 1.0.0.

mod append;
mod create;
mod finish;
mod resume;
mod terminate;

use reqwest::Method;

use crate::support::{Answer, TestApp, Tus, samples};

#[tokio::test]
async fn options_says_what_is_offered_to_anybody() {
    let app = TestApp::with(&[("MAX_UPLOAD_SIZE_MB", "3")]);
    for path in ["/uploads", "/uploads/b4f1e2c8-2a3d-4f6e-9d0a-5c7b8e9f0a1b"] {
        let answer = Answer::to(app.stranger().request(Method::OPTIONS, path)).await.is(204);
        assert_eq!(answer.header("tus-resumable"), "1.0.0");
        assert_eq!(answer.header("tus-version"), "1.0.0");
        assert_eq!(
            answer.header("tus-extension"),
            "creation,creation-with-upload,expiration,checksum,termination"
        );
        assert_eq!(answer.header("tus-max-size"), "3145728");
        assert_eq!(answer.header("tus-checksum-algorithm"), "sha256,sha1");
        assert_eq!(answer.header("set-cookie"), "");
    }
}

#[tokio::test]
async fn another_version_is_412_and_does_nothing() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let tus = Tus::of(&staff).await;
    let pdf = samples::pdf("x");
    let upload = tus.create(&batch, "a.pdf", pdf.len()).await;
    for version in [None, Some("0.2.2"), Some("2.0.0")] {
        let asked = [
            (Method::POST, "/uploads"),
            (Method::HEAD, &upload),
            (Method::PATCH, &upload),
            (Method::DELETE, &upload),
        ];
        for (method, path) in asked {
            let mut request = staff
                .request(method.clone(), path)
                .header("X-CSRF-Token", staff.token().await)
                .header("Upload-Offset", 0)
                .header("Upload-Length", pdf.len())
                .header("Upload-Metadata", Tus::metadata(&batch, "b.pdf"))
                .header("Content-Type", Tus::OCTETS);
            if let Some(version) = version {
                request = request.header("Tus-Resumable", version);
            }
            if method == Method::PATCH {
                request = request.body(pdf.clone());
            }
            let answer = Answer::to(request).await.is(412);
            assert_eq!((answer.header("tus-version"), answer.header("tus-resumable")), ("1.0.0", "1.0.0"));
            if method != Method::HEAD {
                assert_eq!(answer.code(), "wrong_version");
            }
        }
    }
    assert_eq!((tus.offset(&upload).await, app.value("SELECT count(*) FROM uploads").as_str()), (0, "1"));
}

#[tokio::test]
async fn errors_are_json_with_the_version() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let tus = Tus::of(&staff).await;
    let nothing = "/uploads/b4f1e2c8-2a3d-4f6e-9d0a-5c7b8e9f0a1b";
    let answer = tus.append(nothing, 0, b"x").await.is(404);
    assert_eq!(answer.code(), "not_found");
    assert_eq!(answer.json()["error"]["request_id"], answer.header("x-request-id"));
    assert_eq!(answer.header("tus-resumable"), "1.0.0");
    let stranger = Tus::of(&app.stranger()).await;
    let answer = stranger.append(nothing, 0, b"x").await.is(401);
    assert_eq!((answer.code().as_str(), answer.header("tus-resumable")), ("unauthenticated", "1.0.0"));
}

#[tokio::test]
async fn a_foreign_upload_is_not_there() {
    let app = TestApp::start();
    let (staff, admin) = (app.staff().await, app.admin().await);
    let batch = staff.make_batch("B-1").await;
    let (tus, other) = (Tus::of(&staff).await, Tus::of(&admin).await);
    let pdf = samples::pdf("x");
    let upload = tus.create(&batch, "a.pdf", pdf.len()).await;
    other.look(&upload).await.is(404);
    other.append(&upload, 0, &pdf).await.is(404);
    other.append(&upload, 7, &pdf).await.is(404);
    Answer::to(other.request(Method::PATCH, &upload)).await.is(404);
    other.cancel(&upload).await.is(404);
    tus.append(&upload, 0, &pdf).await.is(204);
    other.look(&upload).await.is(404);
}

#[tokio::test]
async fn a_right_that_is_taken_away_counts_with_the_next_request() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let tus = Tus::of(&staff).await;
    let pdf = samples::pdf_of(1000);
    let upload = tus.create(&batch, "a.pdf", pdf.len()).await;
    tus.append(&upload, 0, &pdf[..300]).await.is(204);
    app.execute("UPDATE users SET role = 'viewer' WHERE username = 'stan'");
    tus.append(&upload, 300, &pdf[300..]).await.is(403);
    tus.look(&upload).await.is(403);
    tus.cancel(&upload).await.is(403);
    Answer::to(tus.creation(&batch, "b.pdf", 10)).await.is(403);
    app.execute("UPDATE users SET role = 'staff'; DELETE FROM site_members");
    tus.append(&upload, 300, &pdf[300..]).await.is(404);
    tus.look(&upload).await.is(404);
    Answer::to(tus.creation(&batch, "b.pdf", 10)).await.is(404);
    app.execute("INSERT INTO site_members (site_id, user_id, created_at) SELECT s.id, u.id, now() FROM sites s, users u");
    app.execute("UPDATE users SET disabled_at = now()");
    tus.append(&upload, 300, &pdf[300..]).await.is(401);
    assert!(app.kept().published.is_empty());
    // Nothing that came before is lost.
    app.execute("UPDATE users SET disabled_at = NULL");
    assert_eq!(tus.offset(&upload).await, 300);
    tus.append(&upload, 300, &pdf[300..]).await.is(204);
    assert_eq!((app.kept().rows.as_str(), app.kept().published.len()), ("1", 1));
}

#[tokio::test]
async fn a_write_needs_the_token_of_the_session() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let tus = Tus::of(&staff).await;
    let upload = tus.create(&batch, "a.pdf", 100).await;
    for (method, path) in [(Method::POST, "/uploads"), (Method::PATCH, &upload), (Method::DELETE, &upload)] {
        let bare = staff.request(method.clone(), path).header("Tus-Resumable", "1.0.0");
        assert_eq!(Answer::to(bare).await.is(403).code(), "csrf");
        let elsewhere = tus.request(method, path).header("Origin", "https://evil.example");
        assert_eq!(Answer::to(elsewhere).await.is(403).code(), "csrf");
    }
    assert_eq!(tus.offset(&upload).await, 0);
}
