//! Backups: whole, incremental, proven, and good for a restore.

use std::{fs, path::Path};

use stillage::{
    db::dump,
    domain::{
        access::Actor,
        backup::{self, Report},
        backup::{check, make},
    },
    error::Error,
};
use tempfile::TempDir;

use crate::support::{Database, TestApp, samples};

async fn made(app: &TestApp, folder: &Path) -> Report {
    make(&app.app, &Actor::console(), folder, |_, _| ()).await.unwrap()
}

/// What checking says is wrong.
async fn problems(app: &TestApp, folder: &Path) -> Vec<String> {
    check(folder, Some(app.database.url.clone()), |_, _| ()).await.unwrap().problems
}

/// A store with a file of each type, one of them in the trash.
async fn with_files() -> TestApp {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-\\1 \"x\"").await;
    let files = [
        ("Übersicht \u{1F600}.pdf", samples::pdf("a")),
        ("b.png", samples::png()),
        ("c.jpg", samples::jpeg()),
    ];
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    staff.upload(&batch, &files).await.is(201);
    let id = app.value("SELECT id FROM attachments WHERE original_name = 'c.jpg'");
    staff.post_form(&format!("/attachments/{id}/delete"), &[]).await.is(303);
    app
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_backed_up_comes_back() {
    let app = with_files().await;
    let folder = TempDir::new().unwrap();
    app.execute(
        "INSERT INTO share_links (id, token_hash, batch_id, created_by, created_at, expires_at)
             SELECT gen_random_uuid(), sha256('a'), batches.id, users.id, now(), now() + '1 day' FROM batches, users;
         INSERT INTO api_tokens (id, user_id, name, token_hash, scope, created_at, expires_at)
             SELECT gen_random_uuid(), id, 'script', sha256('b'), 'read', now(), now() + '1 day' FROM users",
    );
    let report = made(&app, folder.path()).await;
    assert_eq!((report.files, report.copied, report.problems.len()), (3, 3, 0), "{report:?}");
    assert_eq!(problems(&app, folder.path()).await, Vec::<String>::new());
    assert_eq!(app.value("SELECT count(*) FROM audit_events WHERE action = 'backup.make'"), "1");

    let (empty, place) = (Database::empty(), TempDir::new().unwrap());
    let store = place.path().join("store");
    let restore = || backup::restore(folder.path(), empty.url.clone(), store.clone(), |_, _| ());
    let restored = restore().await.unwrap();
    assert_eq!((restored.files, restored.problems.len()), (3, 0), "{restored:?}");
    for name in app.kept().published {
        let (before, after) = (app.published(&name), store.join("batches").join(&name));
        assert_eq!(fs::read(before).unwrap(), fs::read(after).unwrap(), "{name}");
    }
    let rows = |database: &Database, table: &str| {
        use diesel::{QueryableByName, RunQueryDsl, sql_query, sql_types::Text};
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = Text)]
            row: String,
        }
        let query = format!("SELECT t::text AS row FROM {table} t ORDER BY 1");
        let rows: Vec<Row> = sql_query(query).load(&mut database.connect()).unwrap();
        rows.into_iter().map(|row| row.row).collect::<Vec<_>>()
    };
    for table in dump::TABLES {
        let mut expected = rows(&app.database, table);
        // The event of the backup itself came after its moment.
        expected.retain(|row| !row.contains("backup.make"));
        // Jobs are ordered anew where their work is not in the backup.
        if *table == "jobs" {
            continue;
        }
        let mut found = rows(&empty, table);
        match *table {
            "audit_events" => found.retain(|row| !row.contains("backup.restore")),
            // Alive in the backup; nobody knows whether they were ended since.
            "share_links" | "api_tokens" => {
                assert_eq!((found.len(), found == expected), (1, false), "{table}");
                continue;
            }
            _ => {}
        }
        assert_eq!(found, expected, "{table}");
    }
    let ended = restored.ended.unwrap();
    assert_eq!((ended.shares, ended.tokens), (1, 1));
    let alive = "SELECT concat((SELECT count(*) FROM share_links WHERE revoked_at IS NULL), ' ',
                               (SELECT count(*) FROM api_tokens WHERE revoked_at IS NULL), ' ',
                               (SELECT count(*) FROM sessions), ' ',
                               (SELECT details->>'shares' FROM audit_events WHERE action = 'backup.restore')) AS t";
    assert_eq!(rows(&empty, &format!("({alive})")), ["0 0 0 1"]);
    // Into what is no longer empty, nothing is restored.
    assert!(matches!(restore().await, Err(Error::Conflict { code: "not_empty", .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_backup_copies_only_what_is_new() {
    let app = with_files().await;
    let folder = TempDir::new().unwrap();
    made(&app, folder.path()).await;
    let staff = app.stranger().sign_in("stan").await;
    let batch = app.value("SELECT id FROM batches");
    staff.upload(&batch, &[("new.pdf", &samples::pdf("new"))]).await.is(201);
    let report = made(&app, folder.path()).await;
    assert_eq!((report.files, report.copied), (4, 1));
    assert_eq!(problems(&app, folder.path()).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_byte_is_found_by_name() {
    let app = with_files().await;
    let folder = TempDir::new().unwrap();
    made(&app, folder.path()).await;
    let name = app.value("SELECT stored_name FROM attachments WHERE original_name = 'b.png'");
    for path in [format!("files/batches/{name}"), "database.dump".to_owned()] {
        let path_there = folder.path().join(&path);
        let whole = fs::read(&path_there).unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        fs::write(&path_there, &flipped).unwrap();
        let found = problems(&app, folder.path()).await;
        assert!(found.len() == 1 && found[0].starts_with(&path), "{found:?}");
        fs::write(&path_there, &whole[1..]).unwrap();
        assert!(problems(&app, folder.path()).await[0].starts_with(&path));
        fs::remove_file(&path_there).unwrap();
        assert!(problems(&app, folder.path()).await[0].starts_with(&path));
        fs::write(&path_there, &whole).unwrap();
    }
    assert_eq!(problems(&app, folder.path()).await, Vec::<String>::new());
    // The drill left nothing in the database that it used.
    assert_eq!(app.value("SELECT count(*) FROM pg_namespace WHERE nspname = 'stillage_drill'"), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_the_store_lost_is_named_and_not_backed_up() {
    let app = with_files().await;
    let name = app.value("SELECT stored_name FROM attachments WHERE original_name = 'b.png'");
    let mut bytes = fs::read(app.published(&name)).unwrap();
    bytes[20] ^= 1;
    fs::write(app.published(&name), bytes).unwrap();
    let folder = TempDir::new().unwrap();
    let report = made(&app, folder.path()).await;
    assert_eq!((report.files, report.problems.len()), (2, 1));
    assert!(report.problems[0].starts_with(&name) && report.problems[0].contains("SHA-256"), "{report:?}");
    assert!(!folder.path().join("files/batches").join(&name).exists());
    assert!(problems(&app, folder.path()).await[0].starts_with(&name));
}

/// A manifest is input like any other: it leads to nothing outside the backup.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manifest_leads_nowhere_else() {
    let app = with_files().await;
    let folder = TempDir::new().unwrap();
    made(&app, folder.path()).await;
    let manifest = folder.path().join("manifest.json");
    let name = app.value("SELECT stored_name FROM attachments WHERE original_name = 'b.png'");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace(&name, "../../../../etc/passwd")).unwrap();
    let found = problems(&app, folder.path()).await;
    assert!(found.iter().any(|problem| problem.contains("no file of a backup has such a path")), "{found:?}");
    fs::write(&manifest, "{").unwrap();
    let refused = check(folder.path(), None, |_, _| ()).await;
    assert!(matches!(refused, Err(Error::Conflict { code: "no_backup", .. })));
}

/// A table that nobody thought of would be missing after a restore.
#[test]
fn every_table_is_in_a_backup_or_left_out_on_purpose() {
    let schema = include_str!("../../src/db/schema.rs");
    let declared: Vec<&str> = schema
        .lines()
        .filter_map(|line| line.trim().strip_suffix(" {")?.split_once(" ("))
        .map(|(table, _)| table)
        .collect();
    assert!(declared.len() > 5);
    for table in declared {
        assert!(dump::TABLES.contains(&table) != dump::LEFT_OUT.contains(&table), "{table}");
    }
}
