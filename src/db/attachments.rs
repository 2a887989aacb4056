//! The files of batches, and where their copies are.

use chrono::{DateTime, Utc};
use diesel::{dsl, expression::SqlLiteral, pg::Pg, prelude::*, sql_types::Text, upsert::excluded};
use uuid::Uuid;

use super::schema::{attachment_copies, attachments, batches, purges, users};
use crate::error::Result;

#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = attachments, treat_none_as_default_value = false)]
pub struct AttachmentRow {
    pub id: Uuid,
    pub batch_id: Uuid,
    pub stored_name: String,
    pub original_name: String,
    pub content_type: String,
    pub size_bytes: i64,
    pub sha256: Vec<u8>,
    pub width: Option<i32>,
    pub height: Option<i32>,
    pub state: String,
    pub scan: String,
    pub uploaded_by: Uuid,
    pub uploaded_at: DateTime<Utc>,
    pub trashed_at: Option<DateTime<Utc>>,
    pub trashed_by: Option<Uuid>,
    /// What the file is to its batch; one of `domain::kind`.
    pub kind: String,
    pub note: String,
}

/// States in which a file is part of its batch, whether or not its bytes can be served.
pub const LIVING: [&str; 4] = ["available", "missing", "corrupt", "quarantined"];

/// A file with what every caller needs to decide and to show: its batch's site and state, its uploader's name
/// and the states of its copies.
#[derive(Clone, Debug)]
pub struct Found {
    pub row: AttachmentRow,
    pub site_id: Uuid,
    pub batch_number: String,
    pub batch_trashed: bool,
    pub uploader: String,
    /// `None`: somebody without an account, of an imported file.
    pub uploader_username: Option<String>,
    pub local: Option<String>,
    pub cloud: Option<String>,
}

pub(super) type FoundTuple = (
    AttachmentRow,
    Uuid,
    String,
    Option<DateTime<Utc>>,
    (String, Option<String>),
    Option<String>,
    Option<String>,
);

impl From<FoundTuple> for Found {
    fn from((row, site_id, batch_number, trashed_at, uploader, local, cloud): FoundTuple) -> Self {
        let ((uploader, uploader_username), batch_trashed) = (uploader, trashed_at.is_some());
        Self { row, site_id, batch_number, batch_trashed, uploader, uploader_username, local, cloud }
    }
}

/// The joins and columns of [`Found`], as a macro because the type of such a query cannot be written down.
macro_rules! found {
    () => {
        attachments::table
            .inner_join(batches::table)
            .inner_join(users::table.on(users::id.eq(attachments::uploaded_by)))
            .select((
                AttachmentRow::as_select(),
                batches::site_id,
                batches::number,
                batches::trashed_at,
                // Who uploaded it elsewhere, of an imported file.
                (
                    diesel::dsl::sql::<diesel::sql_types::Text>(
                        "coalesce(attachments.uploader_name, users.display_name)",
                    ),
                    diesel::dsl::sql::<diesel::sql_types::Nullable<diesel::sql_types::Text>>(
                        "CASE WHEN attachments.uploader_name IS NULL THEN users.username END",
                    ),
                ),
                copy_state!("local"),
                copy_state!("cloud"),
            ))
    };
}

/// The state of a file's copy, looked up by its key for each row that is shown: as a join, the planner may read all
/// copies for it.
macro_rules! copy_state {
    ($place:literal) => {
        attachment_copies::table
            .filter(attachment_copies::attachment_id.eq(attachments::id))
            .filter(attachment_copies::place.eq($place))
            .select(attachment_copies::state)
            .single_value()
    };
}

pub(super) use {copy_state, found};

pub fn insert(conn: &mut PgConnection, row: &AttachmentRow) -> Result<()> {
    diesel::insert_into(attachments::table).values(row).execute(conn)?;
    Ok(())
}

pub fn find(conn: &mut PgConnection, id: Uuid) -> Result<Option<Found>> {
    let found: Option<FoundTuple> = found!().filter(attachments::id.eq(id)).first(conn).optional()?;
    Ok(found.map(Into::into))
}

