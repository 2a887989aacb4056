//! Files of a batch, many at once, and what is said about one.

use crate::support::{Answer, Client, TestApp, samples};

const COUNTS: &str = "SELECT files_count || ' ' || pictures_count FROM batches WHERE number = 'B-1'";

/// A batch with two PDFs and a photo, and the ids of these.
async fn batch(by: &Client) -> (String, [String; 3]) {
    let batch = by.make_batch("B-1").await;
    let slip = by.store_id(&batch, "slip.pdf", &samples::pdf("slip")).await;
    let record = by.store_id(&batch, "record.pdf", &samples::pdf("record")).await;
    let photo = by.store_id(&batch, "photo.png", &samples::png()).await;
    (batch, [slip, record, photo])
}

async fn act(by: &Client, batch: &str, act: &str, ids: &[&str], more: &[(&str, &str)]) -> Answer {
    let fields: Vec<_> = ids.iter().map(|id| ("ids", *id)).chain(more.iter().copied()).collect();
    by.post_for_json(&format!("/batches/{batch}/files/{act}"), &fields).await
}

/// Kind of each file, by name.
fn kinds(app: &TestApp) -> String {
    app.value("SELECT string_agg(kind, ' ' ORDER BY original_name) FROM attachments")
}

fn events(app: &TestApp, action: &str) -> String {
    let details = "string_agg(details::text, ' ' ORDER BY attachment_id)";
    app.value(&format!("SELECT {details} FROM audit_events WHERE action = '{action}'"))
}

#[tokio::test]
async fn ticked_files_go_to_the_trash_together_and_come_back_together() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let (batch, [slip, record, photo]) = batch(&staff).await;
    // Deleted before: the undo of the next act must leave it there.
    staff.post_form(&format!("/attachments/{record}/delete"), &[]).await.is(303);
    assert_eq!(app.value(COUNTS), "2 1");

    let kept = app.kept();
    let gone = act(&staff, &batch, "delete", &[&slip, &photo, &record], &[]).await.is(303);
    assert_eq!(gone.location(), format!("/batches/{batch}"));
    assert_eq!(app.value(COUNTS), "0 0");
    let page =
        staff.get_html(&format!("/batches/{batch}")).await.is(200).shows("Moved 2 files to the trash").text();
    let (_, rest) = page.split_once("action=\"/batches/").unwrap();
    let undo = format!("/batches/{}", rest.split('"').next().unwrap());
    assert!(undo.contains("/files/restore?at="), "{undo}");

    staff.post_form(&undo, &[]).await.is(303);
    assert_eq!(app.value(COUNTS), "2 1");
    assert_eq!(
        app.value("SELECT string_agg(state, ' ' ORDER BY original_name) FROM attachments"),
        "available trashed available"
    );
    staff.get(&format!("/attachments/{slip}/download")).await.is(200);
    staff.post_form(&undo, &[]).await.is(404);
    assert_eq!(app.kept(), kept, "the bytes stay where they are");
    assert_eq!(app.value("SELECT count(*) FROM audit_events WHERE action = 'attachment.trash'"), "3");
    assert_eq!(app.value("SELECT count(*) FROM audit_events WHERE action = 'attachment.restore'"), "2");
    // The photo's own page tells of it too.
    staff
        .get_html(&format!("/attachments/{photo}"))
        .await
        .is(200)
        .shows("moved to the trash")
        .shows("restored");
}

#[tokio::test]
async fn doing_it_twice_or_at_once_counts_each_file_once() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let (batch, [slip, record, photo]) = batch(&staff).await;
    let (forwards, backwards) = ([&*slip, &*record, &*photo], [&*photo, &*record, &*slip]);
    let (first, second) = tokio::join!(
        act(&staff, &batch, "delete", &forwards, &[]),
        act(&staff, &batch, "delete", &backwards, &[]),
    );
    assert_eq!((first.status, second.status), (303, 303));
    assert_eq!(app.value(COUNTS), "0 0");
    act(&staff, &batch, "delete", &[&slip], &[]).await.is(303);
    for _ in 0..2 {
        act(&staff, &batch, "restore", &[&slip, &record, &photo], &[]).await.is(303);
        assert_eq!(app.value(COUNTS), "3 1");
    }
    assert_eq!(app.value("SELECT count(*) FROM audit_events WHERE action = 'attachment.trash'"), "3");
}

#[tokio::test]
async fn files_of_other_batches_are_as_unknown_as_any() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let (batch, [slip, ..]) = batch(&staff).await;
    let other = staff.make_batch("B-2").await;
    let foreign = staff.store_id(&other, "foreign.pdf", &samples::pdf("foreign")).await;
    let random = uuid::Uuid::new_v4().to_string();
    for what in ["delete", "restore", "kind"] {
        let kind = [("kind", "label")];
        act(&staff, &batch, what, &[&foreign, &random, "nonsense"], &kind).await.is(404);
        assert_eq!(act(&staff, &batch, what, &[], &kind).await.is(422).code(), "invalid");
    }
    act(&staff, &batch, "delete", &[&slip, &foreign], &[]).await.is(303);
    assert_eq!(app.value("SELECT files_count FROM batches WHERE number = 'B-2'"), "1");
    assert_eq!(app.value(COUNTS), "2 1");
}

