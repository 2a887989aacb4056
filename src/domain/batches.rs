//! Production batches: made, looked at, closed, deleted and brought back.

use std::collections::HashMap;

use chrono::TimeDelta;
use diesel::PgConnection;
use serde_json::json;
use uuid::Uuid;

use super::{
    access::{Action, Actor, Resource, authorize},
    audit::{self, EventRow, Subject},
    files, hold, new_batch, recheck, retention, sites,
};
use crate::{
    app::App,
    db::{self, batch_list::Filter, previews::PreviewRow, sites::Site, text_search},
    error::{Error, FieldError, Result},
};

pub use crate::db::{
    batch_list::{Place, Sort},
    batches::BatchRow,
    text_search::{HIT_BEGIN, HIT_END, Hit},
};

/// Batches on one page of the list.
pub const PAGE: usize = 50;
/// Files on one page of a batch.
pub const FILES_PAGE: usize = 100;
/// Lines of activity beside a batch.
const ACTIVITY: i64 = 30;

const NUMBER_MAX_CHARS: usize = 80;
const PRODUCT_MAX_CHARS: usize = 200;
const NOTES_MAX_CHARS: usize = 10_000;

/// What a person may say about a batch.
#[derive(Clone, Debug, Default)]
pub struct Details {
    pub number: String,
    pub product: String,
    pub notes: String,
}

impl Details {
    /// Trims and checks.
    ///
    /// # Errors
    /// [`Error::Invalid`] with a message for each field that will not do.
    pub(super) fn checked(self) -> Result<Self> {
        let details = Self {
            number: self.number.trim().to_owned(),
            product: self.product.trim().to_owned(),
            notes: self.notes.trim().replace("\r\n", "\n"),
        };
        let mut problems = Vec::new();
        if details.number.is_empty() {
            problems.push(FieldError::new("number", "A batch needs a number."));
        }
        let texts = [
            ("number", &details.number, NUMBER_MAX_CHARS),
            ("product", &details.product, PRODUCT_MAX_CHARS),
            ("notes", &details.notes, NOTES_MAX_CHARS),
        ];
        for (field, text, max) in texts {
            if text.chars().count() > max {
                problems.push(FieldError::new(field, format!("At most {max} characters.")));
            } else if text.chars().any(|c| c.is_control() && !(field == "notes" && c == '\n')) {
                problems
                    .push(FieldError::new(field, "Line breaks and control characters cannot stand here."));
            }
        }
        if problems.is_empty() { Ok(details) } else { Err(Error::Invalid(problems)) }
    }
}

/// A page of the list.
pub struct List {
    pub rows: Vec<(BatchRow, String)>,
    /// Files for which a search found a batch, where neither number nor product says why.
    pub hits: Vec<Hit>,
    /// Where the next page starts, if there is one.
    pub next: Option<Place>,
    pub sites: Vec<Site>,
}

/// What the list is asked for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub query: String,
    pub site: Option<Uuid>,
    pub status: Option<&'static str>,
    /// Only batches made in so many days up to now.
    pub made_within_days: Option<i64>,
    pub empty: bool,
    pub sort: Sort,
    pub after: Option<Place>,
    /// Batches on this page; [`PAGE`] when it is not said.
    pub limit: Option<usize>,
}

/// Batches that the actor may see, latest activity first, [`PAGE`] or as many as wanted at a time.
pub async fn list(app: &App, actor: &Actor, wanted: Wanted) -> Result<List> {
    let (actor, now) = (actor.clone(), app.clock.now());
    app.db
        .run(move |conn| {
            let visible = actor.visible_sites().map(<[Uuid]>::to_vec);
            let sites = match (wanted.site, visible) {
                (Some(site), Some(own)) => Some(own.into_iter().filter(|&id| id == site).collect()),
                (Some(site), None) => Some(vec![site]),
                (None, visible) => visible,
            };
            let query = wanted.query.trim();
            let filter = Filter {
                sites,
                status: wanted.status,
                made_since: wanted.made_within_days.map(|days| now - TimeDelta::days(days)),
                empty: wanted.empty,
                query: (!query.is_empty()).then(|| query.to_owned()),
                sort: wanted.sort,
                after: wanted.after,
            };
            let limit = wanted.limit.unwrap_or(PAGE);
            let mut rows = db::batch_list::page(conn, &filter, limit + 1)?;
            let next = cut_to_page(&mut rows, limit, |(row, _)| wanted.sort.place_of(row));
            let hits = match &filter.query {
                Some(query) => text_search::hits(conn, &unexplained(&rows, query), query)?,
                None => Vec::new(),
            };
            Ok(List { rows, hits, next, sites: sites::visible_in(conn, &actor)? })
        })
        .await
}

/// Batches that a search did not find by number or product.
fn unexplained(rows: &[(BatchRow, String)], query: &str) -> Vec<Uuid> {
    let query = query.to_lowercase();
    rows.iter()
        .filter(|(row, _)| !format!("{} {}", row.number, row.product).to_lowercase().contains(&query))
        .map(|(row, _)| row.id)
        .collect()
}

