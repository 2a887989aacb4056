//! Malware among very many files and events.

use stillage::db::{findings, quarantine};

use super::*;

#[test]
fn findings_are_listed_and_counted_by_their_indexes() {
    let mut counted = Counted::filled();
    let marks = rows_read(&mut counted.reader).1;
    let mut conn = counted.database.connect();
    conn.batch_execute(
        "UPDATE attachments SET state = 'quarantined' WHERE id IN (
             SELECT id FROM attachments WHERE state = 'available' ORDER BY id LIMIT 2000);
         INSERT INTO audit_events (at, actor, actor_id, action, subject, batch_id, attachment_id, details)
             SELECT now(), 'console', NULL, 'attachment.quarantine', 'attachment:' || id, batch_id, id, '{}'
               FROM attachments WHERE state = 'quarantined';
         INSERT INTO audit_events (at, actor, action, subject, batch_id, details)
             SELECT now() - (20000 - n) * interval '1 min', 'Ann', 'attachment.infected',
                    'batch:' || md5('batch1000')::uuid, md5('batch1000')::uuid, '{}'
               FROM generate_series(1, 20000) n",
    )
    .unwrap();
    conn.batch_execute("VACUUM ANALYZE").unwrap();
    counted.end(conn, marks);
    let mut last = (None, None);
    for page in ["the first page", "the next page"] {
        counted.expect_few(page, |conn| {
            let files = quarantine::locked(conn, last.0, 51).unwrap();
            let ids: Vec<_> = files.iter().map(|file| file.id).collect();
            assert_eq!(quarantine::verdicts(conn, &ids).unwrap().len(), 51);
            let refused = quarantine::refused(conn, last.1, 51).unwrap();
            assert_eq!(refused.len(), 51);
            last = (ids.last().copied(), refused.last().map(|refused| refused.id));
        });
    }
    let far = Some(uuid::Uuid::from_u128(u128::MAX >> 5));
    counted.expect_few("a late page", |conn| {
        assert_eq!(quarantine::locked(conn, far, 51).unwrap().len(), 51);
    });
    let rows = counted.rows_for(|conn| {
        let found = findings::count(conn, now() - TimeDelta::hours(1), 100).unwrap();
        assert_eq!((found.locked, found.unseen), (100, 100));
        assert!((59..=61).contains(&found.recent), "{found:?}");
    });
    assert!(rows < 1000, "the number beside the tab reads {rows} rows");
}
