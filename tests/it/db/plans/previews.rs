//! Claims of jobs beside a large backlog of previews.

use stillage::db::{
    jobs::{self, Kinds},
    preview_jobs,
};

use super::*;

#[test]
fn claims_read_little_beside_a_backlog_of_previews() {
    let mut counted = Counted::filled();
    let marks = rows_read(&mut counted.reader).1;
    let mut conn = counted.database.connect();
    // 20,000 documents of one person, and a few of fifty others.
    conn.batch_execute(
        "INSERT INTO jobs (id, kind, payload, run_at, max_attempts, created_at, updated_at, fair_key)
             SELECT md5('job' || n)::uuid, 'make_previews', '{}', now() - interval '1 day' + n * interval '1 ms', 8,
                    now(), now(), CASE WHEN n <= 20000 THEN md5('user')::uuid ELSE md5('user' || n % 50)::uuid END
               FROM generate_series(1, 20200) n;
         INSERT INTO jobs (id, kind, payload, run_at, max_attempts, created_at, updated_at)
             SELECT md5('other' || n)::uuid, 'reconcile', '{}', now() - interval '1 min', 8, now(), now()
               FROM generate_series(1, 3) n",
    )
    .unwrap();
    conn.batch_execute("VACUUM ANALYZE jobs").unwrap();
    counted.end(conn, marks);
    let worker = uuid::Uuid::from_u128(7);
    for claim in ["the first", "the second"] {
        let rows = counted.rows_for(|conn| {
            let at = now();
            assert!(preview_jobs::claim(conn, worker, at, at + TimeDelta::minutes(1)).unwrap().is_some());
        });
        assert!(rows < 500, "{claim} claim of a preview reads {rows} rows");
        let rows = counted.rows_for(|conn| {
            let at = now();
            let other = jobs::claim(conn, worker, Kinds::AllBut(&[]), at, at + TimeDelta::minutes(1));
            assert!(other.unwrap().is_some());
        });
        assert!(rows < 100, "{claim} claim of another job reads {rows} rows");
    }
}
