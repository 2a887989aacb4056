//! Batches: made, changed, closed, deleted and brought back.

use crate::support::{Client, TestApp, samples};

const SCRIPT: &str = "<script>alert(1)</script>";

async fn make(by: &Client, number: &str, product: &str, notes: &str) -> crate::support::Answer {
    by.post_form("/batches", &[("number", number), ("product", product), ("notes", notes)]).await
}

#[tokio::test]
async fn a_batch_is_made_and_shown() {
    let app = TestApp::start();
    let staff = app.staff().await;
    staff.get("/batches/new").await.is(200).shows("name=\"number\"");
    let made = make(&staff, "  B-2026/17 ", "Soap, 200 g", "Line 3\r\nnight shift").await.is(303);
    let page = staff.get_html(made.location()).await.is(200);
    let page = page.shows("B-2026/17").shows("Soap, 200 g").shows("Line 3\nnight shift");
    page.shows("is ready for files").shows("id=\"upload\"").shows("No files yet");
    staff.get_html(made.location()).await.is(200).hides("is ready for files");
    staff.get_html("/batches").await.is(200).shows("B-2026/17");
    assert_eq!(app.value("SELECT number || '|' || status FROM batches"), "B-2026/17|open");
    assert_eq!(
        app.value("SELECT actor || ' ' || action FROM audit_events WHERE batch_id IS NOT NULL"),
        "stan batch.create"
    );
}

#[tokio::test]
async fn a_form_that_will_not_do_comes_back_with_what_was_typed() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let long = "n".repeat(81);
    let table = [
        ("", "Soap", "A batch needs a number."),
        ("   ", "Soap", "A batch needs a number."),
        (long.as_str(), "Soap", "At most 80 characters."),
        ("B-1", &"p".repeat(201), "At most 200 characters."),
        ("B\n1", "Soap", "Line breaks and control characters"),
    ];
    for (number, product, problem) in table {
        let page = make(&staff, number, product, "kept notes").await.is(422).shows(problem);
        page.shows("kept notes").shows(&format!("value=\"{product}\"")).shows("aria-invalid=\"true\"");
        let fields = [("number", number), ("product", product)];
        assert_eq!(staff.post_for_json("/batches", &fields).await.status, 422);
    }
    let fields = [("number", "B-1"), ("product", "Soap"), ("site_id", "nonsense")];
    staff.post_form("/batches", &fields).await.is(422);
    assert_eq!(app.value("SELECT count(*) FROM batches"), "0");
}

#[tokio::test]
async fn a_number_is_unique_within_its_site() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let first = staff.make_batch("B-Ä1").await;
    make(&staff, "b-ä1", "Other", "kept")
        .await
        .is(409)
        .shows("There is a batch b-ä1")
        .shows("value=\"Other\"");
    staff.post_form(&format!("/batches/{first}/delete"), &[]).await.is(303);
    make(&staff, "B-Ä1", "Other", "").await.is(409).shows("maybe in the trash");

    let elsewhere = app.add_site("Elsewhere").to_string();
    let admin = app.admin().await;
    let fields = [("number", "B-Ä1"), ("product", "Soap"), ("site_id", elsewhere.as_str())];
    admin.post_form("/batches", &fields).await.is(303);
    let without_site = [("number", "B-2"), ("product", "Soap")];
    admin.post_form("/batches", &without_site).await.is(422).shows("Choose a site.");

    let other = staff.make_batch("B-3").await;
    let edit = [("number", "b-Ä1"), ("product", "Soap")];
    staff.post_form(&format!("/batches/{other}/edit"), &edit).await.is(409);
    assert_eq!(app.value("SELECT count(*) FROM batches"), "3");
}

#[tokio::test]
async fn details_are_changed() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let id = staff.make_batch("B-1").await;
    let path = format!("/batches/{id}/edit");
    staff.get_html(&path).await.is(200).shows("value=\"B-1\"").shows("value=\"Soap\"");
    let fields = [("number", "B-1a"), ("product", "Soap"), ("notes", "new")];
    staff.post_form(&path, &fields).await.is(303);
    staff.get_html(&format!("/batches/{id}")).await.is(200).shows("B-1a").shows("new");
    staff.post_form(&path, &fields).await.is(303);
    let change = "SELECT details FROM audit_events WHERE action = 'batch.edit'";
    assert_eq!(app.value(change), r#"{"notes": ["", "new"], "number": ["B-1", "B-1a"]}"#);
    staff.post_form(&path, &[("number", ""), ("product", "kept")]).await.is(422).shows("value=\"kept\"");

    staff.post_form(&format!("/batches/{id}/delete"), &[]).await.is(303);
    staff.get_html(&path).await.is(409).shows("in the trash");
    staff.post_form(&path, &fields).await.is(409);
}