#[tokio::test]
async fn nothing_changes_in_a_batch_that_is_in_the_trash() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let (batch, [slip, ..]) = batch(&staff).await;
    staff.post_form(&format!("/batches/{batch}/delete"), &[]).await.is(303);
    for what in ["delete", "restore", "kind"] {
        let answer = act(&staff, &batch, what, &[&slip], &[("kind", "label")]).await.is(409);
        assert_eq!(answer.code(), "batch_trashed");
    }
    let edit = format!("/attachments/{slip}/edit");
    assert_eq!(staff.post_for_json(&edit, &[("kind", "label")]).await.is(409).code(), "file_trashed");
    staff.post_form(&format!("/batches/{batch}/restore"), &[]).await.is(303);
    staff.post_form(&format!("/attachments/{slip}/delete"), &[]).await.is(303);
    assert_eq!(staff.post_for_json(&edit, &[("kind", "label")]).await.is(409).code(), "file_trashed");
    assert_eq!(kinds(&app), "photo other other");
}

#[tokio::test]
async fn an_upload_has_a_kind_and_several_can_get_another() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let (batch, [slip, record, photo]) = batch(&staff).await;
    assert_eq!(kinds(&app), "photo other other");
    act(&staff, &batch, "kind", &[&slip, &record], &[("kind", "certificate")]).await.is(303);
    staff
        .get_html(&format!("/batches/{batch}"))
        .await
        .is(200)
        .shows("Changed the kind of 2 files to certificate");
    assert_eq!(kinds(&app), "photo certificate certificate");
    assert_eq!(
        events(&app, "attachment.edit"),
        "{\"kind\": [\"other\", \"certificate\"], \"filename\": \"slip.pdf\"} \
         {\"kind\": [\"other\", \"certificate\"], \"filename\": \"record.pdf\"}"
    );
    // Closed: kinds can still be put right. What has the kind already is no event.
    staff.post_form(&format!("/batches/{batch}/close"), &[]).await.is(303);
    act(&staff, &batch, "kind", &[&slip, &photo], &[("kind", "certificate")]).await.is(303);
    assert_eq!(kinds(&app), "certificate certificate certificate");
    assert_eq!(app.value("SELECT count(*) FROM audit_events WHERE action = 'attachment.edit'"), "3");
    act(&staff, &batch, "kind", &[&slip], &[("kind", "video")]).await.is(422);
    assert_eq!(kinds(&app), "certificate certificate certificate");
}

#[tokio::test]
async fn kind_and_note_of_a_file_are_edited_on_its_page() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let (batch, [slip, ..]) = batch(&staff).await;
    let page = format!("/attachments/{slip}");
    let edit = async |kind: &str, note: &str| {
        staff.post_form(&format!("{page}/edit"), &[("kind", kind), ("note", note)]).await
    };
    assert_eq!(edit("batch_record", " Line 2,\r\nsigned <twice> ").await.is(303).location(), page);
    let shown = staff.get_html(&page).await.is(200).shows("value=\"batch_record\" selected");
    shown.shows("Line 2,\nsigned &#60;twice&#62;").shows("changed kind or note of");
    staff.get_html(&format!("/batches/{batch}")).await.shows("Batch record").shows("signed &#60;twice&#62;");
    let expected = "{\"kind\": [\"other\", \"batch_record\"], \"note\": [\"\", \"Line 2,\\nsigned <twice>\"], \
                    \"filename\": \"slip.pdf\"}";
    assert_eq!(events(&app, "attachment.edit"), expected);
    edit("batch_record", "Line 2,\nsigned <twice>").await.is(303);
    assert_eq!(events(&app, "attachment.edit"), expected, "the same again is no event");

    edit("batch_record", &"ü".repeat(2000)).await.is(303);
    let long = "ü".repeat(2001);
    edit("label", &long)
        .await
        .is(422)
        .shows("At most 2000 characters")
        .shows(&long)
        .shows("value=\"label\" selected");
    edit("label", "a\u{7}b").await.is(422).shows("Control characters");
    edit("video", "").await.is(422).shows("Choose one of the kinds");
    assert_eq!(
        app.value("SELECT kind || char_length(note) FROM attachments WHERE original_name = 'slip.pdf'"),
        "batch_record2000"
    );

    staff.post_form(&format!("/batches/{batch}/close"), &[]).await.is(303);
    edit("label", "").await.is(303);
    assert_eq!(app.value("SELECT kind || note FROM attachments WHERE original_name = 'slip.pdf'"), "label");
}

#[tokio::test]
async fn a_viewer_sees_kind_and_note_and_no_form_for_them() {
    let app = TestApp::start();
    let (staff, viewer) = (app.staff().await, app.viewer().await);
    let (batch, [slip, ..]) = batch(&staff).await;
    staff
        .post_form(&format!("/attachments/{slip}/edit"), &[("kind", "label"), ("note", "Batch 12")])
        .await
        .is(303);
    let page = viewer.get_html(&format!("/attachments/{slip}")).await.is(200);
    page.shows("<p>Label</p>").shows("Batch 12").hides(&format!("/attachments/{slip}/edit"));
    let page = viewer.get_html(&format!("/batches/{batch}")).await.is(200);
    page.shows("/archive.zip").hides("/files/delete").hides("/files/kind");
}
