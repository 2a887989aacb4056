//! Many rows at once, by COPY.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use diesel::{copy_from, prelude::*, sql_query};
use uuid::Uuid;

use super::{
    attachments::AttachmentRow,
    ledger::{self, Op},
    schema::{attachment_copies, attachments, batches},
};
use crate::error::Result;

/// A whole row of `batches`.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = batches, treat_none_as_default_value = false)]
pub struct BatchCopy {
    pub id: Uuid,
    pub site_id: Uuid,
    pub number: String,
    pub product: String,
    pub notes: String,
    pub status: String,
    pub created_by: Uuid,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub files_count: i64,
    pub pictures_count: i64,
    pub bytes_total: i64,
    pub last_activity_at: DateTime<Utc>,
}

impl BatchCopy {
    /// The batch with the counters that these files, none of them a picture, make.
    pub fn counting(self, files: &[AttachmentRow]) -> Self {
        let bytes_total = files.iter().map(|file| file.size_bytes).sum();
        Self { files_count: files.len() as i64, bytes_total, ..self }
    }
}

#[derive(Insertable)]
#[diesel(table_name = attachment_copies, treat_none_as_default_value = false)]
struct CopyCopy {
    attachment_id: Uuid,
    place: &'static str,
    state: &'static str,
    verified_at: Option<DateTime<Utc>>,
    updated_at: DateTime<Utc>,
}

/// Adds batches with their files, whose local copies are present, and writes them into the ledger.
pub fn copy(
    conn: &mut PgConnection,
    rows: Vec<BatchCopy>,
    files: Vec<AttachmentRow>,
    at: DateTime<Utc>,
) -> Result<()> {
    let copies: Vec<CopyCopy> = files
        .iter()
        .map(|file| CopyCopy {
            attachment_id: file.id,
            place: "local",
            state: "present",
            verified_at: Some(at),
            updated_at: at,
        })
        .collect();
    copy_from(batches::table).from_insertable(&rows).execute(conn)?;
    copy_from(attachments::table).from_insertable(&files).execute(conn)?;
    copy_from(attachment_copies::table).from_insertable(&copies).execute(conn)?;
    let sites: HashMap<Uuid, Uuid> = rows.iter().map(|batch| (batch.id, batch.site_id)).collect();
    let mut days: BTreeMap<(NaiveDate, Uuid), Vec<&AttachmentRow>> = BTreeMap::new();
    for file in &files {
        if let Some(&site) = sites.get(&file.batch_id) {
            days.entry((file.uploaded_at.date_naive(), site)).or_default().push(file);
        }
    }
    for ((_, site), files) in days {
        let at = files.first().map_or(at, |file| file.uploaded_at);
        ledger::record(conn, at, Op::Upload, site, &ledger::parts(files))?;
    }
    Ok(())
}

/// How many batches a user has made.
pub fn batches_of(conn: &mut PgConnection, user: Uuid) -> Result<i64> {
    Ok(batches::table.filter(batches::created_by.eq(user)).count().get_result(conn)?)
}

/// Tells the planner of many new rows.
pub fn analyze(conn: &mut PgConnection) -> Result<()> {
    sql_query("ANALYZE").execute(conn)?;
    Ok(())
}