#[tokio::test]
async fn a_batch_is_closed_and_opened_again() {
    let app = TestApp::start();
    let (staff, admin) = (app.staff().await, app.admin().await);
    let id = staff.make_batch("B-1").await;
    let page = format!("/batches/{id}");
    let act = async |by: &Client, act: &str| by.post_form(&format!("{page}/{act}"), &[]).await;
    for _ in 0..2 {
        assert_eq!(act(&staff, "close").await.is(303).location(), page);
    }
    staff.get_html(&page).await.is(200).shows("Closed B-1").hides("id=\"upload\"");
    act(&staff, "reopen").await.is(403);
    act(&admin, "reopen").await.is(303);
    staff.get_html(&page).await.is(200).shows("id=\"upload\"");
    let trail = "SELECT string_agg(action, ' ' ORDER BY id) FROM audit_events WHERE batch_id IS NOT NULL";
    assert_eq!(app.value(trail), "batch.create batch.close batch.reopen");
}

#[tokio::test]
async fn a_batch_goes_to_the_trash_with_its_files_and_comes_back() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let id = staff.make_batch("B-1").await;
    let file = staff.store_id(&id, "slip.pdf", &samples::pdf("slip")).await;
    let (page, kept) = (format!("/batches/{id}"), app.kept());
    let act = async |act: &str| staff.post_form(&format!("{page}/{act}"), &[]).await;

    assert_eq!(act("delete").await.is(303).location(), "/batches");
    staff.get_html("/batches").await.shows("Moved B-1 to the trash").shows(&format!("{page}/restore"));
    staff.get_html("/batches").await.is(200).hides("B-1");
    staff.get_html("/trash").await.is(200).shows("B-1").shows(&format!("{page}/restore"));
    staff.get_html(&page).await.is(200).shows("This batch is in the trash").hides("id=\"upload\"");
    staff.get(&format!("/attachments/{file}/download")).await.is(404);
    let refused = staff.post_for_json(&format!("/attachments/{file}/delete"), &[]).await.is(409);
    assert_eq!(refused.code(), "batch_trashed");
    for refused in ["close", "reopen"] {
        let status = act(refused).await.status;
        assert!([403, 409].contains(&status), "{refused}: {status}");
    }
    act("delete").await.is(303);

    act("restore").await.is(303);
    act("restore").await.is(303);
    staff.get_html(&page).await.is(200).shows("slip.pdf").shows("id=\"upload\"");
    staff.get(&format!("/attachments/{file}/download")).await.is(200);
    assert_eq!(app.kept(), kept);
    let trail = "SELECT string_agg(action, ' ' ORDER BY id) FROM audit_events WHERE action LIKE 'batch.%'";
    assert_eq!(app.value(trail), "batch.create batch.trash batch.restore");
}

#[tokio::test]
async fn an_edit_says_what_changed_from_what_to_what() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let id = staff.make_batch("B-1").await;
    let (page, edit) = (format!("/batches/{id}"), format!("/batches/{id}/edit"));
    let long = "A long story. ".repeat(20);
    for notes in ["two\nlines", &long] {
        let fields = [("number", "B-2"), ("product", "Soap"), ("notes", notes)];
        staff.post_form(&edit, &fields).await.is(303);
    }
    let shown = staff.get_html(&page).await.is(200).shows("changed the details");
    let shown = shown.shows("Number: <del>B-1</del>").shows("<ins>B-2</ins>").hides("Product: <del>");
    shown
        .shows("<summary>Notes")
        .shows("<del>nothing</del>")
        .shows("<del>two\nlines</del>")
        .shows("<ins>A long");
    // Nothing changed: nothing to tell.
    let fields = [("number", "B-2"), ("product", "Soap"), ("notes", long.as_str())];
    staff.post_form(&edit, &fields).await.is(303);
    assert_eq!(app.value("SELECT count(*) FROM audit_events WHERE action = 'batch.edit'"), "2");
}

#[tokio::test]
async fn what_people_type_is_never_markup() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let odd = format!("\"'>{SCRIPT}&amp;");
    let made = make(&staff, &odd, &odd, &odd).await.is(303);
    let id = made.location().strip_prefix("/batches/").unwrap().to_owned();
    let file = staff.store_id(&id, &format!("{SCRIPT}.pdf"), &samples::pdf("x")).await;
    let search = format!("/batches?q={}", "%3Cscript%3Ealert(1)%3C/script%3E");
    let pages = [
        made.location(),
        "/batches",
        &search,
        &format!("/batches/{id}/edit"),
        &format!("/batches/{id}?view=table"),
        &format!("/attachments/{file}"),
    ];
    for page in pages {
        staff.get_html(page).await.is(200).hides(SCRIPT).shows("&#60;script&#62;");
    }
    make(&staff, &odd, &odd, &odd).await.is(409).hides(SCRIPT);
    staff.post_form(&format!("/attachments/{file}/delete"), &[]).await.is(303);
    staff.get_html("/trash").await.is(200).hides(SCRIPT).shows("&#60;script&#62;");
    staff.post_form(&format!("/batches/{id}/delete"), &[]).await.is(303);
    staff.get_html("/trash").await.is(200).hides(SCRIPT).shows("&#60;script&#62;");
    app.stranger().post_login(SCRIPT, "wrong horse battery").await.is(401).hides(SCRIPT);
    let login = "/login?next=/%22%3E%3Cscript%3Ealert(1)%3C/script%3E";
    app.stranger().get_html(login).await.is(200).hides(SCRIPT);
}
