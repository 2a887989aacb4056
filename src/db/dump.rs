//! All rows as one stream, by COPY, and back: a backup needs none of PostgreSQL's programs.
//!
//! The stream is a line of JSON per table (its name), then the table's rows in PostgreSQL's text format, cut into
//! frames of a length (four bytes, big-endian) and that many bytes; a frame of length zero ends the table.

use std::{
    cell::RefCell,
    io::{self, BufRead, Read, Write},
};

use diesel::{connection::SimpleConnection, copy_from, copy_to, prelude::*};
use diesel_migrations::MigrationHarness;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{migrate::MIGRATIONS, schema};
use crate::error::{Error, Result};

/// Rows of these are worth nothing later: who was signed in signs in again, a link to a new password is good for
/// a day, an upload under way begins anew, attempts are forgotten in minutes, and previews and texts are made from the files once more.
pub const LEFT_OUT: &[&str] =
    &["sessions", "password_links", "uploads", "previews", "attachment_texts", "preview_turns", "throttles"];

#[derive(Serialize, Deserialize)]
struct Section {
    table: String,
}

/// Tables in the order in which their foreign keys let them be filled.
macro_rules! tables {
    ($($table:ident),* $(,)?) => {
        pub const TABLES: &[&str] = &[$(stringify!($table)),*];

        fn copy_out(conn: &mut PgConnection, table: &str, frames: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<()> {
            match table {
                $(stringify!($table) => {
                    let mut rows = copy_to(schema::$table::table).load_raw(conn)?;
                    loop {
                        let bytes = rows.fill_buf().map_err(Error::internal)?;
                        if bytes.is_empty() {
                            return Ok(());
                        }
                        frames(bytes).map_err(Error::internal)?;
                        let length = bytes.len();
                        rows.consume(length);
                    }
                })*
                unknown => Err(damaged(format!("there is no table {unknown}"))),
            }
        }

        fn copy_in(conn: &mut PgConnection, table: &str, rows: impl Fn(&mut dyn Write) -> io::Result<()>) -> Result<()> {
            match table {
                $(stringify!($table) => {
                    copy_from(schema::$table::table)
                        .from_raw_data(schema::$table::table, |out: &mut dyn Write| {
                            rows(out).map_err(|error| diesel::result::Error::SerializationError(Box::new(error)))
                        })
                        .execute(conn)?;
                    Ok(())
                })*
                unknown => Err(damaged(format!("it has a table {unknown}"))),
            }
        }
    };
}

tables!(
    sites,
    users,
    site_members,
    settings,
    batches,
    attachments,
    attachment_copies,
    purges,
    share_links,
    api_tokens,
    two_factors,
    recovery_codes,
    jobs,
    schedule_runs,
    usage_ledger,
    audit_seals,
    audit_events,
);

/// The newest migration of this program, which a dump must have been made with.
pub fn schema_version() -> Result<String> {
    use diesel::migration::MigrationSource;
    let migrations = MigrationSource::<diesel::pg::Pg>::migrations(&MIGRATIONS)
        .map_err(|error| Error::Internal(anyhow::anyhow!("migrations cannot be listed: {error}")))?;
    let newest = migrations.iter().map(|migration| migration.name().to_string()).max();
    newest.ok_or_else(|| Error::Internal(anyhow::anyhow!("there are no migrations")))
}

/// Writes every row. To be called in one transaction that sees one moment (`REPEATABLE READ`).
pub fn write(conn: &mut PgConnection, out: &mut dyn Write) -> Result<()> {
    for table in TABLES {
        let section = Section { table: (*table).to_owned() };
        serde_json::to_writer(&mut *out, &section).map_err(Error::internal)?;
        out.write_all(b"\n").map_err(Error::internal)?;
        copy_out(conn, table, &mut |bytes| frame(out, bytes))?;
        // Diesel leaves the end of COPY unread on the connection; a plain command reads it away.
        conn.batch_execute("SELECT 1")?;
        frame(out, &[]).map_err(Error::internal)?;
    }
    Ok(())
}

fn frame(out: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    out.write_all(&length.to_be_bytes())?;
    out.write_all(bytes)
}

/// A file that a backup holds.
#[derive(Debug, Queryable, Serialize, Deserialize)]
pub struct Stored {
    pub id: Uuid,
    pub stored_name: String,
    pub content_type: String,
    pub size_bytes: i64,
    pub sha256: Vec<u8>,
}

/// Up to `limit` files that are not purged or about to be, in the order of their ids, after `after`. Those in the trash
/// can be restored, so that they count.
pub fn stored_after(conn: &mut PgConnection, after: Uuid, limit: i64) -> Result<Vec<Stored>> {
    use schema::{attachments, purges};
    let is_going = purges::table.filter(purges::attachment_id.eq(attachments::id));
    Ok(attachments::table
        .filter(attachments::id.gt(after))
        .filter(attachments::state.ne("purged"))
        .filter(diesel::dsl::not(diesel::dsl::exists(is_going)))
        .order(attachments::id)
        .limit(limit)
        .select((
            attachments::id,
            attachments::stored_name,
            attachments::content_type,
            attachments::size_bytes,
            attachments::sha256,
        ))
        .load(conn)?)
}

/// Fills an empty database, migrated by this same program, with every row of a dump.
///
/// # Errors
/// The dump is damaged, or its rows do not fit together: then the caller's transaction is to be rolled back.
pub fn read(conn: &mut PgConnection, input: &mut dyn BufRead) -> Result<()> {
    let input = RefCell::new(input);
    for table in TABLES {
        let mut line = String::new();
        input.borrow_mut().take(4096).read_line(&mut line).map_err(Error::internal)?;
        let section: Section = serde_json::from_str(&line).map_err(|_| damaged("it ends too early"))?;
        if section.table != *table {
            return Err(damaged(format!("{table} was expected and {} found", section.table)));
        }
        copy_in(conn, table, |out| unframe(&mut **input.borrow_mut(), out))?;
    }
    // What ran elsewhere when the dump was made runs nowhere now, and numbers go on after the last one.
    conn.batch_execute(
        "UPDATE jobs SET state = 'waiting', leased_by = NULL, lease_until = NULL WHERE state = 'running';
         SELECT setval(pg_get_serial_sequence('audit_events', 'id'), coalesce(max(id), 0) + 1, false)
           FROM audit_events",
    )?;
    Ok(())
}

fn unframe(input: &mut dyn BufRead, out: &mut dyn Write) -> io::Result<()> {
    loop {
        let mut length = [0; 4];
        input.read_exact(&mut length)?;
        let length = u64::from(u32::from_be_bytes(length));
        if length == 0 {
            return Ok(());
        }
        if io::copy(&mut input.take(length), out)? != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Whether nothing at all is in the database yet.
pub fn is_empty(conn: &mut PgConnection) -> Result<bool> {
    let applied = conn
        .applied_migrations()
        .map_err(|error| Error::Internal(anyhow::anyhow!("migrations cannot be listed: {error}")))?;
    Ok(applied.is_empty())
}

/// Reads a dump into a schema of its own and takes everything back: whether its rows fit together is known
/// without touching what is there.
///
/// # Errors
/// As [`read`].
pub fn try_out(conn: &mut PgConnection, input: &mut dyn BufRead) -> Result<()> {
    let mut outcome = Ok(());
    let rolled_back = conn.transaction::<(), diesel::result::Error, _>(|conn| {
        outcome = (|| {
            conn.batch_execute(
                "CREATE SCHEMA stillage_drill; SET LOCAL search_path TO stillage_drill, public",
            )?;
            conn.run_pending_migrations(MIGRATIONS)
                .map_err(|error| Error::Internal(anyhow::anyhow!("migration failed: {error}")))?;
            read(conn, input)
        })();
        Err(diesel::result::Error::RollbackTransaction)
    });
    match rolled_back {
        Err(diesel::result::Error::RollbackTransaction) | Ok(()) => outcome,
        Err(error) => outcome.and(Err(error.into())),
    }
}

fn damaged(what: impl std::fmt::Display) -> Error {
    Error::conflict("backup_damaged", format!("The backup's rows cannot be read: {what}."))
}
