//! Legal hold: a held batch loses nothing, by whatever way it is asked.

use reqwest::Method;
use uuid::Uuid;

use crate::support::{Answer, Client, TestApp, samples};

struct Held {
    batch: String,
    file: String,
}

/// A batch with a file, on hold.
async fn held(staff: &Client, admin: &Client) -> Held {
    let batch = staff.make_batch("B-1").await;
    let file = staff.store_id(&batch, "slip.pdf", &samples::pdf("slip")).await;
    admin.post_form(&format!("/batches/{batch}/hold"), &[("reason", " Customs asks ")]).await.is(303);
    Held { batch, file }
}

#[tokio::test]
async fn a_held_batch_loses_nothing() {
    let app = TestApp::start();
    let (staff, admin) = (app.staff().await, app.admin().await);
    let Held { batch, file } = held(&staff, &admin).await;
    for by in [&staff, &admin] {
        let refused = [
            by.post_for_json(&format!("/batches/{batch}/delete"), &[]).await,
            by.post_for_json(&format!("/attachments/{file}/delete"), &[]).await,
            by.post_for_json(&format!("/batches/{batch}/files/delete"), &[("ids", &file)]).await,
            Answer::to(
                by.request(Method::DELETE, &format!("/api/production/attachments/{file}"))
                    .header("X-CSRF-Token", by.token().await),
            )
            .await,
        ];
        for answer in refused {
            assert_eq!(answer.is(409).code(), "batch_held");
        }
    }
    assert_eq!(app.value("SELECT state FROM attachments"), "available");
    // Adding to it, and changing what is said about it, takes nothing away.
    staff.store_id(&batch, "more.pdf", &samples::pdf("more")).await;
    staff.post_form(&format!("/attachments/{file}/edit"), &[("kind", "label")]).await.is(303);
    staff.post_form(&format!("/batches/{batch}/close"), &[]).await.is(303);

    admin.post_form(&format!("/batches/{batch}/release"), &[]).await.is(303);
    staff.post_form(&format!("/attachments/{file}/delete"), &[]).await.is(303);
    let trail =
        "SELECT string_agg(action || ' ' || (details ->> 'reason'), ', ' ORDER BY id) FROM audit_events
                  WHERE action IN ('batch.hold', 'batch.release')";
    assert_eq!(app.value(trail), "batch.hold Customs asks, batch.release Customs asks");
}

#[tokio::test]
async fn who_sees_the_batch_sees_the_hold_and_why() {
    let app = TestApp::start();
    let (staff, admin) = (app.staff().await, app.admin().await);
    let page = |held: &Held| format!("/batches/{}", held.batch);
    let batch = held(&staff, &admin).await;
    let shown = staff.get_html(&page(&batch)).await.is(200);
    let shown = shown.shows("On legal hold").shows("Customs asks").hides("ask-delete").hides("ask-picked");
    shown.hides("ask-hold");
    admin.get_html(&page(&batch)).await.shows("Release B-1?");
    staff.get_html("/batches").await.shows("On hold");
    let file = format!("/attachments/{}", batch.file);
    staff.get_html(&file).await.is(200).shows("On legal hold").hides("ask-delete");
    let api = format!("/api/production/batches/{}", batch.batch);
    assert_eq!(staff.get(&api).await.is(200).json()["held"], true);
    admin.post_form(&format!("{}/release", page(&batch)), &[]).await.is(303);
    staff.get_html(&page(&batch)).await.hides("On legal hold").shows("ask-delete");
    admin.get_html(&page(&batch)).await.shows("Put B-1 on hold?");
    assert_eq!(staff.get(&api).await.json()["held"], false);
}

#[tokio::test]
async fn a_hold_is_set_once_and_its_reason_has_bounds() {
    let app = TestApp::start();
    let (staff, admin) = (app.staff().await, app.admin().await);
    let batch = staff.make_batch("B-1").await;
    let hold = format!("/batches/{batch}/hold");
    let long = "x".repeat(501);
    for reason in [long.as_str(), "a\u{7}b"] {
        assert_eq!(admin.post_for_json(&hold, &[("reason", reason)]).await.is(422).code(), "invalid");
    }
    staff.post_for_json(&hold, &[]).await.is(403);
    admin.post_form(&hold, &[("reason", "first")]).await.is(303);
    admin.post_form(&hold, &[("reason", "second")]).await.is(303);
    assert_eq!(app.value("SELECT hold_reason FROM batches"), "first");
    for _ in 0..2 {
        admin.post_form(&format!("/batches/{batch}/release"), &[]).await.is(303);
    }
    assert_eq!(app.value("SELECT count(*) FROM audit_events WHERE action ~ 'hold|release'"), "2");
    admin.post_form(&format!("/batches/{}/hold", Uuid::new_v4()), &[]).await.is(404);
}

#[tokio::test]
async fn what_is_in_the_trash_can_be_held_there_and_brought_back() {
    let app = TestApp::start();
    let (staff, admin) = (app.staff().await, app.admin().await);
    let batch = staff.make_batch("B-1").await;
    let file = staff.store_id(&batch, "slip.pdf", &samples::pdf("slip")).await;
    staff.post_form(&format!("/attachments/{file}/delete"), &[]).await.is(303);
    staff.post_form(&format!("/batches/{batch}/delete"), &[]).await.is(303);
    admin.get_html(&format!("/batches/{batch}")).await.shows("Put B-1 on hold?");
    admin.post_form(&format!("/batches/{batch}/hold"), &[]).await.is(303);
    for page in ["/trash", "/admin/trash"] {
        admin.get_html(page).await.is(200).shows("On hold");
    }
    staff.post_form(&format!("/batches/{batch}/restore"), &[]).await.is(303);
    staff.post_form(&format!("/attachments/{file}/restore"), &[]).await.is(303);
    assert_eq!(app.value("SELECT files_count FROM batches"), "1");
}