/// A batch with all that its page shows.
pub struct Whole {
    pub batch: BatchRow,
    pub site: Site,
    pub created_by: String,
    /// Who put it on hold, while it is.
    pub held_by: Option<String>,
    pub files: Vec<db::attachments::Found>,
    pub next_files: Option<files::Place>,
    /// What there is to see of these files, by their ids.
    pub previews: HashMap<Uuid, PreviewRow>,
    pub activity: Vec<EventRow>,
    pub many_sites: bool,
}

/// One batch, with [`FILES_PAGE`] of the files that are wanted.
///
/// # Errors
/// [`Error::NotFound`] for what does not exist or is not for the actor.
pub async fn show(app: &App, actor: &Actor, id: Uuid, wanted: files::Filter) -> Result<Whole> {
    let actor = actor.clone();
    app.db
        .run(move |conn| {
            let batch = visible(conn, &actor, Action::See, id)?;
            let sites = db::sites::all(conn)?;
            let many_sites = sites.len() > 1;
            let site = sites.into_iter().find(|site| site.id == batch.site_id).ok_or(Error::NotFound)?;
            let created_by =
                db::users::find(conn, batch.created_by)?.map_or_else(String::new, |user| user.display_name);
            let held_by = hold::by(conn, &batch)?;
            let mut files = db::batch_files::page(conn, id, &wanted, FILES_PAGE as i64 + 1)?;
            let next_files = cut_to_page(&mut files, FILES_PAGE, |file| wanted.order.place_of(&file.row));
            let ids: Vec<Uuid> = files.iter().map(|file| file.row.id).collect();
            let previews = db::previews::of(conn, &ids)?;
            let previews = previews.into_iter().map(|preview| (preview.attachment_id, preview)).collect();
            let with_trash = actor.may(Action::SeeTrash, Resource::Site(batch.site_id));
            let activity = db::audit::of_batch(conn, id, with_trash, ACTIVITY)?;
            Ok(Whole { batch, site, created_by, held_by, files, next_files, previews, activity, many_sites })
        })
        .await
}

/// Whether the actor may make batches at all, to be asked before what they send is read.
///
/// # Errors
/// [`Error::Forbidden`] when there is no site at which they may.
pub fn check_may_create(actor: &Actor) -> Result<()> {
    let may = |site| actor.may(Action::ManageBatches, Resource::Site(site));
    let is_allowed = match actor.visible_sites() {
        Some(sites) => sites.iter().copied().any(may),
        None => may(Uuid::nil()),
    };
    if is_allowed { Ok(()) } else { Err(Error::Forbidden) }
}

/// Makes a batch in `site_id`, or in the actor's only site when there is just one to choose.
///
/// # Errors
/// [`Error::Invalid`] for input that will not do, [`Error::Conflict`] for a number that the site has already.
pub async fn create(app: &App, actor: &Actor, site_id: Option<Uuid>, details: Details) -> Result<BatchRow> {
    let now = app.clock.now();
    recheck::transaction(app, actor, move |conn, actor| {
        let site_id = match site_id {
            Some(id) => id,
            None => the_only_site(conn, &actor)?,
        };
        authorize(&actor, Action::ManageBatches, Resource::Site(site_id)).map_err(|error| match error {
            Error::NotFound => Error::invalid("site_id", "Choose one of your sites."),
            other => other,
        })?;
        if !db::sites::all(conn)?.iter().any(|site| site.id == site_id) {
            return Err(Error::invalid("site_id", "Choose one of your sites."));
        }
        let account = actor.account()?;
        new_batch::insert(conn, &actor, account, site_id, details, now)
    })
    .await
}

/// A batch for whoever may change it.
pub async fn for_edit(app: &App, actor: &Actor, id: Uuid) -> Result<BatchRow> {
    let actor = actor.clone();
    app.db
        .run(move |conn| {
            let batch = visible(conn, &actor, Action::ManageBatches, id)?;
            not_in_trash(&batch)?;
            Ok(batch)
        })
        .await
}

/// Changes what is said about a batch.
///
/// # Errors
/// As [`create`]; [`Error::Conflict`] for a batch in the trash.
pub async fn edit(app: &App, actor: &Actor, id: Uuid, details: Details) -> Result<BatchRow> {
    let now = app.clock.now();
    recheck::transaction(app, actor, move |conn, actor| {
        let before = locked(conn, &actor, Action::ManageBatches, id)?;
        not_in_trash(&before)?;
        let details = details.checked()?;
        let changes = changes(&before, &details);
        if changes.is_empty() {
            return Ok(before);
        }
        db::batches::set_details(conn, id, &details.number, &details.product, &details.notes, now)
            .map_err(|error| number_taken(error, &details.number))?;
        audit::record(conn, now, &actor, "batch.edit", Subject::Batch(id), changes.into())?;
        db::batches::find(conn, id)?.ok_or(Error::NotFound)
    })
    .await
}

