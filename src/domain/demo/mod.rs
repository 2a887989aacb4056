//! A store with something to show: two sites, people of each role, batches of the last months with drawn
//! photos and papers. Everything goes through the same doors as real work does, with the clock turned back, so
//! that the trail, the counts and the files are what the pages expect.

mod canvas;
mod paper;
mod picture;
mod story;
mod today;

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use uuid::Uuid;

use self::story::{Act, Made, Step};
use super::{
    access::{Action, Actor, Resource, Role, authorize},
    archive::{self, Purpose},
    attachments::{self, Name},
    audit::reads::Reading,
    batches::{self, Details},
    hold,
    intake::Intake,
    sites::{self, Site},
    users,
};
use crate::{
    app::App,
    blocking, db,
    error::{Error, Result},
};

/// The name of the second site.
pub const SECOND_SITE: &str = "North hall";

/// Somebody who may sign in afterwards.
#[derive(Clone, Copy, Debug)]
pub struct Person {
    pub username: &'static str,
    pub role: Role,
    /// Whether they belong to the first site, and to the second.
    sites: (bool, bool),
}

/// People of each role; the order is that of `story`.
pub const PEOPLE: [Person; 5] = [
    Person { username: "priya.nair", role: Role::Admin, sites: (true, true) },
    Person { username: "tomasz.zielinski", role: Role::Staff, sites: (true, false) },
    Person { username: "lena.hoffmann", role: Role::Staff, sites: (true, true) },
    Person { username: "ama.boateng", role: Role::Staff, sites: (false, true) },
    Person { username: "j.okafor", role: Role::Viewer, sites: (true, true) },
];

/// How much is made.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub batches: usize,
    /// The longer side of photos, in pixels.
    pub photo: u32,
}

impl Default for Size {
    fn default() -> Self {
        Self { batches: 48, photo: 1280 }
    }
}

/// Fills the store, calling `progress` with the share that is done. The clock of `app` is moved, so that the app
/// is good for nothing else afterwards. All people get `password`; who is there already keeps theirs.
///
/// # Errors
/// [`Error::Conflict`] when there are batches, unless `force`.
pub async fn fill(
    app: &Arc<App>,
    actor: &Actor,
    password: &SecretString,
    size: Size,
    force: bool,
    progress: impl Fn(f64),
) -> Result<()> {
    authorize(actor, Action::Administer, Resource::System)?;
    let there = app.db.run(db::batches::count_all).await?;
    if there > 0 && !force {
        return Err(Error::conflict(
            "not_empty",
            format!(
                "There are {there} batches already. Demo data among real ones cannot be told apart again."
            ),
        ));
    }
    let now = app.clock.now();
    let steps = story::tell(now, size.batches, there as usize);
    if let Some(first) = steps.first() {
        turn_to(app, first.at);
    }
    let sites = both_sites(app, actor).await?;
    let people = hire(app, actor, password, &sites).await?;
    let mut stage =
        Stage { app, people, sites, photo: size.photo, batches: vec![None; size.batches], files: Vec::new() };
    let total = steps.len();
    for (done, step) in steps.into_iter().enumerate() {
        turn_to(app, step.at);
        stage.play(step).await?;
        progress((done + 1) as f64 / total as f64);
    }
    turn_to(app, now);
    today::play(app, password).await
}

fn turn_to(app: &App, at: DateTime<Utc>) {
    app.clock.advance(at - app.clock.now());
}

async fn both_sites(app: &App, actor: &Actor) -> Result<[Site; 2]> {
    let now = app.clock.now();
    let find = |sites: &[Site]| sites.iter().find(|site| site.name == SECOND_SITE).cloned();
    let visible = sites::visible(app, actor).await?;
    let first = visible.first().cloned().ok_or(Error::NotFound)?;
    let second = match find(&visible) {
        Some(site) => site,
        None => {
            let site =
                Site { id: Uuid::now_v7(), name: SECOND_SITE.to_owned(), is_default: false, created_at: now };
            let row = site.clone();
            app.db.run(move |conn| db::sites::insert(conn, &row)).await?;
            site
        }
    };
    Ok([first, second])
}

