//! Files on their way out: parts, conditions, and bytes that are not where they should be.

use std::{fs, os::unix::fs::symlink};

use reqwest::Method;

use super::Target;
use crate::support::{Answer, Client, TestApp, samples};

/// A file that is longer than what is read at once, and its path.
async fn long_file(app: &TestApp, by: &Client) -> (Vec<u8>, String) {
    let bytes = samples::pdf_of(700_000);
    let batch = by.make_batch("B-1").await;
    let file = by.store(&batch, "long.pdf", &bytes).await;
    assert_eq!(app.kept().rows, "1");
    (bytes, format!("/attachments/{}/download", file["id"].as_str().unwrap()))
}

#[tokio::test]
async fn parts_are_the_bytes_they_say() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let (bytes, path) = long_file(&app, &staff).await;
    let table = [
        ("bytes=0-0", 0..1),
        ("bytes=10-19", 10..20),
        ("bytes=262143-262144", 262_143..262_145),
        ("bytes=262144-", 262_144..700_000),
        ("bytes=300000-600000", 300_000..600_001),
        ("bytes=-5", 699_995..700_000),
        ("bytes=-9000000", 0..700_000),
        ("bytes=699999-9000000", 699_999..700_000),
    ];
    for (range, expected) in table {
        let part = staff.get_with(&path, &[("Range", range)]).await.is(206);
        assert!(part.body == bytes[expected.clone()], "{range}");
        let (first, last) = (expected.start, expected.end - 1);
        assert_eq!(part.header("content-range"), format!("bytes {first}-{last}/700000"));
        assert_eq!(part.header("content-length"), part.body.len().to_string());
        assert_eq!(part.header("content-type"), "application/pdf");
    }
    for range in ["bytes=0-1,5-6", "lines=1-2", "bytes=b-a", "bytes="] {
        let whole = staff.get_with(&path, &[("Range", range)]).await.is(200);
        assert!(whole.body == bytes, "{range}");
    }
    for range in ["bytes=700000-", "bytes=-0"] {
        let refused = staff.get_with(&path, &[("Range", range)]).await.is(416);
        assert_eq!(refused.header("content-range"), "bytes */700000", "{range}");
    }
}

#[tokio::test]
async fn conditions_are_kept() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let (bytes, path) = long_file(&app, &staff).await;
    let whole = staff.get(&path).await.is(200);
    let (tag, date) = (whole.header("etag"), whole.header("last-modified"));
    assert_eq!(tag, format!("\"{}\"", samples::sha256(&bytes)));
    assert_eq!(whole.header("accept-ranges"), "bytes");
    let (weak, part) = (format!("W/{tag}"), ("Range", "bytes=0-4"));
    let old = "Tue, 24 Nov 2020 10:00:00 GMT";
    let table: Vec<(Vec<(&str, &str)>, u16)> = vec![
        (vec![("If-None-Match", tag)], 304),
        (vec![("If-None-Match", &weak)], 304),
        (vec![("If-None-Match", "\"x\"")], 200),
        (vec![("If-None-Match", tag), part], 304),
        (vec![("If-Modified-Since", date)], 304),
        (vec![("If-Modified-Since", old)], 200),
        (vec![("If-Match", tag)], 200),
        (vec![("If-Match", "\"x\"")], 412),
        (vec![("If-Match", &weak)], 412),
        (vec![("If-Unmodified-Since", old)], 412),
        (vec![("If-Range", tag), part], 206),
        (vec![("If-Range", &weak), part], 200),
        (vec![("If-Range", "\"x\""), part], 200),
        (vec![("If-Range", date), part], 206),
        (vec![("If-Range", old), part], 200),
        (vec![("If-Match", "\"x\""), part], 412),
    ];
    for (headers, status) in table {
        let answer = staff.get_with(&path, &headers).await;
        assert_eq!(answer.status, status, "{headers:?}");
        assert_eq!(answer.header("etag"), tag, "{headers:?}");
        let length = match status {
            200 => bytes.len(),
            206 => 5,
            _ => 0,
        };
        assert_eq!(answer.body.len(), length, "{headers:?}");
        let head =
            headers.iter().fold(staff.request(Method::HEAD, &path), |r, (name, v)| r.header(*name, *v));
        let head = Answer::to(head).await;
        assert_eq!(head.status, status, "HEAD {headers:?}");
        assert_eq!(head.header("content-length"), answer.header("content-length"), "HEAD {headers:?}");
    }
}

#[tokio::test]
async fn what_a_browser_shows_of_a_file_can_do_nothing() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let samples: [(&str, Vec<u8>); 3] =
        [("a.pdf", samples::pdf("x")), ("a.png", samples::png()), ("a.jpg", samples::jpeg())];
    for (name, bytes) in samples {
        let id = staff.store_id(&batch, name, &bytes).await;
        app.draw().await;
        let shown = staff.get(&format!("/attachments/{id}/preview")).await.is(200);
        if name == "a.pdf" {
            assert_eq!(shown.body, bytes);
            assert!(shown.header("content-disposition").starts_with("inline; filename="));
        } else {
            assert_eq!(shown.header("content-type"), "image/jpeg");
        }
        assert!(shown.header("content-security-policy").starts_with("sandbox"));
        assert_eq!(shown.header("x-content-type-options"), "nosniff");
        assert_eq!(shown.header("cache-control"), "private, no-cache");
        staff
            .get_html(&format!("/attachments/{id}"))
            .await
            .is(200)
            .shows(&format!("/attachments/{id}/preview"));
    }
}

#[tokio::test]
async fn bytes_that_are_not_there_are_never_answered_200() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let target = Target::make(&app, &staff).await;
    let (file, path) = (app.published(&target.stored_name), target.address("/attachments/{id}/download"));
    let by_name = target.address("/api/production/attachment/{stored_name}");
    let bytes = fs::read(&file).unwrap();

    fs::remove_file(&file).unwrap();
    for path in [&path, &by_name, &target.address("/attachments/{id}/preview")] {
        assert_eq!(staff.get_json(path).await.is(409).code(), "file_missing");
    }
    staff.get_html(&path).await.is(409).shows("The bytes of this file are not where they should be");
    staff.head(&path).await.is(409);

    for (what, wrong) in [("shorter", &bytes[1..]), ("empty", b""), ("longer", &[&bytes[..], b"x"].concat())]
    {
        fs::write(&file, wrong).unwrap();
        assert_eq!(staff.get_json(&path).await.status, 409, "{what}");
    }
    fs::remove_file(&file).unwrap();
    let secret = app.store().join("secret");
    fs::write(&secret, &bytes).unwrap();
    symlink(&secret, &file).unwrap();
    assert_eq!(staff.get_json(&path).await.status, 409, "symlinks are not followed");

    fs::remove_file(&file).unwrap();
    fs::write(&file, &bytes).unwrap();
    assert!(staff.get(&path).await.is(200).body == bytes);
}
