//! What was deleted and can come back.

use uuid::Uuid;

use super::access::{Action, Actor, Resource};
use crate::{
    app::App,
    db::{self, attachments::Found, batches::BatchRow},
    error::Result,
};

/// Rows of each kind that the page shows.
pub const PAGE: i64 = 200;

pub struct Trash {
    /// With the name of who deleted it, and whether the actor may bring it back.
    pub batches: Vec<(BatchRow, String, bool)>,
    pub files: Vec<(Found, String, bool)>,
}

/// The latest [`PAGE`] batches and [`PAGE`] single files in the trash of the actor's sites.
pub async fn list(app: &App, actor: &Actor) -> Result<Trash> {
    let actor = actor.clone();
    app.db
        .run(move |conn| {
            let sites = actor.visible_sites();
            let may = |action, site: Uuid| actor.may(action, Resource::Site(site));
            let batches = db::batches::trashed(conn, sites, PAGE)?
                .into_iter()
                .map(|(row, by)| {
                    let may = may(Action::ManageBatches, row.site_id);
                    (row, by, may)
                })
                .collect();
            let files = db::attachments::trashed(conn, sites, PAGE)?;
            let deleters: Vec<Uuid> = files.iter().filter_map(|found| found.row.trashed_by).collect();
            let names = db::users::names(conn, &deleters)?;
            let files = files
                .into_iter()
                .map(|found| {
                    let by = found.row.trashed_by.and_then(|id| names.get(&id).cloned()).unwrap_or_default();
                    let may = may(Action::ManageFiles, found.site_id);
                    (found, by, may)
                })
                .collect();
            Ok(Trash { batches, files })
        })
        .await
}
