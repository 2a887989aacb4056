//! No page reads more rows than it shows, however many there are. PostgreSQL's own counters tell: they cover
//! whatever plan it chose, for the statements as they are run.

mod previews;
mod quarantine;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    PgConnection, QueryableByName, RunQueryDsl, connection::SimpleConnection, sql_query, sql_types,
};
use stillage::db::{
    attachments, audit,
    audit_list::{self, About, Actors},
    audit_reads,
    batch_files::{self, By, Order},
    batch_list::{self, Filter, Place, Sort},
    batches, sessions,
};
use uuid::Uuid;

use crate::support::{Database, eventually};

/// Rows that any one page may read, of tables with 40,000 files and 2,000 batches in them.
const ENOUGH: i64 = 5_000;

/// Batches 1 to 2000 on two sites, the last made the latest, each with 20 files and an event for every file;
/// a few of everything in the trash, and 20,000 sessions.
const FILL: &str = "
    INSERT INTO users SELECT md5('user')::uuid, 'ann', 'Ann', '', 'staff', NULL, now(), now();
    INSERT INTO sites SELECT md5('site' || n)::uuid, 'Site ' || n, n = 1, now() FROM generate_series(1, 2) n;
    INSERT INTO site_members SELECT md5('site1')::uuid, md5('user')::uuid, now();
    INSERT INTO sessions
        SELECT sha256(n::text::bytea), md5('user')::uuid, '{}', now(), now() FROM generate_series(1, 20000) n;
    INSERT INTO batches (id, site_id, number, product, status, created_by, created_at, updated_at, files_count,
                         bytes_total, last_activity_at)
        SELECT md5('batch' || n)::uuid, md5('site' || n % 2 + 1)::uuid, 'B-2026-' || lpad(n::text, 5, '0'),
               'Olive soap', CASE WHEN n % 3 = 0 THEN 'closed' ELSE 'open' END, md5('user')::uuid, at, at,
               CASE WHEN n % 50 = 0 THEN 0 ELSE 20 END, n, at
          FROM (SELECT n, now() - (2000 - n) * interval '1 hour' AS at FROM generate_series(1, 2000) n) numbered;
    UPDATE batches SET trashed_at = now(), trashed_by = created_by WHERE number LIKE '%77';
    INSERT INTO attachments (id, batch_id, stored_name, original_name, content_type, size_bytes, sha256,
                             uploaded_by, uploaded_at, state, trashed_at, trashed_by)
        SELECT md5('file' || n)::uuid, md5('batch' || n / 20 + 1)::uuid, 'stored' || n,
               'certificate_' || lpad(n::text, 9, '0') || '.pdf', 'application/pdf', 1, sha256(''),
               md5('user')::uuid, now() - (40000 - n) * interval '1 min',
               CASE WHEN n % 100 = 0 THEN 'trashed' ELSE 'available' END,
               CASE WHEN n % 100 = 0 THEN now() END, CASE WHEN n % 100 = 0 THEN md5('user')::uuid END
          FROM generate_series(0, 39999) n;
    INSERT INTO attachment_copies SELECT id, 'local', 'present', now(), now() FROM attachments;
    INSERT INTO audit_events (at, actor, actor_id, action, subject, batch_id, attachment_id)
        SELECT uploaded_at, 'Ann', uploaded_by, 'attachment.upload', 'attachment:' || id, batch_id, id
          FROM attachments ORDER BY uploaded_at;
    CREATE TABLE marker ();
    VACUUM ANALYZE";

fn id_of(conn: &mut PgConnection, what: &str) -> Uuid {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = sql_types::Uuid)]
        id: Uuid,
    }
    let row: Row = sql_query(format!("SELECT md5('{what}')::uuid AS id")).get_result(conn).unwrap();
    row.id
}

/// Rows read from tables and entries read from indexes so far, and how often the marker was looked at.
fn rows_read(conn: &mut PgConnection) -> (i64, i64) {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = sql_types::BigInt)]
        rows: i64,
        #[diesel(sql_type = sql_types::BigInt)]
        marks: i64,
    }
    let row: Row = sql_query(
        "SELECT (SELECT sum(seq_tup_read) FROM pg_stat_user_tables)::bigint
                + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes)::bigint AS rows,
                (SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'marker') AS marks",
    )
    .get_result(conn)
    .unwrap();
    (row.rows, row.marks)
}

