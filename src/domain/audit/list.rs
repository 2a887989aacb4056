//! The trail for people who look something up: filtered, in pages, with the names of what events are about.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use diesel::PgConnection;
use serde_json::json;
use uuid::Uuid;

use super::{Subject, actions::Group, record};
use crate::{
    app::App,
    db::{
        audit_list::{self, About, Actors, Filter, Listed},
        audit_seals, settings,
    },
    domain::{
        access::{Action, Actor, Resource, authorize},
        audit::{verify::Head, watch},
        batches::cut_to_page,
        recheck,
    },
    error::Result,
};

pub use crate::db::{audit_list::FileOnRecord, audit_seals::WholeEvent};

/// Events on one page.
pub const PAGE: usize = 100;
/// Events that an export reads at once.
const STEP: usize = 1000;
/// Batches and files that a text may stand for.
const MEANT: i64 = 100;
/// A text shorter than this finds too much to be looked for.
pub const TEXT_MIN_CHARS: usize = 3;

/// What somebody asks for; what is empty does not matter.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// A name or user name.
    pub actor: String,
    pub group: Option<Group>,
    /// A batch's number, a file's name, a person's name or user name, or an id.
    pub about: String,
    pub since: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
    pub address: String,
    /// Words; with fewer than [`TEXT_MIN_CHARS`] characters they do not count.
    pub text: String,
    pub before: Option<i64>,
}

/// Names of what events are about.
#[derive(Clone, Debug, Default)]
pub struct Names {
    pub batches: HashMap<Uuid, String>,
    /// Each with whether it still can be opened.
    pub files: HashMap<Uuid, (String, bool)>,
    /// People that events are by or about: the user name, and the name that is shown.
    pub users: HashMap<Uuid, (String, String)>,
    pub sites: HashMap<Uuid, String>,
}

pub struct Page {
    pub events: Vec<Listed>,
    pub names: Names,
    /// Where the next page starts, if there is one.
    pub next: Option<i64>,
    pub head: Option<Head>,
    /// Events that wait for their seal.
    pub unsealed: i64,
    /// How the whole trail was found when it was last verified.
    pub verified: Option<watch::Verified>,
}

/// A page of events, newest first.
///
/// # Errors
/// [`crate::error::Error::Forbidden`] for all but admins.
pub async fn page(app: &App, actor: &Actor, wanted: Wanted) -> Result<Page> {
    authorize(actor, Action::Administer, Resource::System)?;
    app.db
        .run(move |conn| {
            let filter = filter(conn, wanted)?;
            let mut events = audit_list::page(conn, &filter, PAGE as i64 + 1)?;
            let next = cut_to_page(&mut events, PAGE, |(event, _)| event.id);
            Ok(Page {
                names: names(conn, &events)?,
                events,
                next,
                head: audit_seals::last(conn)?.as_ref().map(Head::of),
                unsealed: audit_seals::unsealed_count(conn)?,
                verified: settings::get(conn, watch::KEY)?,
            })
        })
        .await
}

/// Begins an export of what is wanted and puts that on record.
///
/// # Errors
/// As [`page`].
pub async fn begin_export(app: &App, actor: &Actor, wanted: Wanted, format: &'static str) -> Result<Filter> {
    let now = app.clock.now();
    recheck::admin(app, actor, move |conn, actor| {
        let filter = filter(conn, wanted)?;
        record(conn, now, &actor, "audit.export", Subject::System, json!({ "format": format }))?;
        Ok(filter)
    })
    .await
}

/// The next events of an export that was begun, and where to go on; none at its end.
pub async fn export_step(app: &App, filter: Filter) -> Result<(Vec<Listed>, Names, Filter)> {
    app.db
        .run(move |conn| {
            let events = audit_list::page(conn, &filter, STEP as i64)?;
            let names = names(conn, &events)?;
            let before = events.last().map_or(filter.before, |(event, _)| Some(event.id));
            Ok((events, names, Filter { before, ..filter }))
        })
        .await
}

fn filter(conn: &mut PgConnection, wanted: Wanted) -> Result<Filter> {
    // PostgreSQL takes no NUL, and nothing holds one.
    let text = |text: &str| {
        let text = text.trim().replace('\0', "");
        (!text.is_empty()).then_some(text)
    };
    let actor = match text(&wanted.actor) {
        Some(name) => Some(actors(conn, name)?),
        None => None,
    };
    let about = match text(&wanted.about) {
        Some(about) => Some(meant(conn, &about)?),
        None => None,
    };
    Ok(Filter {
        actor,
        actions: wanted.group.map(Group::actions),
        about,
        since: wanted.since,
        until: wanted.until,
        address: text(&wanted.address),
        text: text(&wanted.text).filter(|text| text.chars().count() >= TEXT_MIN_CHARS),
        before: wanted.before,
    })
}

fn actors(conn: &mut PgConnection, name: String) -> Result<Actors> {
    let accounts = audit_list::users_named(conn, &name)?;
    Ok(if accounts.is_empty() { Actors::Nameless(name.to_lowercase()) } else { Actors::Accounts(accounts) })
}

/// What a text stands for.
fn meant(conn: &mut PgConnection, text: &str) -> Result<About> {
    if let Ok(id) = text.parse::<Uuid>() {
        let subjects = vec![Subject::User(id).key(), Subject::Site(id).key()];
        return Ok(About { batches: vec![id], files: vec![id], subjects });
    }
    let people = audit_list::users_named(conn, text)?;
    Ok(About {
        batches: audit_list::batches_numbered(conn, text, MEANT)?,
        files: audit_list::files_named(conn, text, MEANT)?,
        subjects: people.into_iter().map(|id| Subject::User(id).key()).collect(),
    })
}

/// The names of everything that these events are about, in one question for each kind of thing.
pub(super) fn names(conn: &mut PgConnection, events: &[Listed]) -> Result<Names> {
    let distinct = |of: &dyn Fn(&WholeEvent) -> Option<Uuid>| -> Vec<Uuid> {
        events.iter().filter_map(|(event, _)| of(event)).collect::<HashSet<_>>().into_iter().collect()
    };
    let subject = |kind: &'static str| {
        move |event: &WholeEvent| event.subject.strip_prefix(kind).and_then(|id| id.parse().ok())
    };
    let files = audit_list::file_names(conn, &distinct(&|event| event.attachment_id))?;
    let mut people = distinct(&|event| event.actor_id);
    people.extend(distinct(&subject("user:")));
    let users = audit_list::user_names(conn, &people)?;
    Ok(Names {
        batches: audit_list::batch_numbers(conn, &distinct(&|event| event.batch_id))?.into_iter().collect(),
        files: files.into_iter().map(|(id, name, state)| (id, (name, state != "purged"))).collect(),
        users: users.into_iter().map(|(id, username, name)| (id, (username, name))).collect(),
        sites: audit_list::site_names(conn, &distinct(&subject("site:")))?.into_iter().collect(),
    })
}
