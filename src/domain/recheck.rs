//! Rights count until the commit. A request is let in once, when it begins; by the time it writes, its account may have
//! been disabled, given another role or taken off a site, its session ended or its API token revoked. So every
//! transaction on behalf of a person begins by locking their account and what they signed in with, and decides by what
//! it finds there; what takes long asks again while it runs ([`Watch`]).
//!
//! Lock order, which keeps transactions from waiting for each other in a circle: the admins who can sign in (only
//! `people`), then the account, then its session or token, then everything else. The account is locked `FOR SHARE`, so
//! that one person's transactions run side by side while a change of the account waits for them, and they for it; a
//! session `FOR KEY SHARE`, because it ends by being deleted; a token `FOR SHARE`, because it ends by an update. A
//! transaction that changes its own account takes the stronger lock at once (`own`): two that hold the weaker one
//! would wait for each other.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::PgConnection;
use tokio::time::Instant;
use uuid::Uuid;

use super::access::{Action, Actor, Ceiling, Credential, Resource, Role, authorize};
use crate::{
    app::App,
    db,
    error::{Error, Result},
};

/// How often something that takes long asks again.
const EVERY: Duration = Duration::from_secs(2);
/// The last use of a session is written at most this often while something long runs in it.
const TOUCH_EVERY: TimeDelta = TimeDelta::seconds(60);

/// What is kept from changing until the transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lock {
    None,
    Share,
    Update,
}

/// The actor as they are now. Their account and credential stay so until the transaction ends. Call it before anything
/// else is locked.
///
/// # Errors
/// [`Error::Unauthenticated`] when the account is disabled, the session ended, or the token was revoked or expired.
pub(super) fn current(conn: &mut PgConnection, now: DateTime<Utc>, actor: &Actor) -> Result<Actor> {
    load(conn, now, actor, Lock::Share)
}

fn load(conn: &mut PgConnection, now: DateTime<Utc>, actor: &Actor, lock: Lock) -> Result<Actor> {
    // The console and the system are nobody's account, and visitors may do nothing by themselves.
    let Some(id) = actor.id() else { return Ok(actor.clone()) };
    let user = match lock {
        Lock::None => db::users::find(conn, id)?,
        Lock::Share => db::users::find_for_share(conn, id)?,
        Lock::Update => db::users::find_for_update(conn, id)?,
    };
    let user = user.filter(|user| user.disabled_at.is_none()).ok_or(Error::Unauthenticated)?;
    // Read after the lock, in a statement of its own: changes of sites lock the account first.
    let sites = db::sites::of_user(conn, id)?;
    let fresh = Actor::user(id, user.display_name, user.role.parse()?, sites, actor.address);
    let is_held = lock != Lock::None;
    match actor.credential() {
        Credential::None => Ok(fresh),
        Credential::Session(session) => {
            let last_seen =
                db::sessions::last_seen(conn, id, session, is_held)?.ok_or(Error::Unauthenticated)?;
            if !is_held && now - last_seen >= TOUCH_EVERY {
                // What takes long is use, too: the session does not run out under it.
                db::sessions::touch_id(conn, session, now)?;
            }
            Ok(fresh.in_session(session))
        }
        Credential::Token(token) => {
            let token = db::tokens::find_living(conn, token, now, is_held)?;
            let token = token.filter(|token| token.user_id == id).ok_or(Error::Unauthenticated)?;
            let ceiling = Ceiling { scope: token.scope.parse()?, site: token.site_id };
            Ok(fresh.within(ceiling).through(token.id, token.name))
        }
    }
}

/// Runs `work` in a transaction, with the actor as they are then. An error rolls back.
///
/// # Errors
/// As [`current`], and what `work` returns.
pub(super) async fn transaction<T, F>(app: &App, actor: &Actor, work: F) -> Result<T>
where
    F: FnOnce(&mut PgConnection, Actor) -> Result<T> + Send + 'static,
    T: Send + 'static,
{
    locked(app, actor, Lock::Share, work).await
}

