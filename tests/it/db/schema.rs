//! What the migrations make, and that each of them can be taken back.

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl, migration::MigrationSource, sql_query, sql_types::Text,
};
use diesel_migrations::MigrationHarness;
use stillage::db::migrate::MIGRATIONS;

use crate::support::Database;

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

fn lines(conn: &mut PgConnection, query: &str) -> Vec<String> {
    let rows: Vec<Line> = sql_query(query).load(conn).unwrap();
    rows.into_iter().map(|row| row.line).collect()
}

/// Everything that a migration can make, as text. The table of migrations is diesel's own.
fn description(conn: &mut PgConnection) -> Vec<String> {
    let parts = [
        "SELECT format('column %s.%s %s null=%s default=%s identity=%s', table_name, column_name, udt_name,
                is_nullable, coalesce(column_default, '-'), is_identity) AS line
           FROM information_schema.columns WHERE table_schema = 'public'
            AND table_name <> '__diesel_schema_migrations' ORDER BY 1",
        "SELECT format('index %s', indexdef) AS line FROM pg_indexes WHERE schemaname = 'public'
            AND tablename <> '__diesel_schema_migrations' ORDER BY 1",
        "SELECT format('constraint %s %s', conname, pg_get_constraintdef(oid)) AS line FROM pg_constraint
          WHERE connamespace = 'public'::regnamespace AND conname NOT LIKE '\\_\\_diesel%' ORDER BY 1",
        "SELECT format('trigger %s', pg_get_triggerdef(oid)) AS line FROM pg_trigger WHERE NOT tgisinternal
          ORDER BY 1",
        "SELECT format('function %s', proname) AS line FROM pg_proc
          WHERE pronamespace = 'public'::regnamespace
            AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e') ORDER BY 1",
        "SELECT format('extension %s', extname) AS line FROM pg_extension ORDER BY 1",
        "SELECT format('type %s', typname) AS line FROM pg_type
          WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd') ORDER BY 1",
    ];
    parts.into_iter().flat_map(|part| lines(conn, part)).collect()
}

#[test]
fn every_migration_can_be_taken_back() {
    let database = Database::empty();
    let mut conn = database.connect();
    let mut migrations = MigrationSource::<diesel::pg::Pg>::migrations(&MIGRATIONS).unwrap();
    migrations.sort_by_key(|migration| migration.name().to_string());
    assert!(!migrations.is_empty());
    // Diesel's own table is made by the first call.
    conn.pending_migrations(MIGRATIONS).unwrap();
    for migration in migrations {
        let before = description(&mut conn);
        conn.run_migration(&migration).unwrap();
        assert_ne!(description(&mut conn), before, "{} does something", migration.name());
        conn.revert_migration(&migration).unwrap();
        assert_eq!(description(&mut conn), before, "{} is taken back whole", migration.name());
        conn.run_migration(&migration).unwrap();
    }
}

#[test]
fn every_foreign_key_has_an_index() {
    let missing = lines(
        &mut Database::new().connect(),
        "SELECT format('%s (%s)', c.conrelid::regclass, a.attname) AS line
           FROM pg_constraint c
           JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
          WHERE c.contype = 'f' AND NOT EXISTS (
              SELECT 1 FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1])",
    );
    assert!(missing.is_empty(), "a delete on the other side would scan: {missing:?}");
}

#[test]
fn every_reference_by_id_is_a_foreign_key() {
    let missing = lines(
        &mut Database::new().connect(),
        "SELECT format('%s.%s', table_name, column_name) AS line FROM information_schema.columns col
          WHERE table_schema = 'public' AND udt_name = 'uuid' AND column_name ~ '_(id|by)$'
            -- A worker is a process, not a row.
            AND column_name <> 'leased_by'
            AND NOT EXISTS (
              SELECT 1 FROM pg_constraint c JOIN pg_attribute a
                  ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
               WHERE c.contype = 'f' AND c.conrelid = format('%I', col.table_name)::regclass
                 AND a.attname = col.column_name)",
    );
    assert!(missing.is_empty(), "{missing:?}");
}