async fn hire(
    app: &App,
    actor: &Actor,
    password: &SecretString,
    [first, second]: &[Site; 2],
) -> Result<Vec<Actor>> {
    let mut actors = Vec::new();
    for (nth, person) in PEOPLE.into_iter().enumerate() {
        let known = app.db.run(move |conn| db::users::find_by_name(conn, person.username)).await?;
        let user = match known {
            Some(user) => user,
            None => {
                let of_first = person.sites.0.then(|| first.name.clone());
                let of_second = person.sites.1.then(|| second.name.clone());
                let names = of_first.into_iter().chain(of_second).collect();
                users::add(app, actor, person.username, person.role, names, password.clone()).await?
            }
        };
        let of_first = person.sites.0.then_some(first.id);
        let of_second = person.sites.1.then_some(second.id);
        let ids = of_first.into_iter().chain(of_second).collect();
        let address = IpAddr::from([10, 20, 1 + nth as u8 % 2, 30 + nth as u8]);
        actors.push(Actor::user(user.id, user.display_name, person.role, ids, Some(address)));
    }
    Ok(actors)
}

/// The store while the story is played.
struct Stage<'a> {
    app: &'a Arc<App>,
    people: Vec<Actor>,
    sites: [Site; 2],
    photo: u32,
    batches: Vec<Option<Uuid>>,
    /// By batch and the file's place in it.
    files: Vec<((usize, usize), Uuid)>,
}

impl Stage<'_> {
    async fn play(&mut self, step: Step) -> Result<()> {
        let Step { by, batch, act, .. } = step;
        let actor = self.people[by].clone();
        match act {
            Act::Make { number, product, notes, site } => {
                let details = Details { number, product: product.to_owned(), notes: notes.to_owned() };
                let made = batches::create(self.app, &actor, Some(self.sites[site].id), details).await?;
                self.batches[batch] = Some(made.id);
            }
            Act::Add { nth, file } => {
                let stored = self.add(&actor, self.batch(batch)?, file).await?;
                self.files.push(((batch, nth), stored));
            }
            Act::Note { number, product, notes } => {
                let details = Details { number, product: product.to_owned(), notes: notes.to_owned() };
                batches::edit(self.app, &actor, self.batch(batch)?, details).await?;
            }
            Act::Hold(reason) => drop(hold::hold(self.app, &actor, self.batch(batch)?, reason).await?),
            Act::Close => {
                batches::close(self.app, &actor, self.batch(batch)?).await?;
                // Whoever closes a batch takes its files along.
                archive::open(self.app, &actor, self.batch(batch)?, None, Purpose::Take).await?;
            }
            Act::Reopen => drop(batches::reopen(self.app, &actor, self.batch(batch)?).await?),
            Act::Trash => drop(batches::trash(self.app, &actor, self.batch(batch)?).await?),
            Act::TrashFile(nth) => drop(attachments::trash(self.app, &actor, self.file(batch, nth)?).await?),
            Act::Look(nth) => {
                drop(attachments::show(self.app, &actor, self.file(batch, nth)?, Reading::View).await?);
            }
            Act::Take(nth) => {
                let name = Name::Id(self.file(batch, nth)?);
                drop(attachments::open(self.app, &actor, name, |_| Reading::Download).await?);
            }
            Act::RestoreFile(nth) => {
                drop(attachments::restore(self.app, &actor, self.file(batch, nth)?).await?);
            }
        }
        Ok(())
    }

    fn batch(&self, nth: usize) -> Result<Uuid> {
        self.batches[nth].ok_or(Error::NotFound)
    }

    fn file(&self, batch: usize, nth: usize) -> Result<Uuid> {
        let file = self.files.iter().find(|(place, _)| *place == (batch, nth));
        file.map(|(_, id)| *id).ok_or(Error::NotFound)
    }

    async fn add(&self, actor: &Actor, batch: Uuid, file: Made) -> Result<Uuid> {
        let (name, photo) = (file.name.clone(), self.photo);
        let bytes = blocking::run(move || file.draw(photo)).await?;
        let intake = Intake::open(self.app, actor, batch).await?;
        let mut incoming = intake.file(&name)?;
        incoming.write(Bytes::from(bytes)).await?;
        Ok(incoming.finish().await?.row.id)
    }
}
