//! What keeps things in the trash: the years of their site, and since when these count.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{dsl::max, prelude::*, sql_query, sql_types::BigInt};
use uuid::Uuid;

use super::schema::{attachments, sites};
use crate::error::Result;

/// For how many years each site keeps its files at least.
pub fn keep_years(conn: &mut PgConnection) -> Result<HashMap<Uuid, i32>> {
    let rows: Vec<(Uuid, i32)> = sites::table.select((sites::id, sites::keep_years)).load(conn)?;
    Ok(rows.into_iter().collect())
}

pub fn set_keep_years(conn: &mut PgConnection, site: Uuid, years: i32) -> Result<()> {
    diesel::update(sites::table.find(site)).set(sites::keep_years.eq(years)).execute(conn)?;
    Ok(())
}

/// When the latest file of each of these batches came in; those without files are left out.
pub fn latest_uploads(conn: &mut PgConnection, batches: &[Uuid]) -> Result<HashMap<Uuid, DateTime<Utc>>> {
    let rows: Vec<(Uuid, Option<DateTime<Utc>>)> = attachments::table
        .filter(attachments::batch_id.eq_any(batches))
        .filter(attachments::state.ne("purged"))
        .group_by(attachments::batch_id)
        .select((attachments::batch_id, max(attachments::uploaded_at)))
        .load(conn)?;
    Ok(rows.into_iter().filter_map(|(id, at)| Some((id, at?))).collect())
}

/// How much is in the trash, over all sites.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, QueryableByName)]
pub struct Totals {
    #[diesel(sql_type = BigInt)]
    pub batches: i64,
    /// Those of batches in the trash too.
    #[diesel(sql_type = BigInt)]
    pub files: i64,
    #[diesel(sql_type = BigInt)]
    pub bytes: i64,
    /// Bytes that a hold keeps there.
    #[diesel(sql_type = BigInt)]
    pub held_bytes: i64,
}

/// Costs what is in the trash, along its two indexes.
pub fn totals(conn: &mut PgConnection) -> Result<Totals> {
    Ok(sql_query(
        "WITH gone AS (
             SELECT 1 AS batches, files_count AS files, bytes_total AS bytes, held_at IS NOT NULL AS held
               FROM batches WHERE trashed_at IS NOT NULL AND purge_begun_at IS NULL
             UNION ALL
             SELECT 0, 1, a.size_bytes, b.held_at IS NOT NULL
               FROM attachments a JOIN batches b ON b.id = a.batch_id WHERE a.state = 'trashed')
         SELECT count(*) FILTER (WHERE batches = 1) AS batches,
                coalesce(sum(files), 0)::bigint AS files,
                coalesce(sum(bytes), 0)::bigint AS bytes,
                coalesce(sum(bytes) FILTER (WHERE held), 0)::bigint AS held_bytes
           FROM gone",
    )
    .get_result(conn)?)
}
