//! Admins are told of malware: a number beside the tab, a sentence on the overview, pages of whatever length.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::scanning::pdf_saying;
use crate::support::{
    Client, TestApp,
    clamd::{Clamd, eicar},
};

const PAGE: &str = "/admin/quarantine";

/// The number beside the tab.
async fn badge(admin: &Client, page: &str) -> Option<String> {
    let text = admin.get_html(page).await.is(200).text();
    let (_, rest) = text.split_once("<span class=\"badge\">")?;
    Some(rest.split('<').next().unwrap().to_owned())
}

fn refuse(app: &TestApp, batch: &str, count: u32) {
    app.execute(&format!(
        "INSERT INTO audit_events (at, actor, action, subject, batch_id, details)
         SELECT now(), 'Ann', 'attachment.infected', 'batch:{batch}', '{batch}',
                jsonb_build_object('filename', 'sent ' || lpad(n::text, 3, '0') || '.pdf', 'found', 'Bad')
           FROM generate_series(1, {count}) n"
    ));
}

fn lock_away(app: &TestApp, batch: &str, count: u32) {
    app.execute(&format!(
        "INSERT INTO attachments (id, batch_id, stored_name, original_name, content_type, size_bytes, sha256,
                                  uploaded_by, uploaded_at, state, scan)
         SELECT gen_random_uuid(), '{batch}', 'f' || n, 'kept ' || lpad(n::text, 3, '0') || '.pdf',
                'application/pdf', 1, sha256(''), (SELECT id FROM users LIMIT 1), now(), 'quarantined', 'infected'
           FROM generate_series(1, {count}) n"
    ));
}

#[tokio::test]
async fn what_was_refused_is_told_until_somebody_has_seen_it() {
    let clamd = Clamd::start();
    let app = TestApp::with(&[("CLAMAV_ADDRESS", &clamd.address())]);
    let (staff, admin) = (app.staff().await, app.admin().await);
    let batch = staff.make_batch("B-1").await;
    for page in ["/admin", PAGE] {
        assert_eq!(badge(&admin, page).await, None, "{page}");
    }
    admin.get_html("/admin").await.hides("Malware:");
    staff.upload(&batch, &[("a.pdf", &pdf_saying(&eicar()))]).await.is(422);
    for page in ["/admin", PAGE, "/admin/users", "/admin/settings", "/admin/jobs"] {
        assert_eq!(badge(&admin, page).await.as_deref(), Some("1"), "{page}");
    }
    admin.get_html("/admin").await.shows("Malware: 1 upload was refused in the last 7 days.");
    let latest = app.value("SELECT max(id) FROM audit_events WHERE action = 'attachment.infected'");
    staff.post_form(&format!("{PAGE}/seen"), &[("up_to", &latest)]).await.is(403);
    assert_eq!(badge(&admin, PAGE).await.as_deref(), Some("1"));

    admin.get_html(PAGE).await.shows(&format!("name=\"up_to\" value=\"{latest}\""));
    // More than there is: what is still to come is not seen.
    let far = i64::MAX.to_string();
    admin.post_form(&format!("{PAGE}/seen"), &[("up_to", &far)]).await.is(303);
    assert_eq!(badge(&admin, PAGE).await, None);
    admin.get_html(PAGE).await.shows("a.pdf").hides("up_to");
    admin.get_html("/admin").await.shows("Malware: 1 upload was refused in the last 7 days.");
    admin.post_form(&format!("{PAGE}/seen"), &[("up_to", "1")]).await.is(303);
    assert_eq!(app.value("SELECT count(*) FROM audit_events WHERE action = 'quarantine.seen'"), "1");
    staff.upload(&batch, &[("b.pdf", &pdf_saying(&eicar()))]).await.is(422);
    assert_eq!(badge(&admin, PAGE).await.as_deref(), Some("1"));
    admin.post_form(&format!("{PAGE}/seen"), &[("up_to", &far)]).await.is(303);

    app.advance(TimeDelta::days(8));
    let admin = app.stranger().sign_in("ada").await;
    admin.get_html("/admin").await.is(200).hides("Malware:");
}

#[tokio::test]
async fn long_lists_go_page_by_page_and_numbers_end() {
    let app = TestApp::start();
    let (staff, admin) = (app.staff().await, app.admin().await);
    let batch = staff.make_batch("B-1").await;
    lock_away(&app, &batch, 60);
    assert_eq!(badge(&admin, "/admin/sites").await.as_deref(), Some("60"));
    refuse(&app, &batch, 120);
    assert_eq!(badge(&admin, "/admin/sites").await.as_deref(), Some("99+"));
    admin.get_html("/admin").await.shows("60 files are locked away; 99+ uploads were refused");
    for (kind, expected) in [("kept", vec![50, 10]), ("sent", vec![50, 50, 20])] {
        let (mut page, mut seen) = (PAGE.to_owned(), BTreeSet::new());
        for expected in expected {
            let text = admin.get_html(&page).await.is(200).text();
            let mark = format!("title=\"{kind} ");
            let names: Vec<String> = text.split(&mark).skip(1).map(|rest| rest[..3].to_owned()).collect();
            assert_eq!(names.len(), expected, "{page}");
            seen.extend(names);
            let own = if kind == "kept" { "locked=" } else { "refused=" };
            let links =
                text.split("rel=\"next\" href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
            page = links.filter(|link| link.contains(own)).last().unwrap_or_default().replace("&#38;", "&");
        }
        assert_eq!(seen.len(), if kind == "kept" { 60 } else { 120 });
    }
    for broken in ["locked=nonsense", "refused=nonsense"] {
        admin.get(&format!("{PAGE}?{broken}")).await.is(400);
    }
    // With their batch in the trash they wait for nobody.
    app.execute("UPDATE batches SET trashed_at = now(), trashed_by = created_by");
    admin.get_html(PAGE).await.hides("kept 0");
}
