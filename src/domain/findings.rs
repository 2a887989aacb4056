//! What admins are told of malware, on each of their pages: how many files are locked away, and how many uploads were
//! refused that nobody has looked at. A file is dealt with when it is released or deleted; nothing is left of a refused
//! upload, so that somebody says that they have seen it.

use chrono::TimeDelta;
use serde_json::json;

use super::{
    access::{Action, Actor, Resource, authorize},
    audit::{self, Subject},
    recheck,
};
use crate::{
    app::App,
    db::{self, findings::SEEN, settings},
    error::Result,
};

pub use crate::db::findings::Findings;

/// Numbers are told up to 99; one more is "many".
const ENOUGH: i64 = 100;
/// Refused uploads of so many days are told of, whether somebody has seen them or not.
const RECENT: TimeDelta = TimeDelta::days(7);

/// How many findings there are, each number up to one hundred.
pub async fn count(app: &App, actor: &Actor) -> Result<Findings> {
    authorize(actor, Action::Administer, Resource::System)?;
    let since = app.clock.now() - RECENT;
    app.db.run(move |conn| db::findings::count(conn, since, ENOUGH)).await
}

/// Takes refused uploads up to that event for seen, by all admins; later ones are told of again.
pub async fn see(app: &App, actor: &Actor, up_to: i64) -> Result<()> {
    let (clock, now) = (app.clock.clone(), app.clock.now());
    recheck::admin(app, actor, move |conn, actor| {
        settings::lock(conn, SEEN)?;
        let before: Option<i64> = settings::get(conn, SEEN)?;
        // Not one that is still to come.
        let last = db::findings::last_refused(conn, up_to)?;
        match last {
            Some(last) if before.is_none_or(|before| before < last) => {
                settings::put(conn, &clock, SEEN, &last)?;
                audit::record(conn, now, &actor, "quarantine.seen", Subject::System, json!({}))
            }
            _ => Ok(()),
        }
    })
    .await
}