/// A column that may be empty is one more case in every reader: each is meant.
#[test]
fn only_these_columns_may_be_null() {
    let nullable = lines(
        &mut Database::new().connect(),
        "SELECT format('%s.%s', table_name, column_name) AS line FROM information_schema.columns
          WHERE table_schema = 'public' AND is_nullable = 'YES' ORDER BY 1",
    );
    let expected = [
        "api_tokens.last_used_at",
        "api_tokens.revoked_at",
        "api_tokens.site_id",
        "attachment_copies.last_error",
        "attachment_copies.verified_at",
        "attachments.height",
        "attachments.trashed_at",
        "attachments.trashed_by",
        // Who uploaded it elsewhere.
        "attachments.uploader_name",
        "attachments.width",
        "audit_events.actor_id",
        "audit_events.address",
        "audit_events.attachment_id",
        "audit_events.batch_id",
        "audit_events.seal_id",
        "batches.held_at",
        "batches.held_by",
        "batches.purge_begun_at",
        "batches.purged_at",
        "batches.trashed_at",
        "batches.trashed_by",
        "jobs.dedupe_key",
        "jobs.last_error",
        "jobs.lease_until",
        "jobs.leased_by",
        "previews.ended_at",
        "previews.height",
        "previews.pages",
        "previews.width",
        "share_links.attachment_id",
        "share_links.max_downloads",
        "share_links.password_hash",
        "share_links.revoked_at",
        "two_factors.enabled_at",
        "two_factors.wait_until",
        "uploads.attachment_id",
        "uploads.lease",
        "uploads.lease_until",
        "usage_ledger.uploader",
        "users.disabled_at",
        "users.last_seen_at",
        "users.password_set_at",
    ];
    assert_eq!(nullable, expected);
}

/// `src/db/schema.rs` is what diesel would write: every column is there, with its type and nullability.
#[test]
fn the_rust_schema_is_the_databases() {
    let types = [
        ("uuid", "Uuid"),
        ("text", "Text"),
        ("bool", "Bool"),
        ("timestamptz", "Timestamptz"),
        ("jsonb", "Jsonb"),
        ("bytea", "Bytea"),
        ("int4", "Int4"),
        ("int8", "Int8"),
        ("float8", "Float8"),
        ("date", "Date"),
        ("tsvector", "Tsvector"),
    ];
    let rust = include_str!("../../../src/db/schema.rs");
    let expected = lines(
        &mut Database::new().connect(),
        "SELECT concat_ws(' ', table_name, column_name, udt_name, is_nullable) AS line
           FROM information_schema.columns WHERE table_schema = 'public'
            AND table_name <> '__diesel_schema_migrations' ORDER BY table_name COLLATE \"C\", ordinal_position",
    );
    let mut declared = Vec::new();
    let mut table = "";
    for line in rust.lines().map(str::trim) {
        if let Some(rest) = line.split_once('(').filter(|_| line.ends_with('{')) {
            table = rest.0.trim();
        } else if let Some((name, kind)) =
            line.trim_end_matches(',').split_once(" -> ").filter(|_| !line.ends_with(';'))
        {
            let inner = kind.strip_prefix("Nullable<").and_then(|inner| inner.strip_suffix('>'));
            let kind = types
                .iter()
                .find(|(_, rust)| *rust == inner.unwrap_or(kind))
                .map_or(kind, |(database, _)| *database);
            declared.push(format!("{table} {name} {kind} {}", if inner.is_some() { "YES" } else { "NO" }));
        }
    }
    // Columns keep their order, tables need not.
    let table_of = |line: &String| line.split(' ').next().map(str::to_owned);
    declared.sort_by_key(table_of);
    assert_eq!(declared, expected);
}
