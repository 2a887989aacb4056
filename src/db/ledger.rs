//! The ledger of what came, went and was handed out. Every change of the stock adds rows in its own transaction, most
//! of them by way of [`super::batches::Change`]; pages read sums over it and never count files.
//!
//! Rows are only added. [`fold`] replaces the rows of a day by their sums, and days of long ago by their month's:
//! whatever is read is a sum, so that nobody can tell before from after, and a change that commits meanwhile is
//! folded the next time.

use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};
use diesel::{prelude::*, sql_query, sql_types};
use uuid::Uuid;

use super::{
    attachments::{AttachmentRow, LIVING},
    schema::usage_ledger,
};
use crate::error::Result;

/// Days older than so many whole months are kept by the month: no page looks further back by the day.
const DAILY_MONTHS: u32 = 13;

/// What happened to files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    Upload,
    /// Into the trash.
    Trash,
    Restore,
    /// Out of the trash, for good.
    Purge,
    /// Handed out from the first byte on.
    Download,
    /// Handed out from a later byte on: what a resumed download or a viewer asks for. The number is that of answers.
    Part,
    /// The file itself, shown in place; the number is that of answers.
    View,
}

impl Op {
    pub const ALL: [Self; 7] =
        [Self::Upload, Self::Trash, Self::Restore, Self::Purge, Self::Download, Self::Part, Self::View];

    fn key(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Trash => "trash",
            Self::Restore => "restore",
            Self::Purge => "purge",
            Self::Download => "download",
            Self::Part => "part",
            Self::View => "view",
        }
    }

    fn of(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.key() == key)
    }
}

/// Files of one type, by one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub content_type: String,
    pub uploader: Option<Uuid>,
    pub files: i64,
    pub bytes: i64,
}

/// Files by type and uploader, in no order.
pub fn parts<'a>(files: impl IntoIterator<Item = &'a AttachmentRow>) -> Vec<Part> {
    let mut parts = Vec::new();
    files.into_iter().for_each(|file| add(&mut parts, file));
    parts
}

/// One more file.
pub fn add(parts: &mut Vec<Part>, file: &AttachmentRow) {
    let uploader = Some(file.uploaded_by);
    let is_like = |part: &&mut Part| part.content_type == file.content_type && part.uploader == uploader;
    match parts.iter_mut().find(is_like) {
        Some(part) => {
            part.files += 1;
            part.bytes += file.size_bytes;
        }
        None => parts.push(Part {
            content_type: file.content_type.clone(),
            uploader,
            files: 1,
            bytes: file.size_bytes,
        }),
    }
}

/// Writes down what happened to files of a site. To be called in the transaction of the change itself.
pub fn record(conn: &mut PgConnection, at: DateTime<Utc>, op: Op, site: Uuid, parts: &[Part]) -> Result<()> {
    let rows: Vec<_> = parts
        .iter()
        .map(|part| {
            (
                usage_ledger::day.eq(at.date_naive()),
                usage_ledger::op.eq(op.key()),
                usage_ledger::site.eq(site),
                usage_ledger::content_type.eq(&part.content_type),
                usage_ledger::uploader.eq(part.uploader.filter(|_| op == Op::Upload)),
                usage_ledger::files.eq(part.files),
                usage_ledger::bytes.eq(part.bytes),
            )
        })
        .collect();
    diesel::insert_into(usage_ledger::table).values(rows).execute(conn)?;
    Ok(())
}

/// The same of all files that a batch would show if it were not in the trash.
pub fn record_batch(conn: &mut PgConnection, at: DateTime<Utc>, op: Op, batch: Uuid) -> Result<()> {
    sql_query(
        "INSERT INTO usage_ledger (day, op, site, content_type, files, bytes)
         SELECT $1, $2, b.site_id, a.content_type, count(*), sum(a.size_bytes)::bigint
           FROM attachments a JOIN batches b ON b.id = a.batch_id
          WHERE a.batch_id = $3 AND a.state = ANY ($4) GROUP BY b.site_id, a.content_type",
    )
    .bind::<sql_types::Date, _>(at.date_naive())
    .bind::<sql_types::Text, _>(op.key())
    .bind::<sql_types::Uuid, _>(batch)
    .bind::<sql_types::Array<sql_types::Text>, _>(LIVING.as_slice())
    .execute(conn)?;
    Ok(())
}

