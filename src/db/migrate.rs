//! Migrations, embedded in the binary and run by one instance at a time.

use diesel::{PgConnection, RunQueryDsl, migration::MigrationSource, pg::Pg, sql_query, sql_types};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::error::{Error, Result};

pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// Any number, the same in every instance: `embed_migrations!` itself takes no lock.
const MIGRATION_LOCK: i64 = 0x5354_494c_4c41_4745;

/// Brings the schema up to date and returns how many migrations were run. Instances that start together
/// wait for each other. The lock lives on `conn` and ends with it.
pub fn run(conn: &mut PgConnection) -> Result<usize> {
    lock(conn)?;
    let applied = conn.run_pending_migrations(MIGRATIONS).map(|versions| versions.len());
    unlock(conn)?;
    applied.map_err(|error| Error::Internal(anyhow::anyhow!("migration failed: {error}")))
}

/// The names of migrations: those applied, and those still to run.
pub fn status(conn: &mut PgConnection) -> Result<(Vec<String>, Vec<String>)> {
    let describe = |error| Error::Internal(anyhow::anyhow!("migrations cannot be listed: {error}"));
    let mut applied: Vec<String> =
        conn.applied_migrations().map_err(describe)?.iter().map(ToString::to_string).collect();
    applied.sort();
    let pending = conn.pending_migrations(MIGRATIONS).map_err(describe)?;
    Ok((applied, pending.iter().map(|migration| migration.name().to_string()).collect()))
}

/// The names of all migrations that this program has.
pub fn names() -> Result<Vec<String>> {
    let all = MigrationSource::<Pg>::migrations(&MIGRATIONS)
        .map_err(|error| Error::Internal(anyhow::anyhow!("migrations cannot be listed: {error}")))?;
    let mut names: Vec<String> = all.iter().map(|migration| migration.name().to_string()).collect();
    names.sort();
    Ok(names)
}

fn lock(conn: &mut PgConnection) -> Result<()> {
    sql_query("SELECT pg_advisory_lock($1)").bind::<sql_types::BigInt, _>(MIGRATION_LOCK).execute(conn)?;
    Ok(())
}

fn unlock(conn: &mut PgConnection) -> Result<()> {
    sql_query("SELECT pg_advisory_unlock($1)").bind::<sql_types::BigInt, _>(MIGRATION_LOCK).execute(conn)?;
    Ok(())
}

/// Connects to `url` and migrates there.
pub fn run_at(url: &str) -> Result<usize> {
    run(&mut super::dedicated(url)?)
}
