//! Files on their way in, and out again unchanged.

use std::fs;

use percent_encoding::percent_decode_str;
use reqwest::{
    Method,
    header::{ACCEPT, CONTENT_TYPE},
};

use crate::support::{Answer, Multipart, TestApp, samples};

#[tokio::test]
async fn every_type_comes_back_as_it_went_in_whatever_its_name() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let long = format!("{}.pdf", "länge".repeat(60));
    let names = [
        "plain.pdf",
        "with spaces and (2).png",
        "Prüfung größe.jpg",
        "e\u{301}tat.jpeg",
        "😀 tray 🏭👨\u{200d}👩\u{200d}👧.jpeg",
        &long,
        "say \"hi\" & 'bye'.pdf",
        "../../etc/passwd.pdf",
        "..%2f..%2fetc.pdf",
        "новый отчёт.PNG",
        "semi;colon=1, 100%.JPG",
        "<b>bold</b>.pdf",
        "photo_\u{202e}fdp.pdf",
        "line\nbreak\ttab.pdf",
        ".hidden.pdf",
        "trailing .pdf",
    ];
    for name in names {
        let extension = name.rsplit_once('.').unwrap().1.to_lowercase();
        let (bytes, kind) = match extension.as_str() {
            "pdf" => (samples::pdf(&name.len().to_string()), "application/pdf"),
            "png" => (samples::png(), "image/png"),
            _ => (samples::jpeg(), "image/jpeg"),
        };
        let hash = samples::sha256(&bytes);
        let stored = staff.store(&batch, name, &bytes).await;
        let text = |field: &str| stored[field].as_str().unwrap();
        assert_eq!(text("filename"), name);
        assert_eq!((text("sha256"), text("content_type")), (hash.as_str(), kind), "{name:?}");
        assert_eq!(stored["size"].as_u64(), Some(bytes.len() as u64));
        assert_eq!(
            (text("batch_id"), text("uploaded_by"), text("scan")),
            (batch.as_str(), "stan", "skipped")
        );
        assert_eq!(
            (&stored["copies"]["local"], &stored["copies"]["cloud"]),
            (&"present".into(), &"none".into())
        );

        let stored_name = text("stored_name");
        assert!(stored_name.len() <= 255 && !stored_name.contains(['/', '\\', '\n']), "{stored_name:?}");
        assert!(stored_name.to_lowercase().ends_with(&extension), "{stored_name:?}");
        assert_eq!(fs::read(app.published(stored_name)).unwrap(), bytes, "{name:?}");

        let by_id = format!("/attachments/{}/download", text("id"));
        for url in [by_id.as_str(), text("url")] {
            let file = staff.get(url).await.is(200);
            assert_eq!(samples::sha256(&file.body), hash, "{name:?} {url}");
            assert_eq!(file.header("content-type"), kind);
            assert_eq!(file.header("etag"), format!("\"{hash}\""));
            let disposition = file.header("content-disposition");
            assert!(disposition.starts_with("attachment; filename=\""), "{disposition}");
            let (_, encoded) = disposition.split_once("filename*=UTF-8''").unwrap();
            let safe = stillage::characters::in_file_name(name);
            assert_eq!(percent_decode_str(encoded).decode_utf8().unwrap(), safe);
        }
        staff.get_html(&format!("/attachments/{}", text("id"))).await.is(200).shows(&hash);
    }
    let kept = app.kept();
    assert_eq!((kept.rows, kept.published.len()), (names.len().to_string(), names.len()));
    assert_eq!(app.value("SELECT files_count FROM batches"), names.len().to_string());
    assert_eq!(
        app.value("SELECT sum(size_bytes) = (SELECT bytes_total FROM batches) FROM attachments"),
        "true"
    );
    staff.get_html(&format!("/batches/{batch}")).await.is(200).shows("Prüfung größe.jpg").hides("<b>bold");
}

