//! What leaves the trash for good: candidates, the mark that it has begun, and the end.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{prelude::*, sql_query, sql_types};
use uuid::Uuid;

use super::{
    attachments::AttachmentRow,
    batches::BatchRow,
    ledger::{self, Op},
    schema::{attachment_copies, attachment_texts, attachments, batches, previews, purges},
};
use crate::error::Result;

/// A place in the order in which things came into the trash.
pub type Place = (DateTime<Utc>, Uuid);

#[derive(QueryableByName)]
struct Candidate {
    #[diesel(sql_type = sql_types::Uuid)]
    id: Uuid,
    #[diesel(sql_type = sql_types::Timestamptz)]
    trashed_at: DateTime<Utc>,
}

/// Up to `limit` files in the trash since `up_to` or longer that nothing seems to keep, the oldest first, after a
/// place. Whoever purges decides again, with the rows locked.
pub fn due_files(
    conn: &mut PgConnection,
    up_to: DateTime<Utc>,
    now: DateTime<Utc>,
    after: Option<Place>,
    limit: i64,
) -> Result<Vec<Place>> {
    candidates(
        conn,
        "SELECT a.id, a.trashed_at FROM attachments a
           JOIN batches b ON b.id = a.batch_id JOIN sites s ON s.id = b.site_id
          WHERE a.state = 'trashed' AND a.trashed_at <= $1 AND (a.trashed_at, a.id) > ($3, $4)
            AND b.held_at IS NULL AND a.uploaded_at + make_interval(years => s.keep_years) <= $2
          ORDER BY a.trashed_at, a.id LIMIT $5",
        up_to,
        now,
        after,
        limit,
    )
}

/// The same of batches, whose files go with them.
pub fn due_batches(
    conn: &mut PgConnection,
    up_to: DateTime<Utc>,
    now: DateTime<Utc>,
    after: Option<Place>,
    limit: i64,
) -> Result<Vec<Place>> {
    candidates(
        conn,
        "SELECT b.id, b.trashed_at FROM batches b JOIN sites s ON s.id = b.site_id
          WHERE b.trashed_at IS NOT NULL AND b.purge_begun_at IS NULL AND b.trashed_at <= $1
            AND (b.trashed_at, b.id) > ($3, $4)
            AND b.held_at IS NULL AND b.created_at + make_interval(years => s.keep_years) <= $2
          ORDER BY b.trashed_at, b.id LIMIT $5",
        up_to,
        now,
        after,
        limit,
    )
}

fn candidates(
    conn: &mut PgConnection,
    query: &str,
    up_to: DateTime<Utc>,
    now: DateTime<Utc>,
    after: Option<Place>,
    limit: i64,
) -> Result<Vec<Place>> {
    let (after, id) = after.unwrap_or((DateTime::UNIX_EPOCH, Uuid::nil()));
    let rows: Vec<Candidate> = sql_query(query)
        .bind::<sql_types::Timestamptz, _>(up_to)
        .bind::<sql_types::Timestamptz, _>(now)
        .bind::<sql_types::Timestamptz, _>(after)
        .bind::<sql_types::Uuid, _>(id)
        .bind::<sql_types::BigInt, _>(limit)
        .load(conn)?;
    Ok(rows.into_iter().map(|row| (row.trashed_at, row.id)).collect())
}

/// Files whose purge was begun, maybe by somebody who is not there any more.
pub fn begun_files(conn: &mut PgConnection) -> Result<Vec<Uuid>> {
    Ok(purges::table.select(purges::attachment_id).order(purges::attachment_id).load(conn)?)
}

/// The same of batches.
pub fn begun_batches(conn: &mut PgConnection) -> Result<Vec<Uuid>> {
    Ok(batches::table
        .filter(batches::purge_begun_at.is_not_null())
        .filter(batches::purged_at.is_null())
        .select(batches::id)
        .order(batches::id)
        .load(conn)?)
}

/// Up to `limit` files of a batch that are not purged, after an id.
pub fn files_of(conn: &mut PgConnection, batch: Uuid, after: Option<Uuid>, limit: i64) -> Result<Vec<Uuid>> {
    Ok(attachments::table
        .filter(attachments::batch_id.eq(batch))
        .filter(attachments::state.ne("purged"))
        .filter(attachments::id.gt(after.unwrap_or_default()))
        .select(attachments::id)
        .order(attachments::id)
        .limit(limit)
        .load(conn)?)
}