struct Counted {
    database: Database,
    reader: PgConnection,
}

impl Counted {
    fn filled() -> Self {
        let database = Database::new();
        let mut conn = database.connect();
        for statement in FILL.split(';') {
            conn.batch_execute(statement).unwrap();
        }
        let mut counted = Self { reader: database.connect(), database };
        counted.end(conn, 0);
        counted
    }

    /// Runs a page's question on a connection of its own, which reports when it ends, and says how many rows
    /// were read for it.
    fn rows_for(&mut self, ask: impl FnOnce(&mut PgConnection)) -> i64 {
        let (before, marks) = rows_read(&mut self.reader);
        let mut conn = self.database.connect();
        ask(&mut conn);
        self.end(conn, marks);
        rows_read(&mut self.reader).0 - before
    }

    /// Ends a connection and waits for its counters. They arrive together, so that one shows that all have come.
    fn end(&mut self, mut conn: PgConnection, marks: i64) {
        conn.batch_execute("SELECT FROM marker").unwrap();
        drop(conn);
        let reader = &mut self.reader;
        eventually("the counters of the connection arrive", || rows_read(reader).1 > marks);
    }

    fn expect_few(&mut self, what: &str, ask: impl FnOnce(&mut PgConnection)) {
        let rows = self.rows_for(ask);
        assert!(rows <= ENOUGH, "{what} reads {rows} rows");
    }
}

fn now() -> DateTime<Utc> {
    stillage::clock::Clock::default().now()
}

#[test]
fn the_list_of_batches_reads_what_it_shows() {
    let mut counted = Counted::filled();
    let everything = counted.rows_for(|conn| conn.batch_execute("SELECT count(*) FROM attachments").unwrap());
    assert!(everything >= 40_000, "the counters count: {everything}");
    let site = id_of(&mut counted.reader, "site1");
    let (plain, own) = (Filter::default(), Filter { sites: Some(vec![site]), ..Filter::default() });
    for sort in [Sort::Activity, Sort::Made, Sort::Number, Sort::Size] {
        for filter in [&plain, &own] {
            let filter = Filter { sort, ..filter.clone() };
            let mut last = None;
            counted.expect_few(&format!("{filter:?}"), |conn| {
                let rows = batch_list::page(conn, &filter, 51).unwrap();
                assert_eq!(rows.len(), 51);
                last = rows.last().map(|(row, _)| sort.place_of(row));
            });
            let next = Filter { after: last, ..filter };
            counted.expect_few(&format!("{next:?}"), |conn| {
                assert_eq!(batch_list::page(conn, &next, 51).unwrap().len(), 51);
            });
        }
    }
    // Far along the order costs what its beginning does.
    let deep = Place { key: batch_list::Key::At(now() - TimeDelta::hours(1800)), id: Uuid::max() };
    let deep = Filter { after: Some(deep), ..Filter::default() };
    let rows = counted.rows_for(|conn| assert_eq!(batch_list::page(conn, &deep, 51).unwrap().len(), 51));
    assert!(rows < 500, "a late page reads {rows} rows");
    let filters = [
        Filter { status: Some("closed"), ..Filter::default() },
        Filter { made_since: Some(now() - TimeDelta::days(2)), ..Filter::default() },
        Filter { made_since: Some(now() - TimeDelta::days(30)), sort: Sort::Size, ..Filter::default() },
        Filter { empty: true, ..own },
    ];
    for filter in filters {
        counted.expect_few(&format!("{filter:?}"), |conn| {
            assert!(!batch_list::page(conn, &filter, 51).unwrap().is_empty());
        });
    }
}

