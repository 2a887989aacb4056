//! Whatever is done to the tables of the trail by hand is found.

use chrono::TimeDelta;
use stillage::domain::{
    access::Actor,
    audit::{
        export,
        seal::seal_pending,
        verify::{self, Report},
    },
};

use crate::support::TestApp;

async fn verified(app: &TestApp) -> Report {
    verify::verify(&app.app, &Actor::console(), None, |_| ()).await.unwrap()
}

/// Three seals over eight events or more, as a busy day leaves them.
async fn with_a_past() -> TestApp {
    let app = TestApp::start();
    let staff = app.staff().await;
    for round in 0..3 {
        for n in 0..3 {
            staff.make_batch(&format!("B-{round}-{n}")).await;
        }
        seal_pending(&app.app).await.unwrap();
        app.advance(TimeDelta::minutes(5));
    }
    let whole = verified(&app).await;
    assert_eq!((whole.seals, whole.unsealed, whole.problems.len()), (3, 0, 0), "{whole:?}");
    assert_eq!(whole.events.to_string(), app.value("SELECT count(*) FROM audit_events"));
    app
}

#[tokio::test]
async fn every_act_on_the_tables_is_found() {
    let middle = "(SELECT id FROM audit_events WHERE seal_id = 2 ORDER BY id LIMIT 1 OFFSET 1)";
    let table = [
        (format!("UPDATE audit_events SET actor = actor || ' ' WHERE id = {middle}"), "an event of seal 2"),
        (
            format!("UPDATE audit_events SET at = at + interval '1 microsecond' WHERE id = {middle}"),
            "an event of seal 2",
        ),
        (
            format!("UPDATE audit_events SET details = details || '{{\"x\":1}}' WHERE id = {middle}"),
            "an event of seal 2",
        ),
        (format!("UPDATE audit_events SET address = NULL WHERE id = {middle}"), "an event of seal 2"),
        (format!("UPDATE audit_events SET actor_id = NULL WHERE id = {middle}"), "an event of seal 2"),
        (format!("UPDATE audit_events SET seal_id = 3 WHERE id = {middle}"), "added to seal 3"),
        (format!("DELETE FROM audit_events WHERE id = {middle}"), "1 of the 3 events of seal 2"),
        (
            "INSERT INTO audit_events (at, actor, action, subject, seal_id) VALUES (now(), 'x', 'y', 'z', 2)"
                .to_owned(),
            "1 events were added to seal 2",
        ),
        (
            "INSERT INTO audit_events (id, at, actor, action, subject) OVERRIDING SYSTEM VALUE
             VALUES (-5, now(), 'x', 'y', 'z')"
                .to_owned(),
            "event -5 was inserted",
        ),
        // Two events that change places.
        (
            "WITH pair AS (SELECT min(id) AS a, max(id) AS b FROM audit_events WHERE seal_id = 2)
             UPDATE audit_events e SET subject = o.subject, details = o.details, batch_id = o.batch_id
               FROM pair, audit_events o
              WHERE (e.id = pair.a AND o.id = pair.b) OR (e.id = pair.b AND o.id = pair.a)"
                .to_owned(),
            "an event of seal 2",
        ),
        (
            "UPDATE audit_seals SET sealed_at = sealed_at + interval '1 second' WHERE id = 2".to_owned(),
            "seal 2 was changed",
        ),
        ("UPDATE audit_seals SET root = previous WHERE id = 2".to_owned(), "seal 2 was changed"),
        (
            "UPDATE audit_events SET seal_id = NULL WHERE seal_id = 2; DELETE FROM audit_seals WHERE id = 2"
                .to_owned(),
            "seals 2 to 2 were removed",
        ),
        (
            "DELETE FROM audit_events WHERE seal_id = 2; DELETE FROM audit_seals WHERE id = 2".to_owned(),
            "seal 3 does not follow",
        ),
    ];
    let app = with_a_past().await;
    let before = verified(&app).await.head.unwrap();
    for (act, expected) in table {
        app.execute(
            "CREATE TABLE kept_events AS TABLE audit_events; CREATE TABLE kept_seals AS TABLE audit_seals",
        );
        app.execute(&act);
        let report = verified(&app).await;
        assert!(report.problems.iter().any(|problem| problem.contains(expected)), "{act}\n{report:?}");
        app.execute(
            "DELETE FROM audit_events; DELETE FROM audit_seals;
             INSERT INTO audit_seals SELECT * FROM kept_seals;
             INSERT INTO audit_events OVERRIDING SYSTEM VALUE SELECT * FROM kept_events;
             DROP TABLE kept_events, kept_seals",
        );
        assert_eq!(verified(&app).await.head.as_deref(), Some(before.as_str()), "undone: {act}");
    }
    // What was cut off at the end shows against a head that was written down.
    app.execute("DELETE FROM audit_events WHERE seal_id = 3; DELETE FROM audit_seals WHERE id = 3");
    assert_eq!(verified(&app).await.problems, Vec::<String>::new());
    let report = verify::verify(&app.app, &Actor::console(), Some(&before), |_| ()).await.unwrap();
    assert!(report.problems[0].contains("is not in the chain"), "{report:?}");
}

#[tokio::test]
async fn verifying_never_seals_and_one_of_many_seals() {
    let app = TestApp::start();
    app.staff().await;
    let waiting = verified(&app).await;
    assert!(waiting.unsealed > 0 && waiting.seals == 0 && waiting.head.is_none(), "{waiting:?}");
    let at_once = futures_util::future::join_all((0..4).map(|_| seal_pending(&app.app))).await;
    let sealed: usize = at_once.into_iter().map(Result::unwrap).sum();
    assert_eq!(sealed as i64, waiting.unsealed);
    assert_eq!(app.value("SELECT count(*) FROM audit_seals"), "1");
}

#[tokio::test]
async fn an_export_holds_every_event_in_order() {
    let app = with_a_past().await;
    let mut lines = Vec::new();
    let count = export::export(&app.app, &Actor::console(), None, |event| {
        lines.push(event);
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(count, lines.len());
    assert_eq!(count.to_string(), app.value("SELECT count(*) FROM audit_events"));
    assert!(lines.windows(2).all(|pair| pair[0]["id"].as_i64() < pair[1]["id"].as_i64()));
    assert!(lines.iter().all(|line| line["seal"].is_i64()));
    let since = app.app.clock.now() - TimeDelta::minutes(6);
    let late = export::export(&app.app, &Actor::console(), Some(since), |_| Ok(())).await.unwrap();
    assert_eq!(late, 3);
}
