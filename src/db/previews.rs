//! What became of the previews of files, and the text of documents.

use chrono::{DateTime, Utc};
use diesel::{Connection, prelude::*, sql_query, sql_types};
use uuid::Uuid;

use super::{
    attachments::{AttachmentRow, Located},
    schema::{attachment_copies, attachment_texts, attachments, batches, previews},
};
use crate::error::{Error, Result};

#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = previews, treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct PreviewRow {
    pub attachment_id: Uuid,
    /// `pending`, `made` or `none`.
    pub state: String,
    pub reason: String,
    pub pages: Option<i32>,
    pub pages_shown: i32,
    pub width: Option<i32>,
    pub height: Option<i32>,
    pub ended_at: Option<DateTime<Utc>>,
}

/// Notes that previews are to be made; what is known already stays.
pub fn expect(conn: &mut PgConnection, attachment: Uuid) -> Result<()> {
    diesel::insert_into(previews::table)
        .values(previews::attachment_id.eq(attachment))
        .on_conflict_do_nothing()
        .execute(conn)?;
    Ok(())
}

pub fn find(conn: &mut PgConnection, attachment: Uuid) -> Result<Option<PreviewRow>> {
    Ok(previews::table.find(attachment).select(PreviewRow::as_select()).first(conn).optional()?)
}

/// What is known of the previews of these files; those without a row are left out.
pub fn of(conn: &mut PgConnection, attachments: &[Uuid]) -> Result<Vec<PreviewRow>> {
    Ok(previews::table
        .filter(previews::attachment_id.eq_any(attachments))
        .select(PreviewRow::as_select())
        .load(conn)?)
}

/// A file with its previews: what an answer with a picture needs, in one look-up by primary keys.
pub fn locate(conn: &mut PgConnection, id: Uuid) -> Result<Option<(Located, Option<PreviewRow>)>> {
    let found = attachments::table
        .inner_join(batches::table)
        .left_join(previews::table)
        .left_join(attachment_copies::table.on(
            attachment_copies::attachment_id.eq(attachments::id).and(attachment_copies::place.eq("local")),
        ))
        .filter(attachments::id.eq(id))
        .select((
            AttachmentRow::as_select(),
            batches::site_id,
            batches::trashed_at,
            attachment_copies::state.nullable(),
            Option::<PreviewRow>::as_select(),
        ))
        .first::<(_, _, _, _, _)>(conn)
        .optional()?;
    Ok(found.map(|(row, site_id, batch_trashed_at, local, preview)| {
        (Located { row, site_id, batch_trashed_at, local }, preview)
    }))
}

/// Records how making them ended.
pub fn set(conn: &mut PgConnection, row: &PreviewRow) -> Result<()> {
    diesel::insert_into(previews::table)
        .values(row)
        .on_conflict(previews::attachment_id)
        .do_update()
        .set(row)
        .execute(conn)?;
    Ok(())
}

/// Records the text of a document. A text with more different words than PostgreSQL can index (1 MB of them) is cut
/// until it fits.
pub fn set_text(conn: &mut PgConnection, attachment: Uuid, text: &str) -> Result<()> {
    let mut end = text.len();
    loop {
        // A savepoint: the error of a text that is too long must not end the whole transaction.
        let result = conn.transaction(|conn| {
            sql_query(
                "INSERT INTO attachment_texts (attachment_id, body) VALUES ($1, $2)
                 ON CONFLICT (attachment_id) DO UPDATE SET body = excluded.body",
            )
            .bind::<sql_types::Uuid, _>(attachment)
            .bind::<sql_types::Text, _>(&text[..end])
            .execute(conn)
        });
        match result {
            Ok(_) => return Ok(()),
            Err(diesel::result::Error::DatabaseError(_, info))
                if info.message().contains("tsvector") && end > 0 =>
            {
                end = text.floor_char_boundary(end / 2);
            }
            Err(error) => return Err(Error::from(error)),
        }
    }
}

/// Forgets what was made from a file that is purged.
pub fn forget(conn: &mut PgConnection, attachment: Uuid) -> Result<()> {
    diesel::delete(previews::table.find(attachment)).execute(conn)?;
    diesel::delete(attachment_texts::table.find(attachment)).execute(conn)?;
    Ok(())
}