/// Replaces single rows by sums; returns how many rows there are instead. Two at once do no harm.
pub fn fold(conn: &mut PgConnection, today: NaiveDate) -> Result<usize> {
    let this_month = today.with_day(1).unwrap_or(today);
    let daily_since = this_month.checked_sub_months(Months::new(DAILY_MONTHS)).unwrap_or(this_month);
    Ok(sql_query(
        "WITH gone AS (
             DELETE FROM usage_ledger
              WHERE day IN (SELECT day FROM usage_ledger WHERE NOT is_sum)
                 OR (day < $1 AND extract(day FROM day) <> 1)
             RETURNING *
         )
         INSERT INTO usage_ledger (day, op, site, content_type, uploader, files, bytes, is_sum)
         SELECT CASE WHEN day < $1 THEN date_trunc('month', day)::date ELSE day END,
                op, site, content_type, uploader, sum(files)::bigint, sum(bytes)::bigint, true
           FROM gone GROUP BY 1, 2, 3, 4, 5",
    )
    .bind::<sql_types::Date, _>(daily_since)
    .execute(conn)?)
}

/// All that ever happened of one kind to files of one type at one site.
#[derive(Clone, Debug)]
pub struct Sum {
    pub op: Op,
    pub site: Uuid,
    pub content_type: String,
    pub files: i64,
    pub bytes: i64,
}

/// Sums over all time.
pub fn sums(conn: &mut PgConnection) -> Result<Vec<Sum>> {
    #[derive(QueryableByName)]
    #[diesel(table_name = usage_ledger)]
    struct Row {
        op: String,
        site: Uuid,
        content_type: String,
        files: i64,
        bytes: i64,
    }
    let rows: Vec<Row> = sql_query(
        "SELECT op, site, content_type, sum(files)::bigint AS files, sum(bytes)::bigint AS bytes
           FROM usage_ledger GROUP BY op, site, content_type",
    )
    .load(conn)?;
    let sum = |row: Row| {
        let Row { op, site, content_type, files, bytes } = row;
        Op::of(&op).map(|op| Sum { op, site, content_type, files, bytes })
    };
    Ok(rows.into_iter().filter_map(sum).collect())
}

/// What happened on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaySum {
    pub day: NaiveDate,
    pub op: Op,
    pub files: i64,
    pub bytes: i64,
}

/// Day by day since `since`, rising.
pub fn daily(conn: &mut PgConnection, site: Option<Uuid>, since: NaiveDate) -> Result<Vec<DaySum>> {
    #[derive(QueryableByName)]
    #[diesel(table_name = usage_ledger)]
    struct Row {
        day: NaiveDate,
        op: String,
        files: i64,
        bytes: i64,
    }
    let rows: Vec<Row> = sql_query(
        "SELECT day, op, sum(files)::bigint AS files, sum(bytes)::bigint AS bytes
           FROM usage_ledger WHERE day >= $2 AND ($1 IS NULL OR site = $1) GROUP BY day, op ORDER BY day",
    )
    .bind::<sql_types::Nullable<sql_types::Uuid>, _>(site)
    .bind::<sql_types::Date, _>(since)
    .load(conn)?;
    let sum = |row: Row| {
        let Row { day, op, files, bytes } = row;
        Op::of(&op).map(|op| DaySum { day, op, files, bytes })
    };
    Ok(rows.into_iter().filter_map(sum).collect())
}

/// The day of the first row, if there is one.
pub fn first_day(conn: &mut PgConnection) -> Result<Option<NaiveDate>> {
    let first = usage_ledger::table.select(usage_ledger::day).order(usage_ledger::day).first(conn);
    Ok(first.optional()?)
}

/// What somebody uploaded.
#[derive(Clone, Debug, QueryableByName)]
pub struct Uploaded {
    #[diesel(sql_type = sql_types::Text)]
    pub name: String,
    #[diesel(sql_type = sql_types::BigInt)]
    pub files: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    pub bytes: i64,
}

/// Up to `limit` people who uploaded the most bytes since `since`.
pub fn uploaders(
    conn: &mut PgConnection,
    site: Option<Uuid>,
    since: NaiveDate,
    limit: i64,
) -> Result<Vec<Uploaded>> {
    Ok(sql_query(
        "SELECT u.display_name AS name, s.files, s.bytes
           FROM (SELECT uploader, sum(files)::bigint AS files, sum(bytes)::bigint AS bytes
                   FROM usage_ledger WHERE op = 'upload' AND day >= $2 AND ($1 IS NULL OR site = $1)
                  GROUP BY uploader ORDER BY bytes DESC, uploader LIMIT $3) s
           JOIN users u ON u.id = s.uploader ORDER BY s.bytes DESC, u.display_name",
    )
    .bind::<sql_types::Nullable<sql_types::Uuid>, _>(site)
    .bind::<sql_types::Date, _>(since)
    .bind::<sql_types::BigInt, _>(limit)
    .load(conn)?)
}