/// What a download needs to know of a file, and no more: this is the hottest look-up.
#[derive(Clone, Debug, Queryable)]
pub struct Located {
    pub row: AttachmentRow,
    pub site_id: Uuid,
    pub batch_trashed_at: Option<DateTime<Utc>>,
    /// The state of the copy on local storage, if there should be one.
    pub local: Option<String>,
}

macro_rules! located {
    () => {
        attachments::table
            .inner_join(batches::table)
            .left_join(
                attachment_copies::table.on(attachment_copies::attachment_id
                    .eq(attachments::id)
                    .and(attachment_copies::place.eq("local"))),
            )
            .select((
                AttachmentRow::as_select(),
                batches::site_id,
                batches::trashed_at,
                attachment_copies::state.nullable(),
            ))
    };
}

pub fn locate(conn: &mut PgConnection, id: Uuid) -> Result<Option<Located>> {
    Ok(located!().filter(attachments::id.eq(id)).first(conn).optional()?)
}

pub fn locate_by_stored_name(conn: &mut PgConnection, name: &str) -> Result<Option<Located>> {
    if name.contains('\0') {
        // PostgreSQL would refuse the question.
        return Ok(None);
    }
    Ok(located!().filter(attachments::stored_name.eq(name)).first(conn).optional()?)
}

/// The bare row, locked until the transaction ends.
pub fn find_for_update(conn: &mut PgConnection, id: Uuid) -> Result<Option<AttachmentRow>> {
    Ok(attachments::table.find(id).select(AttachmentRow::as_select()).for_update().first(conn).optional()?)
}

/// Who stored a file.
pub fn uploader(conn: &mut PgConnection, id: Uuid) -> Result<Option<Uuid>> {
    Ok(attachments::table.find(id).select(attachments::uploaded_by).first(conn).optional()?)
}

/// A neighbour in a batch: its id and original name.
pub type Neighbour = Option<(Uuid, String)>;

/// The files of a batch that came after (`>`) or before (`<`) a row, in the batch's order.
macro_rules! living_beside {
    ($row:expr, $side:ident) => {
        attachments::table
            .filter(attachments::batch_id.eq($row.batch_id))
            .filter(attachments::state.eq_any(LIVING))
            .filter(
                attachments::uploaded_at
                    .$side($row.uploaded_at)
                    .or(attachments::uploaded_at.eq($row.uploaded_at).and(attachments::id.$side($row.id))),
            )
    };
}

/// The living neighbours in the batch's order: the one before (newer) and the one after (older).
pub fn neighbours(conn: &mut PgConnection, row: &AttachmentRow) -> Result<(Neighbour, Neighbour)> {
    let named = (attachments::id, attachments::original_name);
    let newer = living_beside!(row, gt)
        .select(named)
        .order((attachments::uploaded_at.asc(), attachments::id.asc()))
        .first(conn)
        .optional()?;
    let older = living_beside!(row, lt)
        .select(named)
        .order((attachments::uploaded_at.desc(), attachments::id.desc()))
        .first(conn)
        .optional()?;
    Ok((newer, older))
}

/// Which file of its batch this is, from 1 for the newest, and of how many.
pub fn position(conn: &mut PgConnection, row: &AttachmentRow) -> Result<(i64, i64)> {
    let newer: i64 = living_beside!(row, gt).count().get_result(conn)?;
    let total: i64 = batches::table.find(row.batch_id).select(batches::files_count).first(conn)?;
    Ok((newer + 1, total))
}

