//! A batch's own history, as a paper for auditors: every event, every file, and where the chain of seals stands.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{
    list::{self, FileOnRecord, Names},
    verify::Head,
};
use crate::{
    app::App,
    db::{
        self,
        audit_list::{self, Listed},
        audit_seals,
        batches::BatchRow,
    },
    domain::{
        access::{Action, Actor, Resource, authorize},
        batches,
    },
    error::{Error, Result},
};

/// Events and files on one paper. What has more says so on it, and the export has the rest.
pub const MOST: i64 = 10_000;

pub struct History {
    pub batch: BatchRow,
    pub site: String,
    pub many_sites: bool,
    pub made_by: String,
    /// Oldest first.
    pub files: Vec<FileOnRecord>,
    /// Oldest first.
    pub events: Vec<Listed>,
    pub names: Names,
    /// More than [`MOST`] events or files are there.
    pub is_cut: bool,
    /// The first and last of the seals that cover the events.
    pub seals: Option<(i64, i64)>,
    /// Events that wait for their seal.
    pub unsealed: usize,
    pub head: Option<Head>,
    /// Whether files in the trash, and what was done to them, are on it.
    pub with_trash: bool,
    /// From which addresses things were done, is for admins.
    pub shows_addresses: bool,
}

/// The history of a batch, in the trash or not, for whoever sees it.
///
/// # Errors
/// [`Error::NotFound`] for what does not exist or is not for the actor.
pub async fn of_batch(app: &App, actor: &Actor, id: Uuid) -> Result<History> {
    let actor = actor.clone();
    app.db
        .run(move |conn| {
            let batch = batches::visible(conn, &actor, Action::ReadHistory, id)?;
            let sites = db::sites::all(conn)?;
            let many_sites = sites.len() > 1;
            let site = sites.into_iter().find(|site| site.id == batch.site_id).ok_or(Error::NotFound)?;
            let made_by = db::users::find(conn, batch.created_by)?.ok_or(Error::NotFound)?.display_name;
            let with_trash = actor.may(Action::SeeTrash, Resource::Site(batch.site_id));
            let mut files = audit_list::files_of_batch(conn, id, with_trash, MOST + 1)?;
            let mut events = audit_list::of_batch(conn, id, with_trash, MOST + 1)?;
            let is_cut = files.len().max(events.len()) as i64 > MOST;
            files.truncate(MOST as usize);
            events.truncate(MOST as usize);
            let seals: BTreeSet<i64> = events.iter().filter_map(|(_, seal)| *seal).collect();
            Ok(History {
                names: list::names(conn, &events)?,
                unsealed: events.iter().filter(|(_, seal)| seal.is_none()).count(),
                seals: seals.first().copied().zip(seals.last().copied()),
                head: audit_seals::last(conn)?.as_ref().map(Head::of),
                shows_addresses: authorize(&actor, Action::Administer, Resource::System).is_ok(),
                with_trash,
                batch,
                site: site.name,
                many_sites,
                made_by,
                files,
                events,
                is_cut,
            })
        })
        .await
}
