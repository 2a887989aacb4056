//! What was deleted: what can come back, until when, and why it stays longer.

use std::collections::HashMap;

use diesel::PgConnection;
use uuid::Uuid;

use super::{
    access::{Action, Actor, Resource, authorize},
    batches::cut_to_page,
    retention::{self, Stays},
};
use crate::{
    app::App,
    db::{self, attachments::Found, batches::BatchRow},
    error::Result,
};

pub use crate::db::{purge::Place, retention::Totals};

/// Rows of each kind that the page of everybody shows.
pub const PAGE: usize = 200;
/// The same of a page of the admin's.
pub const ADMIN_PAGE: usize = 50;

/// Something in the trash.
pub struct Trashed<T> {
    pub what: T,
    pub deleted_by: String,
    pub can_restore: bool,
    /// Why it does not go for good yet; `None`: it goes with the next hourly run.
    pub stays: Option<Stays>,
    /// Whether an admin may have it go at once.
    pub can_go: bool,
}

pub struct Trash {
    pub batches: Vec<Trashed<BatchRow>>,
    pub files: Vec<Trashed<Found>>,
}

/// The latest [`PAGE`] batches and [`PAGE`] single files in the trash of the actor's sites.
///
/// # Errors
/// [`Forbidden`](crate::error::Error::Forbidden) for who may not see the trash.
pub async fn list(app: &App, actor: &Actor) -> Result<Trash> {
    authorize(actor, Action::SeeTrash, Resource::System)?;
    let (actor, rules) = (actor.clone(), Rules::of(app));
    app.db
        .run(move |conn| {
            let sites = actor.visible_sites();
            let batches = db::batches::trashed(conn, sites, None, PAGE as i64)?;
            let files = db::attachments::trashed(conn, sites, None, PAGE as i64)?;
            Ok(Trash {
                batches: rules.batches(conn, &actor, batches)?,
                files: rules.files(conn, &actor, files)?,
            })
        })
        .await
}

/// What an admin sees of the trash of all sites.
pub struct Overview {
    pub trash: Trash,
    pub totals: Totals,
    /// Where the next pages start, if there are any.
    pub more_batches: Option<Place>,
    pub more_files: Option<Place>,
    /// Names of all sites.
    pub sites: HashMap<Uuid, String>,
}

/// [`ADMIN_PAGE`] batches and as many single files, after a place in each list.
pub async fn overview(
    app: &App,
    actor: &Actor,
    batches_after: Option<Place>,
    files_after: Option<Place>,
) -> Result<Overview> {
    authorize(actor, Action::Administer, Resource::System)?;
    let (actor, rules) = (actor.clone(), Rules::of(app));
    app.db
        .run(move |conn| {
            let limit = ADMIN_PAGE as i64 + 1;
            let mut batches = db::batches::trashed(conn, None, batches_after, limit)?;
            let more_batches =
                cut_to_page(&mut batches, ADMIN_PAGE, |(row, _)| Some((row.trashed_at?, row.id))).flatten();
            let mut files = db::attachments::trashed(conn, None, files_after, limit)?;
            let more_files =
                cut_to_page(&mut files, ADMIN_PAGE, |found| Some((found.row.trashed_at?, found.row.id)))
                    .flatten();
            let sites = db::sites::all(conn)?.into_iter().map(|site| (site.id, site.name)).collect();
            Ok(Overview {
                trash: Trash {
                    batches: rules.batches(conn, &actor, batches)?,
                    files: rules.files(conn, &actor, files)?,
                },
                totals: db::retention::totals(conn)?,
                more_batches,
                more_files,
                sites,
            })
        })
        .await
}

/// What decides how long things stay.
struct Rules {
    now: chrono::DateTime<chrono::Utc>,
    trash_time: chrono::TimeDelta,
}

impl Rules {
    fn of(app: &App) -> Self {
        Self { now: app.clock.now(), trash_time: retention::trash_time(app) }
    }

    fn batches(
        &self,
        conn: &mut PgConnection,
        actor: &Actor,
        rows: Vec<(BatchRow, String)>,
    ) -> Result<Vec<Trashed<BatchRow>>> {
        let of: Vec<&BatchRow> = rows.iter().map(|(row, _)| row).collect();
        let standings = retention::of_batches(conn, &of)?;
        let batches = rows.into_iter().zip(standings).map(|((what, deleted_by), standing)| Trashed {
            can_restore: actor.may(Action::ManageBatches, Resource::Site(what.site_id)),
            stays: standing.stays(self.now, self.trash_time),
            can_go: standing.barred(self.now).is_none(),
            what,
            deleted_by,
        });
        Ok(batches.collect())
    }

    fn files(
        &self,
        conn: &mut PgConnection,
        actor: &Actor,
        files: Vec<Found>,
    ) -> Result<Vec<Trashed<Found>>> {
        let deleters: Vec<Uuid> = files.iter().filter_map(|found| found.row.trashed_by).collect();
        let names = db::users::names(conn, &deleters)?;
        let ids: Vec<Uuid> = files.iter().map(|found| found.row.batch_id).collect();
        let (of, years) = (db::batches::of(conn, &ids)?, db::retention::keep_years(conn)?);
        let files = files.into_iter().map(|what| {
            let standing = of.get(&what.row.batch_id).and_then(|batch| {
                let keep_years = years.get(&what.site_id).copied().unwrap_or(0);
                retention::of_file(&what.row, batch, keep_years)
            });
            Trashed {
                deleted_by: what.row.trashed_by.and_then(|id| names.get(&id).cloned()).unwrap_or_default(),
                can_restore: actor.may(Action::ManageFiles, Resource::Site(what.site_id)),
                stays: standing.and_then(|standing| standing.stays(self.now, self.trash_time)),
                can_go: standing.is_some_and(|standing| standing.barred(self.now).is_none()),
                what,
            }
        });
        Ok(files.collect())
    }
}