#[tokio::test]
async fn a_file_of_exactly_the_limit_is_taken_and_streamed_back() {
    let app = TestApp::with(&[("MAX_UPLOAD_SIZE_MB", "3")]);
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let bytes = samples::pdf_of(3 * 1_048_576);
    let id = staff.store_id(&batch, "large.pdf", &bytes).await;
    let file = staff.get(&format!("/attachments/{id}/download")).await.is(200);
    assert!(file.body == bytes);
    assert_eq!(app.value("SELECT bytes_total FROM batches"), "3145728");
}

#[tokio::test]
async fn a_form_without_scripts_leads_back_with_a_message_for_each_file() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let page = format!("/batches/{batch}");
    staff.get_html(&page).await;
    let (pdf, png) = (samples::pdf("x"), samples::png());
    let files: [(&str, &[u8]); 4] =
        [("good.pdf", &pdf), ("empty.pdf", b""), ("tool.exe", b"MZ"), ("photo.png", &png)];
    let answer = staff.upload_form(&batch, &files).await.is(303);
    assert_eq!(answer.location(), page);
    let shown = staff.get_html(&page).await.is(200);
    let shown = shown.shows("2 of 4 files stored").shows("good.pdf").shows("photo.png");
    shown.shows("The file is empty").shows("Files of type .exe are not taken");
    staff.get_html(&page).await.is(200).hides("2 of 4 files stored").hides("tool.exe");

    staff.upload_form(&batch, &[("one.pdf", &pdf)]).await.is(303);
    staff.get_html(&page).await.shows("1 file stored");
    // What a browser sends when no file was chosen.
    staff.upload_form(&batch, &[("", b"")]).await.is(303);
    staff.get_html(&page).await.shows("No file was chosen");
    staff.post_form(&format!("{page}/close"), &[]).await.is(303);
    staff.get_html(&page).await;
    staff.upload_form(&batch, &[("late.pdf", &pdf)]).await.is(303);
    staff.get_html(&page).await.shows("The batch is closed").hides("late.pdf");
    assert_eq!(app.kept().rows, "3");
}

#[tokio::test]
async fn one_bad_file_does_not_stop_the_others() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let (pdf, png) = (samples::pdf("x"), samples::png());
    let files: [(&str, &[u8]); 4] =
        [("good.pdf", &pdf), ("wrong.pdf", &png), ("empty.png", b""), ("photo.png", &png)];
    let answer = staff.upload(&batch, &files).await.is(207).json();
    let results = answer["results"].as_array().unwrap();
    let statuses: Vec<_> = results.iter().map(|result| result["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [201, 415, 422, 201]);
    assert_eq!(results[1]["error"]["code"], "unsupported_type");
    assert_eq!(results[2]["filename"], "empty.png");
    assert!(results[3]["attachment"]["id"].is_string());
    let kept = app.kept();
    assert_eq!((kept.rows.as_str(), kept.published.len(), kept.staged.len()), ("2", 2, 0));
}

#[tokio::test]
async fn fifty_files_go_into_one_request() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let pdf = samples::pdf("x");
    let files = vec![("a.pdf", pdf.as_slice()); 51];
    let answer = staff.upload(&batch, &files).await.is(207).json();
    let last = &answer["results"][50];
    assert_eq!((&last["status"], &last["error"]["code"]), (&400.into(), &"bad_request".into()));
    assert_eq!(app.kept().rows, "50");
    staff.upload(&batch, &files[..50]).await.is(201);
}

#[tokio::test]
async fn the_address_of_the_api_takes_files_as_the_form_does() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let path = format!("/api/production/batches/{batch}/attachments");
    let form = Multipart::new().field("csrf_token", &staff.token().await).field("comment", "ignored");
    let body = form.file("a.pdf", &samples::pdf("x")).body();
    let request = staff.request(Method::POST, &path).header(CONTENT_TYPE, Multipart::CONTENT_TYPE).body(body);
    let answer = Answer::to(request).await.is(201).json();
    let address = answer["results"][0]["attachment"]["url"].as_str().unwrap().to_owned();
    assert!(address.starts_with("/api/production/attachment/"));
    staff.get(&address).await.is(200);
    let page = staff.request(Method::POST, &path).header(ACCEPT, "text/html").body("x");
    assert_eq!(Answer::to(page).await.code(), "csrf");
}
