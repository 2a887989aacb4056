//! The demo fills every page, through the doors that real work takes.

use stillage::{
    domain::{
        access::Actor,
        demo::{self, Size},
    },
    error::Error,
};

use crate::support::{PASSWORD, TestApp};

const SMALL: Size = Size { batches: 26, photo: 200 };

async fn fill(app: &TestApp, force: bool) -> Result<(), Error> {
    demo::fill(&app.app, &Actor::console(), &PASSWORD.into(), SMALL, force, |_| {}).await
}

#[tokio::test]
async fn every_page_has_something_to_show() {
    let app = TestApp::start();
    let before = app.app.clock.now();
    fill(&app, false).await.unwrap();
    assert!(app.app.clock.now() >= before, "the clock is back");
    let count = |sql: &str| app.value(sql).parse::<i64>().unwrap();
    assert_eq!(count("SELECT count(*) FROM batches"), 26);
    for some in [
        "SELECT count(*) FROM batches WHERE status = 'closed'",
        "SELECT count(*) FROM batches WHERE status = 'open' AND files_count = 0",
        "SELECT count(*) FROM batches WHERE trashed_at IS NOT NULL",
        "SELECT count(*) FROM batches WHERE held_at IS NOT NULL",
        "SELECT count(*) FROM batches WHERE created_at < now() - interval '90 days'",
        "SELECT count(*) FROM batches WHERE created_at > now() - interval '1 hour'",
        "SELECT count(*) FROM attachments WHERE state = 'trashed'",
        "SELECT count(*) FROM attachments WHERE content_type = 'image/jpeg'",
        "SELECT count(*) FROM attachments WHERE content_type = 'image/png'",
        "SELECT count(*) FROM attachments WHERE content_type = 'application/pdf'",
        "SELECT count(*) FROM audit_events WHERE action = 'batch.edit'",
        "SELECT count(*) FROM audit_events WHERE action = 'batch.reopen'",
        "SELECT count(*) FROM audit_events WHERE action = 'attachment.restore'",
    ] {
        assert!(count(some) > 0, "{some}");
    }
    for action in ["attachment.view", "attachment.download", "login.success", "login.failure"] {
        assert!(
            count(&format!("SELECT count(*) FROM audit_events WHERE action = '{action}'")) > 0,
            "{action}"
        );
    }
    let admin = app.stranger().sign_in("priya.nair").await;
    admin
        .get_html("/admin/audit")
        .await
        .is(200)
        .shows("looked at")
        .shows("could not sign in")
        .shows("Unchanged");
    admin.get_html("/admin/jobs").await.is(200).shows("statement timeout");
    app.execute("DELETE FROM jobs WHERE state = 'dead'");
    assert_eq!(count("SELECT count(DISTINCT site_id) FROM batches"), 2);
    assert_eq!(count("SELECT count(DISTINCT role) FROM users"), 3);
    assert_eq!(app.kept().published.len() as i64, count("SELECT count(*) FROM attachments"));

    // Everybody gets in, and the viewer of both sites sees the youngest batch.
    for person in demo::PEOPLE {
        app.stranger().sign_in(person.username).await;
    }
    let viewer = app.stranger().sign_in("j.okafor").await;
    let youngest = app.value("SELECT number FROM batches ORDER BY created_at DESC LIMIT 1");
    viewer.get_html("/batches").await.is(200).shows(&youngest);
}

#[tokio::test]
async fn a_store_with_batches_is_left_alone_unless_forced() {
    let app = TestApp::start();
    app.staff().await.make_batch("REAL").await;
    let refused = fill(&app, false).await.unwrap_err();
    assert_eq!(refused.code(), "not_empty");
    assert_eq!(app.value("SELECT count(*) FROM batches"), "1");
    fill(&app, true).await.unwrap();
    fill(&app, true).await.unwrap();
    app.execute("DELETE FROM jobs WHERE state = 'dead'");
    assert_eq!(app.value("SELECT count(*) FROM batches"), "53");
}