/// Up to `limit` files in the trash whose batch is not there itself, the latest first; only those after a place in
/// this order.
pub fn trashed(
    conn: &mut PgConnection,
    sites: Option<&[Uuid]>,
    after: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> Result<Vec<Found>> {
    let is_going = purges::table.filter(purges::attachment_id.eq(attachments::id));
    let mut query = found!()
        .filter(attachments::state.eq("trashed"))
        .filter(batches::trashed_at.is_null())
        .filter(diesel::dsl::not(diesel::dsl::exists(is_going)))
        .into_boxed::<Pg>();
    if let Some((at, id)) = after {
        // The first condition finds the place in the index, the second drops the few equal ones.
        query = query
            .filter(attachments::trashed_at.le(at))
            .filter(attachments::trashed_at.lt(at).or(attachments::id.lt(id).nullable()));
    }
    if let Some(sites) = sites {
        query = query.filter(batches::site_id.eq_any(sites.to_vec()));
    }
    let rows: Vec<FoundTuple> =
        query.order((attachments::trashed_at.desc(), attachments::id.desc())).limit(limit).load(conn)?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// The state of a file that goes to the trash or comes back from it.
pub(super) fn state_after(trashed: bool) -> SqlLiteral<Text> {
    dsl::sql(if trashed {
        "'trashed'"
    } else {
        "CASE scan WHEN 'infected' THEN 'quarantined' ELSE 'available' END"
    })
}

pub fn set_copy(
    conn: &mut PgConnection,
    attachment_id: Uuid,
    place: &str,
    state: &str,
    verified_at: Option<DateTime<Utc>>,
    at: DateTime<Utc>,
) -> Result<()> {
    diesel::insert_into(attachment_copies::table)
        .values((
            attachment_copies::attachment_id.eq(attachment_id),
            attachment_copies::place.eq(place),
            attachment_copies::state.eq(state),
            attachment_copies::verified_at.eq(verified_at),
            attachment_copies::updated_at.eq(at),
        ))
        .on_conflict((attachment_copies::attachment_id, attachment_copies::place))
        .do_update()
        .set((
            attachment_copies::state.eq(excluded(attachment_copies::state)),
            attachment_copies::verified_at
                .eq(diesel::dsl::sql("coalesce(excluded.verified_at, attachment_copies.verified_at)")),
            attachment_copies::updated_at.eq(excluded(attachment_copies::updated_at)),
        ))
        .execute(conn)?;
    Ok(())
}

/// What reconciling compares with the disk.
#[derive(Clone, Debug, Queryable)]
pub struct Expected {
    pub id: Uuid,
    pub stored_name: String,
    pub size_bytes: i64,
    pub state: String,
}

/// Up to `limit` files that the local store should hold, in the order of their ids, after `after`. Files in
/// the trash are expected too: they can be restored.
pub fn expected_locally(conn: &mut PgConnection, after: Option<Uuid>, limit: i64) -> Result<Vec<Expected>> {
    let mut query = attachments::table
        .inner_join(attachment_copies::table)
        .filter(attachment_copies::place.eq("local"))
        .filter(attachments::state.ne("purged"))
        .select((attachments::id, attachments::stored_name, attachments::size_bytes, attachments::state))
        .into_boxed::<Pg>();
    if let Some(after) = after {
        query = query.filter(attachments::id.gt(after));
    }
    Ok(query.order(attachments::id).limit(limit).load(conn)?)
}

/// Those of `names` that belong to a row that is not purged, or to a batch on hold.
pub fn known_names(conn: &mut PgConnection, names: &[String]) -> Result<Vec<String>> {
    Ok(attachments::table
        .inner_join(batches::table)
        .filter(attachments::stored_name.eq_any(names))
        .filter(attachments::state.ne("purged").or(batches::held_at.is_not_null()))
        .select(attachments::stored_name)
        .load(conn)?)
}

/// Those of `ids` that are files that are not purged, or belong to a batch on hold.
pub fn known_ids(conn: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Uuid>> {
    Ok(attachments::table
        .inner_join(batches::table)
        .filter(attachments::id.eq_any(ids))
        .filter(attachments::state.ne("purged").or(batches::held_at.is_not_null()))
        .select(attachments::id)
        .load(conn)?)
}

/// How many are marked as missing.
pub fn count_missing(conn: &mut PgConnection) -> Result<i64> {
    Ok(attachments::table.filter(attachments::state.eq("missing")).count().get_result(conn)?)
}

/// Sets the state of an `available` or `missing` file; one that is in the trash keeps its place there.
pub fn set_presence(conn: &mut PgConnection, id: Uuid, state: &str) -> Result<()> {
    diesel::update(attachments::table.find(id))
        .filter(attachments::state.eq_any(["available", "missing"]))
        .set(attachments::state.eq(state))
        .execute(conn)?;
    Ok(())
}

pub fn count(conn: &mut PgConnection) -> Result<i64> {
    Ok(attachments::table.filter(attachments::state.ne("purged")).count().get_result(conn)?)
}