#[test]
fn a_search_reads_little_whatever_it_is_for() {
    let mut counted = Counted::filled();
    let cases = [
        ("B-2026-00142", 1),
        ("026-0014", 10),
        ("olive soap", 51),
        ("OLIVE", 51),
        ("certificate_000012345.pdf", 1),
        ("0012345", 1),
        ("certificate", 51),
        ("pdf", 51),
        ("nowhere at all", 0),
        ("zq", 0),
        ("b", 51),
    ];
    for (text, expected) in cases {
        let filter = Filter { query: Some(text.to_owned()), ..Filter::default() };
        counted.expect_few(&format!("a search for {text:?}"), |conn| {
            assert_eq!(batch_list::page(conn, &filter, 51).unwrap().len(), expected, "{text:?}");
        });
    }
}

/// Between few and many lies what many files of few batches hold: it costs what it finds, and finds all of it.
#[test]
fn what_many_files_of_few_batches_hold_is_found() {
    let mut counted = Counted::filled();
    counted
        .reader
        .batch_execute(
            "UPDATE attachments SET original_name = 'Waagschale_' || original_name
              WHERE batch_id IN (SELECT id FROM batches WHERE number < 'B-2026-00061');
             ANALYZE",
        )
        .unwrap();
    let filter = Filter { query: Some("waagschale".into()), ..Filter::default() };
    assert_eq!(batch_list::page(&mut counted.reader, &filter, 100).unwrap().len(), 60);
    // A quarter of all batches, and far from the latest.
    let old = Filter { query: Some("certificate_00001".into()), ..Filter::default() };
    assert_eq!(batch_list::page(&mut counted.reader, &old, 51).unwrap().len(), 51);
    let other_site = id_of(&mut counted.reader, "site1");
    let filter = Filter { sites: Some(vec![other_site]), ..filter };
    assert_eq!(batch_list::page(&mut counted.reader, &filter, 100).unwrap().len(), 30);
}

#[test]
fn pages_of_one_thing_read_that_thing() {
    let mut counted = Counted::filled();
    let (batch, file) = (id_of(&mut counted.reader, "batch1000"), id_of(&mut counted.reader, "file19985"));
    let site = id_of(&mut counted.reader, "site1");
    counted.expect_few("a batch", |conn| {
        for by in [By::Time, By::Name, By::Size, By::Kind] {
            let order = Order { by, reversed: false };
            let whole = batch_files::Filter { order, ..batch_files::Filter::default() };
            let files = batch_files::page(conn, batch, &whole, 101).unwrap();
            assert!(files.len() >= 19);
            let after = Some(order.place_of(&files[9].row));
            assert!(
                batch_files::page(conn, batch, &batch_files::Filter { after, ..whole }, 101).unwrap().len()
                    >= 9
            );
        }
        batches::find(conn, batch).unwrap().unwrap();
        assert_eq!(audit::of_batch(conn, batch, true, 10).unwrap().len(), 10);
    });
    counted.expect_few("a file", |conn| {
        let found = attachments::find(conn, file).unwrap().unwrap();
        attachments::neighbours(conn, &found.row).unwrap();
        attachments::position(conn, &found.row).unwrap();
        assert_eq!(audit::of_attachment(conn, file, 10).unwrap().len(), 1);
    });
    counted.expect_few("a download", |conn| {
        attachments::locate(conn, file).unwrap().unwrap();
        attachments::locate_by_stored_name(conn, "stored19985").unwrap().unwrap();
    });
    counted.expect_few("the trash", |conn| {
        assert_eq!(batches::trashed(conn, None, None, 200).unwrap().len(), 20);
        assert_eq!(attachments::trashed(conn, None, None, 200).unwrap().len(), 200);
        assert!(!attachments::trashed(conn, Some(&[site]), None, 100).unwrap().is_empty());
    });
    counted.expect_few("a session", |conn| {
        use sha2::{Digest, Sha256};
        let hour_ago = now() - TimeDelta::hours(1);
        let key = Sha256::digest(b"12345");
        assert!(sessions::find_live(conn, &key, hour_ago, hour_ago).unwrap().is_some());
    });
}

