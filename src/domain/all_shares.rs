//! Every share link there is, for admins.

use uuid::Uuid;

use super::{
    access::{Action, Actor, Resource, authorize},
    batches, shares,
};
use crate::{app::App, db, error::Result};

pub use crate::db::shares::Everywhere;

/// Links on one page.
const PAGE: usize = 100;

/// One page of all links that nobody has ended, and where the next one starts.
pub struct AllLinks {
    pub rows: Vec<Everywhere>,
    pub next: Option<Uuid>,
}

/// Every link that nobody has ended, the newest first, for admins.
pub async fn everywhere(app: &App, actor: &Actor, after: Option<Uuid>) -> Result<AllLinks> {
    authorize(actor, Action::Administer, Resource::System)?;
    app.db
        .run(move |conn| {
            let mut rows = db::shares::everywhere(conn, after, PAGE as i64 + 1)?;
            let next = batches::cut_to_page(&mut rows, PAGE, |(share, ..)| share.id);
            Ok(AllLinks { rows, next })
        })
        .await
}

/// [`shares::revoke`], for the page that shows all of them.
///
/// # Errors
/// As [`shares::revoke`]; [`crate::error::Error::Forbidden`] before anything is looked for.
pub async fn revoke(app: &App, actor: &Actor, id: Uuid) -> Result<()> {
    authorize(actor, Action::Administer, Resource::System)?;
    shares::revoke(app, actor, id).await.map(drop)
}
