//! One file: its page, and its way to the trash and back.

use super::Target;
use crate::support::{TestApp, samples};

const COUNTS: &str = "SELECT files_count || ' ' || pictures_count || ' ' || bytes_total FROM batches";

#[tokio::test]
async fn a_file_goes_to_the_trash_and_comes_back() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let (pdf, png) = (samples::pdf("x"), samples::png());
    staff.store(&batch, "slip.pdf", &pdf).await;
    let photo = staff.store_id(&batch, "photo.png", &png).await;
    let (both, one) = (format!("2 1 {}", pdf.len() + png.len()), format!("1 0 {}", pdf.len()));
    assert_eq!(app.value(COUNTS), both);
    let (page, kept) = (format!("/attachments/{photo}"), app.kept());
    let act = async |act: &str| staff.post_form(&format!("{page}/{act}"), &[]).await;

    for _ in 0..2 {
        assert_eq!(act("delete").await.is(303).location(), format!("/batches/{batch}"));
        assert_eq!(app.value(COUNTS), one);
    }
    let list = staff.get_html(&format!("/batches/{batch}")).await.shows("Moved photo.png to the trash");
    list.shows(&format!("{page}/restore"));
    staff.get_html(&format!("/batches/{batch}")).await.is(200).hides(&format!("href=\"{page}\""));
    staff.get_html("/trash").await.is(200).shows("photo.png");
    staff.get_html(&page).await.is(200).shows("This file is in the trash");
    for gone in ["download", "preview", "thumbnail"] {
        staff.get(&format!("{page}/{gone}")).await.is(404);
    }
    for _ in 0..2 {
        act("restore").await.is(303);
        assert_eq!(app.value(COUNTS), both);
    }
    staff.get(&format!("{page}/download")).await.is(200);
    staff.get_html("/trash").await.is(200).hides("photo.png</span>").shows("The trash is empty");
    assert_eq!(app.kept(), kept, "the bytes stay where they are");
    let trail =
        "SELECT string_agg(action, ' ' ORDER BY id) FROM audit_events WHERE attachment_id IS NOT NULL";
    let uploads = "attachment.upload attachment.upload";
    let rest = "attachment.trash attachment.view attachment.restore attachment.download";
    assert_eq!(app.value(trail), format!("{uploads} {rest}"));
}

#[tokio::test]
async fn two_who_delete_at_once_count_the_file_once() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let target = Target::make(&app, &staff).await;
    let path = target.address("/attachments/{id}/delete");
    let (first, second) = tokio::join!(staff.post_form(&path, &[]), staff.post_form(&path, &[]));
    assert_eq!((first.status, second.status), (303, 303));
    assert_eq!(app.value(COUNTS), "0 0 0");
    assert_eq!(app.value("SELECT count(*) FROM audit_events WHERE action = 'attachment.trash'"), "1");
}

#[tokio::test]
async fn a_closed_batch_still_hands_its_files_out() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let target = Target::make(&app, &staff).await;
    staff.post_form(&target.address("/batches/{id}/close"), &[]).await.is(303);
    staff.get(&target.address("/attachments/{id}/download")).await.is(200);
    staff.get_html(&target.address("/attachments/{id}")).await.is(200).shows("slip.pdf");
}

#[tokio::test]
async fn a_file_of_a_deleted_batch_comes_back_with_the_batch_only() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let target = Target::make(&app, &staff).await;
    staff.post_form(&target.address("/attachments/{id}/delete"), &[]).await.is(303);
    staff.post_form(&target.address("/batches/{id}/delete"), &[]).await.is(303);
    let restore = target.address("/attachments/{id}/restore");
    assert_eq!(staff.post_for_json(&restore, &[]).await.is(409).code(), "batch_trashed");
    staff.post_form(&restore, &[]).await.is(409).shows("Restore it first");
    staff.post_form(&target.address("/batches/{id}/restore"), &[]).await.is(303);
    assert_eq!(app.value(COUNTS), "0 0 0");
    staff.post_form(&restore, &[]).await.is(303);
    assert_eq!(app.value("SELECT files_count FROM batches"), "1");
}

#[tokio::test]
async fn the_page_leads_to_the_files_beside_it() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let mut ids = Vec::new();
    for name in ["first.pdf", "second.png", "third.jpg"] {
        let bytes = match name.rsplit_once('.').unwrap().1 {
            "pdf" => samples::pdf(name),
            "png" => samples::png(),
            _ => samples::jpeg(),
        };
        ids.push(staff.store_id(&batch, name, &bytes).await);
    }
    let page = staff.get_html(&format!("/attachments/{}", ids[1])).await.is(200);
    let page = page.shows(&format!("/attachments/{}\"", ids[0])).shows(&format!("/attachments/{}\"", ids[2]));
    page.shows("second.png").shows("stan").shows("3 × 2");
}

#[tokio::test]
async fn a_receipt_says_what_was_stored() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let (batch, bytes) = (staff.make_batch("B-1").await, samples::pdf("slip"));
    let file = staff.store_id(&batch, "März.pdf", &bytes).await;
    let receipt = staff.get(&format!("/attachments/{file}/receipt")).await.is(200);
    assert_eq!(receipt.header("content-type"), "text/plain; charset=utf-8");
    assert!(receipt.header("content-disposition").contains("M%C3%A4rz.pdf.receipt.txt"));
    let receipt = receipt.shows(&format!("Receipt {file}")).shows("File: März.pdf").shows("Batch: B-1");
    receipt.shows(&samples::sha256(&bytes)).shows(&format!("{} bytes", bytes.len())).shows("Added by: stan");
}