/// What an edit changes, as `field: [before, after]`.
fn changes(before: &BatchRow, after: &Details) -> serde_json::Map<String, serde_json::Value> {
    [
        ("number", &before.number, &after.number),
        ("product", &before.product, &after.product),
        ("notes", &before.notes, &after.notes),
    ]
    .into_iter()
    .filter(|(_, old, new)| old != new)
    .map(|(field, old, new)| (field.to_owned(), json!([old, new])))
    .collect()
}

/// A closed batch takes no files. Closing a closed one changes nothing.
pub async fn close(app: &App, actor: &Actor, id: Uuid) -> Result<BatchRow> {
    set_status(app, actor, id, Action::ManageBatches, "closed", "batch.close").await
}

/// Takes a closed batch back into work.
pub async fn reopen(app: &App, actor: &Actor, id: Uuid) -> Result<BatchRow> {
    set_status(app, actor, id, Action::Reopen, "open", "batch.reopen").await
}

async fn set_status(
    app: &App,
    actor: &Actor,
    id: Uuid,
    action: Action,
    status: &'static str,
    event: &'static str,
) -> Result<BatchRow> {
    let now = app.clock.now();
    recheck::transaction(app, actor, move |conn, actor| {
        let batch = locked(conn, &actor, action, id)?;
        not_in_trash(&batch)?;
        if batch.status != status {
            db::batches::set_status(conn, id, status, now)?;
            audit::record(conn, now, &actor, event, Subject::Batch(id), json!({}))?;
        }
        Ok(batch)
    })
    .await
}

/// Moves a batch with its files to the trash. Doing it twice changes nothing.
///
/// # Errors
/// [`Error::Conflict`] for a batch on hold.
pub async fn trash(app: &App, actor: &Actor, id: Uuid) -> Result<BatchRow> {
    set_trashed(app, actor, id, true).await
}

/// Brings a batch back with the files it had.
pub async fn restore(app: &App, actor: &Actor, id: Uuid) -> Result<BatchRow> {
    set_trashed(app, actor, id, false).await
}

async fn set_trashed(app: &App, actor: &Actor, id: Uuid, trashed: bool) -> Result<BatchRow> {
    let now = app.clock.now();
    recheck::transaction(app, actor, move |conn, actor| {
        let batch = locked(conn, &actor, Action::ManageBatches, id)?;
        if trashed {
            retention::not_held(&batch)?;
        }
        if batch.trashed_at.is_some() != trashed {
            let by = if trashed { Some((now, actor.account()?)) } else { None };
            db::batches::set_trashed(conn, id, by, now)?;
            let event = if trashed { "batch.trash" } else { "batch.restore" };
            audit::record(conn, now, &actor, event, Subject::Batch(id), json!({ "number": batch.number }))?;
        }
        Ok(batch)
    })
    .await
}

/// The batch, if the actor may do this with it.
pub(super) fn visible(conn: &mut PgConnection, actor: &Actor, action: Action, id: Uuid) -> Result<BatchRow> {
    let batch = db::batches::find(conn, id)?.filter(BatchRow::is_there).ok_or(Error::NotFound)?;
    permitted(actor, action, batch)
}

/// The same, with the batch locked until the transaction ends.
pub(super) fn locked(conn: &mut PgConnection, actor: &Actor, action: Action, id: Uuid) -> Result<BatchRow> {
    let batch = db::batches::find_for_update(conn, id)?.filter(BatchRow::is_there).ok_or(Error::NotFound)?;
    permitted(actor, action, batch)
}

/// What is in the trash is not there for who may not see it.
fn permitted(actor: &Actor, action: Action, batch: BatchRow) -> Result<BatchRow> {
    let site = Resource::Site(batch.site_id);
    if batch.trashed_at.is_some() && !actor.may(Action::SeeTrash, site) {
        return Err(Error::NotFound);
    }
    authorize(actor, action, site)?;
    Ok(batch)
}

pub(super) fn not_in_trash(batch: &BatchRow) -> Result<()> {
    match batch.trashed_at {
        None => Ok(()),
        Some(_) => Err(Error::conflict("batch_trashed", "The batch is in the trash. Restore it first.")),
    }
}

fn the_only_site(conn: &mut PgConnection, actor: &Actor) -> Result<Uuid> {
    let sites = sites::visible_in(conn, actor)?;
    match sites.as_slice() {
        [site] => Ok(site.id),
        [] => Err(Error::Forbidden),
        _ => Err(Error::invalid("site_id", "Choose a site.")),
    }
}

pub(super) fn number_taken(error: Error, number: &str) -> Error {
    use diesel::result::{DatabaseErrorKind::UniqueViolation, Error::DatabaseError};
    match &error {
        Error::Internal(cause) => match cause.downcast_ref() {
            Some(DatabaseError(UniqueViolation, _)) => Error::conflict(
                "number_taken",
                format!(
                    "There is a batch {number} at this site already, maybe in the trash. Choose another number."
                ),
            ),
            _ => error,
        },
        _ => error,
    }
}

/// Cuts one row too many off and says where the next page starts.
pub(super) fn cut_to_page<T, K>(rows: &mut Vec<T>, page: usize, key: impl Fn(&T) -> K) -> Option<K> {
    if rows.len() <= page {
        return None;
    }
    rows.truncate(page);
    rows.last().map(key)
}
