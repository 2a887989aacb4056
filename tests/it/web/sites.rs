//! Sites: added, renamed, removed while nothing belongs to them.

use stillage::domain::access::Role;
use uuid::Uuid;

use crate::support::TestApp;

#[tokio::test]
async fn a_site_is_added_and_renamed() {
    let app = TestApp::start();
    let admin = app.admin().await;
    admin.get_html("/admin/sites").await.is(200).shows("While there is one site");
    assert_eq!(
        admin.post_form("/admin/sites", &[("name", " Oliwa ")]).await.is(303).location(),
        "/admin/sites"
    );
    admin.get_html("/admin/sites").await.shows("Added Oliwa").shows("1 person").shows("0 people");
    let page = format!("/admin/sites/{}", app.value("SELECT id FROM sites WHERE NOT is_default"));
    let long = "n".repeat(81);
    for (name, status, message) in [
        ("", 422, "A site&#39;s name has 1 to 80"),
        ("  ", 422, "A site&#39;s name has 1 to 80"),
        (&long, 422, "A site&#39;s name has 1 to 80"),
        ("a\nb", 422, "A site&#39;s name has 1 to 80"),
        ("MAIN", 409, "There is a site “MAIN” already."),
    ] {
        for path in ["/admin/sites", &page] {
            let refused = admin.post_form(path, &[("name", name)]).await.is(status).shows(message);
            refused.shows("aria-invalid=\"true\"");
        }
    }
    for _ in 0..2 {
        admin.post_form(&page, &[("name", "Oliwa 2")]).await.is(303);
    }
    admin.get_html("/admin/sites").await.shows("Saved Oliwa 2");
    admin.get_html(&page).await.is(200).shows("value=\"Oliwa 2\"");
    let trail = "SELECT string_agg(action || ' ' || (details ->> 'name'), ',' ORDER BY id) FROM audit_events
                  WHERE subject LIKE 'site:%'";
    assert_eq!(app.value(trail), r#"site.add Oliwa,site.rename ["Oliwa", "Oliwa 2"]"#);
    let nowhere = format!("/admin/sites/{}", Uuid::new_v4());
    admin.get(&nowhere).await.is(404);
    admin.post_form(&nowhere, &[("name", "X")]).await.is(404);
    admin.post_form(&format!("{nowhere}/remove"), &[]).await.is(404);
}

#[tokio::test]
async fn only_a_site_without_batches_and_people_goes() {
    let app = TestApp::start();
    let admin = app.admin().await;
    let [with_people, with_batch, empty] = ["People", "Batch", "Empty"].map(|name| app.add_site(name));
    app.add_user("stan", Role::Staff, &["People"]).await;
    let site = with_batch.to_string();
    let batch = [("number", "B-1"), ("product", "Soap"), ("site_id", site.as_str())];
    let made = admin.post_form("/batches", &batch).await.is(303);
    admin.post_form(&format!("{}/delete", made.location()), &[]).await.is(303);
    let default = app.value("SELECT id FROM sites WHERE is_default");
    for id in [with_people.to_string(), with_batch.to_string(), default] {
        let page = format!("/admin/sites/{id}");
        admin.get_html(&page).await.is(200).hides("ask-remove");
        let refused = admin.post_for_json(&format!("{page}/remove"), &[]).await.is(409);
        assert_eq!(refused.code(), "site_in_use");
    }
    let page = format!("/admin/sites/{empty}");
    admin.get_html(&page).await.is(200).shows("Remove Empty?");
    admin.post_form(&format!("{page}/remove"), &[]).await.is(303);
    admin.get_html("/admin/sites").await.shows("Removed Empty");
    admin.get(&page).await.is(404);
    assert_eq!(app.value("SELECT count(*) FROM sites"), "3");
    assert_eq!(app.value("SELECT count(*) FROM audit_events WHERE action = 'site.remove'"), "1");
}
