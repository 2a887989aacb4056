//! What taking over the files of an older system needs to know and to set.

use diesel::prelude::*;
use uuid::Uuid;

use super::{
    batches::BatchRow,
    functions::lower,
    schema::{attachments, batches},
};
use crate::error::Result;

/// Those of `names` that any row has, even one whose file is gone for good: a stored name is given once.
pub fn taken_names(conn: &mut PgConnection, names: &[String]) -> Result<Vec<String>> {
    Ok(attachments::table
        .filter(attachments::stored_name.eq_any(names))
        .select(attachments::stored_name)
        .load(conn)?)
}

/// The batch of this number at this site, in any case of its letters.
pub fn batch_by_number(conn: &mut PgConnection, site: Uuid, number: &str) -> Result<Option<BatchRow>> {
    Ok(batches::table
        .filter(batches::site_id.eq(site))
        .filter(lower(batches::number).eq(lower(number)))
        .select(BatchRow::as_select())
        .first(conn)
        .optional()?)
}

/// Notes who uploaded a file elsewhere.
pub fn set_uploader(conn: &mut PgConnection, id: Uuid, name: &str) -> Result<()> {
    diesel::update(attachments::table.find(id)).set(attachments::uploader_name.eq(name)).execute(conn)?;
    Ok(())
}