/// A busy store: thousands of views of one file, and a few events of the kinds that are rare.
#[test]
fn the_trail_reads_what_it_shows() {
    let mut counted = Counted::filled();
    // On a connection of its own: looking up what these rows refer to counts, too.
    let marks = rows_read(&mut counted.reader).1;
    let mut conn = counted.database.connect();
    conn
        .batch_execute(
            "INSERT INTO audit_events (at, actor, actor_id, address, action, subject, batch_id, attachment_id, details)
                 SELECT now() + n * interval '1 s', 'Ann', md5('user')::uuid, '10.0.0.' || n % 9, 'attachment.view',
                        'attachment:' || md5('file19985')::uuid, md5('batch1000')::uuid, md5('file19985')::uuid,
                        '{\"filename\": \"certificate.pdf\"}'
                   FROM generate_series(1, 20000) n;
             INSERT INTO audit_events (at, actor, address, action, subject, details)
                 SELECT now() - interval '20 days', 'anonymous', '203.0.113.7', 'login.failure', 'system',
                        '{\"username\": \"mallory\"}' FROM generate_series(1, 5) n;
             INSERT INTO audit_events (at, actor, actor_id, action, subject)
                 SELECT now(), 'Ann', md5('user')::uuid, 'user.role', 'user:' || md5('user')::uuid",
        )
        .unwrap();
    conn.batch_execute("VACUUM ANALYZE").unwrap();
    counted.end(conn, marks);
    let (batch, file) = (id_of(&mut counted.reader, "batch1000"), id_of(&mut counted.reader, "file19985"));
    let (other_batch, other_file) =
        (id_of(&mut counted.reader, "batch50"), id_of(&mut counted.reader, "file30000"));
    let ann = id_of(&mut counted.reader, "user");
    counted.expect_few("a batch's changes beside many views", |conn| {
        assert_eq!(audit::of_batch(conn, batch, true, 10).unwrap().len(), 10);
    });
    counted.expect_few("a file's changes beside many views", |conn| {
        assert_eq!(audit::of_attachment(conn, file, 10).unwrap().len(), 1);
    });
    counted.expect_few("who saw it", |conn| {
        assert_eq!(audit_reads::readers(conn, file, 500).unwrap()[0].views, 500);
    });
    let plain = audit_list::Filter::default();
    let about = |about| audit_list::Filter { about: Some(about), ..audit_list::Filter::default() };
    let long_ago = now() - TimeDelta::days(20);
    let cases = [
        ("everything", plain.clone(), 101),
        ("far back", audit_list::Filter { before: Some(200), ..plain.clone() }, 101),
        ("a person", audit_list::Filter { actor: Some(Actors::Accounts(vec![ann])), ..plain.clone() }, 101),
        (
            "nobody's",
            audit_list::Filter { actor: Some(Actors::Nameless("anonymous".into())), ..plain.clone() },
            5,
        ),
        ("a rare act", audit_list::Filter { actions: Some(vec!["user.role"]), ..plain.clone() }, 1),
        ("a common act", audit_list::Filter { actions: Some(vec!["attachment.view"]), ..plain.clone() }, 101),
        ("an address", audit_list::Filter { address: Some("203.0.113.7".into()), ..plain.clone() }, 5),
        ("a word", audit_list::Filter { text: Some("mallory".into()), ..plain.clone() }, 5),
        (
            "a day long ago",
            audit_list::Filter {
                since: Some(long_ago),
                until: Some(long_ago + TimeDelta::days(1)),
                ..plain.clone()
            },
            101,
        ),
        ("a batch", about(About { batches: vec![other_batch], ..About::default() }), 20),
        ("a file", about(About { files: vec![other_file], ..About::default() }), 1),
        ("a user", about(About { subjects: vec![format!("user:{ann}")], ..About::default() }), 1),
    ];
    for (what, filter, expected) in cases {
        counted.expect_few(what, |conn| {
            assert_eq!(audit_list::page(conn, &filter, 101).unwrap().len(), expected, "{what}");
        });
    }
    counted.expect_few("a view after many", |conn| {
        let event = audit::NewEvent {
            at: now(),
            actor: "Ann",
            actor_id: Some(ann),
            address: None,
            action: "attachment.view",
            subject: format!("attachment:{file}"),
            batch_id: Some(batch),
            attachment_id: Some(file),
            details: serde_json::Value::Null,
        };
        audit_reads::insert_unless_since(conn, &event, now() - TimeDelta::minutes(15)).unwrap();
    });
}
