//! What a printed label says: enough to find a batch again, and where a scan of it leads.

use uuid::Uuid;

use super::{
    access::{Action, Actor},
    batches::{not_in_trash, visible},
};
use crate::{
    app::App,
    db::{self, batches::BatchRow, sites::Site},
    error::{Error, Result},
};

/// Labels on one sheet of paper or several, at most.
pub const MOST: usize = 60;

pub struct Label {
    pub batch: BatchRow,
    pub site: String,
}

pub struct Labels {
    pub labels: Vec<Label>,
    pub many_sites: bool,
}

/// The label of one batch.
///
/// # Errors
/// [`Error::Conflict`] for a batch in the trash.
pub async fn one(app: &App, actor: &Actor, id: Uuid) -> Result<Labels> {
    let actor = actor.clone();
    app.db
        .run(move |conn| {
            let batch = visible(conn, &actor, Action::See, id)?;
            not_in_trash(&batch)?;
            Ok(labels(vec![batch], &db::sites::all(conn)?))
        })
        .await
}

/// The labels of several batches, in the order of `ids`. Those that are not there for the actor are left out.
///
/// # Errors
/// [`Error::NotFound`] when none is there, [`Error::Invalid`] when none or more than [`MOST`] are named.
pub async fn several(app: &App, actor: &Actor, ids: Vec<Uuid>) -> Result<Labels> {
    if ids.is_empty() {
        return Err(Error::invalid("ids", "No batch is ticked. Go back, tick the batches and try again."));
    }
    if ids.len() > MOST {
        return Err(Error::invalid("ids", format!("At most {MOST} labels at once. Tick fewer batches.")));
    }
    let actor = actor.clone();
    app.db
        .run(move |conn| {
            let mut batches = db::batches::living(conn, &ids, actor.visible_sites())?;
            batches.sort_by_key(|batch| ids.iter().position(|&id| id == batch.id));
            if batches.is_empty() {
                return Err(Error::NotFound);
            }
            Ok(labels(batches, &db::sites::all(conn)?))
        })
        .await
}

fn labels(batches: Vec<BatchRow>, sites: &[Site]) -> Labels {
    let site_of = |batch: &BatchRow| {
        sites.iter().find(|site| site.id == batch.site_id).map_or_else(String::new, |site| site.name.clone())
    };
    Labels {
        many_sites: sites.len() > 1,
        labels: batches.into_iter().map(|batch| Label { site: site_of(&batch), batch }).collect(),
    }
}