/// The rows of files, and of their batches, locked until the transaction ends. Files before batches, each in the
/// order of their ids, as everybody who changes files does.
pub fn lock(conn: &mut PgConnection, ids: &[Uuid]) -> Result<(Vec<AttachmentRow>, Vec<BatchRow>)> {
    let files: Vec<AttachmentRow> = attachments::table
        .filter(attachments::id.eq_any(ids))
        .order(attachments::id)
        .select(AttachmentRow::as_select())
        .for_update()
        .load(conn)?;
    let of: Vec<Uuid> = files.iter().map(|file| file.batch_id).collect();
    let rows = batches::table
        .filter(batches::id.eq_any(of))
        .order(batches::id)
        .select(BatchRow::as_select())
        .for_update()
        .load(conn)?;
    Ok((files, rows))
}

/// Those of `ids` whose purge was begun.
pub fn begun_among(conn: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Uuid>> {
    Ok(purges::table.filter(purges::attachment_id.eq_any(ids)).select(purges::attachment_id).load(conn)?)
}

/// From here on these files cannot be restored.
pub fn begin(conn: &mut PgConnection, ids: &[Uuid], at: DateTime<Utc>) -> Result<()> {
    let rows: Vec<_> =
        ids.iter().map(|&id| (purges::attachment_id.eq(id), purges::begun_at.eq(at))).collect();
    diesel::insert_into(purges::table).values(rows).on_conflict_do_nothing().execute(conn)?;
    Ok(())
}

/// Something keeps these files after all.
pub fn take_back(conn: &mut PgConnection, ids: &[Uuid]) -> Result<()> {
    diesel::delete(purges::table.filter(purges::attachment_id.eq_any(ids))).execute(conn)?;
    Ok(())
}

/// From here on nobody sees the batch, or (with `None`) everybody does again.
pub fn begin_batch(conn: &mut PgConnection, id: Uuid, at: Option<DateTime<Utc>>) -> Result<()> {
    diesel::update(batches::table.find(id)).set(batches::purge_begun_at.eq(at)).execute(conn)?;
    Ok(())
}

/// The bytes of these files are gone: so are their copies, previews and texts. The rows stay for the trail.
pub fn finish(conn: &mut PgConnection, ids: &[Uuid]) -> Result<()> {
    diesel::update(attachments::table.filter(attachments::id.eq_any(ids)))
        .set(attachments::state.eq("purged"))
        .execute(conn)?;
    diesel::delete(attachment_copies::table.filter(attachment_copies::attachment_id.eq_any(ids)))
        .execute(conn)?;
    diesel::delete(previews::table.filter(previews::attachment_id.eq_any(ids))).execute(conn)?;
    diesel::delete(attachment_texts::table.filter(attachment_texts::attachment_id.eq_any(ids)))
        .execute(conn)?;
    take_back(conn, ids)
}

/// Tells the ledger what went for good.
pub fn count(conn: &mut PgConnection, files: &[AttachmentRow], at: DateTime<Utc>) -> Result<()> {
    let of: Vec<Uuid> = files.iter().map(|file| file.batch_id).collect();
    let sites: Vec<(Uuid, Uuid)> =
        batches::table.filter(batches::id.eq_any(of)).select((batches::id, batches::site_id)).load(conn)?;
    let sites: HashMap<Uuid, Uuid> = sites.into_iter().collect();
    let mut by_site: HashMap<Uuid, Vec<&AttachmentRow>> = HashMap::new();
    for file in files {
        if let Some(site) = sites.get(&file.batch_id) {
            by_site.entry(*site).or_default().push(file);
        }
    }
    for (site, files) in by_site {
        ledger::record(conn, at, Op::Purge, site, &ledger::parts(files))?;
    }
    Ok(())
}

pub fn finish_batch(conn: &mut PgConnection, id: Uuid, at: DateTime<Utc>) -> Result<()> {
    diesel::update(batches::table.find(id)).set(batches::purged_at.eq(at)).execute(conn)?;
    Ok(())
}