/// The same for what changes the actor's own account or ends their sessions.
///
/// # Errors
/// As [`transaction`].
pub(super) async fn own<T, F>(app: &App, actor: &Actor, work: F) -> Result<T>
where
    F: FnOnce(&mut PgConnection, Actor) -> Result<T> + Send + 'static,
    T: Send + 'static,
{
    locked(app, actor, Lock::Update, work).await
}

async fn locked<T, F>(app: &App, actor: &Actor, lock: Lock, work: F) -> Result<T>
where
    F: FnOnce(&mut PgConnection, Actor) -> Result<T> + Send + 'static,
    T: Send + 'static,
{
    let (actor, now) = (actor.clone(), app.clock.now());
    app.db
        .transaction(move |conn| {
            let actor = load(conn, now, &actor, lock)?;
            work(conn, actor)
        })
        .await
}

/// A transaction of an admin.
///
/// # Errors
/// [`Error::Forbidden`] for everybody else; else as [`transaction`].
pub(super) async fn admin<T, F>(app: &App, actor: &Actor, work: F) -> Result<T>
where
    F: FnOnce(&mut PgConnection, Actor) -> Result<T> + Send + 'static,
    T: Send + 'static,
{
    authorize(actor, Action::Administer, Resource::System)?;
    transaction(app, actor, move |conn, actor| {
        authorize(&actor, Action::Administer, Resource::System)?;
        work(conn, actor)
    })
    .await
}

/// A transaction of an admin who changes people or counts on who they are: it first locks the admins who can sign in.
///
/// # Errors
/// As [`admin`].
pub(super) async fn people<T, F>(app: &App, actor: &Actor, work: F) -> Result<T>
where
    F: FnOnce(&mut PgConnection, Actor) -> Result<T> + Send + 'static,
    T: Send + 'static,
{
    authorize(actor, Action::Administer, Resource::System)?;
    let (actor, now) = (actor.clone(), app.clock.now());
    app.db
        .transaction(move |conn| {
            db::users::lock_able_admins(conn)?;
            let actor = current(conn, now, &actor)?;
            authorize(&actor, Action::Administer, Resource::System)?;
            work(conn, actor)
        })
        .await
}

/// Whether this account still is an admin's who may sign in.
pub(super) fn is_still_admin(conn: &mut PgConnection, id: Uuid) -> Result<bool> {
    let user = db::users::find(conn, id)?;
    Ok(user.is_some_and(|user| user.disabled_at.is_none() && user.role == Role::Admin.as_str()))
}

/// What something long asks again.
type Question = dyn Fn(&mut PgConnection, DateTime<Utc>) -> Result<()> + Send + Sync;

/// Whether something long may go on.
#[derive(Clone)]
pub struct Watch {
    question: Arc<Question>,
    asked: Instant,
}

impl Watch {
    /// An answer was had just now.
    pub(super) fn new(
        question: impl Fn(&mut PgConnection, DateTime<Utc>) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self { question: Arc::new(question), asked: Instant::now() }
    }

    /// Whether the actor still may do this.
    pub(super) fn of(actor: &Actor, action: Action, resource: Resource) -> Self {
        let actor = actor.clone();
        Self::new(move |conn, now| authorize(&load(conn, now, &actor, Lock::None)?, action, resource))
    }

    /// Asks, unless that was done within the last two seconds.
    ///
    /// # Errors
    /// Why it may not go on; [`Error::Unavailable`] when the database does not answer.
    pub async fn ask(&mut self, app: &App) -> Result<()> {
        if self.asked.elapsed() < EVERY {
            return Ok(());
        }
        let (question, now) = (Arc::clone(&self.question), app.clock.now());
        app.db.run(move |conn| question(conn, now)).await?;
        self.asked = Instant::now();
        Ok(())
    }

    /// Asks now, in a look-up that is made anyway.
    pub(super) fn ask_in(&self, conn: &mut PgConnection, now: DateTime<Utc>) -> Result<()> {
        (self.question)(conn, now)
    }
}
