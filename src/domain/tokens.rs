//! API tokens: keys for scripts. A token acts as its user, never beyond its scope, and dies with the user's right
//! to be here.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    access::{Action, Actor, Ceiling, Resource, Role, Scope, authorize},
    audit::{self, Subject},
    recheck, sites,
};
use crate::{
    app::App,
    db::{self, sites::Site, tokens::NewToken},
    error::{Error, FieldError, Result},
};

pub use crate::db::tokens::TokenRow;

/// What every token begins with, so that people and secret scanners know one when they see it.
const PREFIX: &str = "stl_";
/// Life in days.
pub const DAYS_MAX: i64 = 365;
const NAME_MAX_CHARS: usize = 80;
/// Living tokens of one user.
const PER_USER: usize = 200;
/// A token's last use is written at most this often.
const TOUCH_EVERY: TimeDelta = TimeDelta::seconds(60);

/// What a person asks for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub name: String,
    pub scope: String,
    pub site: String,
    pub days: String,
}

/// Who holds a token, as of this request.
#[derive(Clone, Debug)]
pub struct Holder {
    pub user_id: Uuid,
    pub username: String,
    pub display_name: String,
    pub role: Role,
    pub sites: Vec<Uuid>,
    pub token_id: Uuid,
    /// The token's own name.
    pub token: String,
    pub ceiling: Ceiling,
}

/// Own tokens, and the sites that a new one may be limited to.
pub struct Own {
    pub tokens: Vec<(TokenRow, Option<String>)>,
    pub sites: Vec<Site>,
}

/// The actor's own tokens.
///
/// # Errors
/// [`Error::Forbidden`] for who may have none.
pub async fn own(app: &App, actor: &Actor) -> Result<Own> {
    authorize(actor, Action::HoldTokens, Resource::System)?;
    let (actor, account) = (actor.clone(), actor.account()?);
    app.db
        .run(move |conn| {
            Ok(Own { tokens: db::tokens::of_user(conn, account)?, sites: sites::visible_in(conn, &actor)? })
        })
        .await
}

/// Makes a token and returns it: this is the only time it is seen.
///
/// # Errors
/// [`Error::Forbidden`] for who may have none; [`Error::Invalid`] with a message for each field that will not do.
pub async fn create(app: &App, actor: &Actor, wanted: Wanted) -> Result<String> {
    authorize(actor, Action::HoldTokens, Resource::System)?;
    let checked = Checked::of(actor, &wanted)?;
    let (account, now) = (actor.account()?, app.clock.now());
    let token = format!("{PREFIX}{}", hex::encode(rand::random::<[u8; 32]>()));
    let hash = hash(&token);
    recheck::transaction(app, actor, move |conn, actor| {
        authorize(&actor, Action::HoldTokens, Resource::System)?;
        if let Some(site) = checked.site
            && !sites::visible_in(conn, &actor)?.iter().any(|seen| seen.id == site)
        {
            return Err(Error::invalid("site", "Choose one of your sites."));
        }
        if db::tokens::of_user(conn, account)?.len() >= PER_USER {
            return Err(Error::conflict("too_many_tokens", "You have too many tokens. Revoke some first."));
        }
        let id = Uuid::now_v7();
        db::tokens::insert(
            conn,
            &NewToken {
                id,
                user_id: account,
                name: &checked.name,
                token_hash: &hash,
                scope: checked.scope.as_str(),
                site_id: checked.site,
                created_at: now,
                expires_at: now + TimeDelta::days(checked.days),
            },
        )?;
        let details = json!({
            "token": id, "name": checked.name, "scope": checked.scope.as_str(), "site": checked.site,
            "days": checked.days,
        });
        audit::record(conn, now, &actor, "token.create", Subject::User(account), details)
    })
    .await?;
    Ok(token)
}

struct Checked {
    name: String,
    scope: Scope,
    site: Option<Uuid>,
    days: i64,
}

impl Checked {
    fn of(actor: &Actor, wanted: &Wanted) -> Result<Self> {
        let mut problems = Vec::new();
        let name = wanted.name.trim();
        if name.is_empty() || name.chars().count() > NAME_MAX_CHARS || name.chars().any(char::is_control) {
            problems
                .push(FieldError::new("name", "Give it a name of up to 80 characters: what will use it?"));
        }
        let scope = wanted.scope.parse().ok().filter(|&scope| Scope::within(actor.role).contains(&scope));
        if scope.is_none() {
            problems.push(FieldError::new("scope", "Choose what it may do."));
        }
        let site = match wanted.site.as_str() {
            "" => None,
            text => text.parse().ok().or_else(|| {
                problems.push(FieldError::new("site", "Choose one of your sites."));
                None
            }),
        };
        let days = wanted.days.trim().parse().ok().filter(|days| (1..=DAYS_MAX).contains(days));
        if days.is_none() {
            problems.push(FieldError::new("days", format!("A whole number of days, from 1 to {DAYS_MAX}.")));
        }
        match (scope, days) {
            (Some(scope), Some(days)) if problems.is_empty() => {
                Ok(Self { name: name.to_owned(), scope, site, days })
            }
            _ => Err(Error::Invalid(problems)),
        }
    }
}

/// Ends one of the actor's own tokens, at once. Doing it twice changes nothing.
///
/// # Errors
/// [`Error::NotFound`] for what does not exist and for what is somebody else's.
pub async fn revoke(app: &App, actor: &Actor, id: Uuid) -> Result<TokenRow> {
    let (account, now) = (actor.account()?, app.clock.now());
    recheck::transaction(app, actor, move |conn, actor| {
        let token = db::tokens::find_for_update(conn, id)?;
        let token = token.filter(|token| token.user_id == account).ok_or(Error::NotFound)?;
        authorize(&actor, Action::See, Resource::System)?;
        if token.revoked_at.is_none() {
            db::tokens::revoke(conn, id, now)?;
            let details = json!({ "token": id, "name": token.name });
            audit::record(conn, now, &actor, "token.revoke", Subject::User(account), details)?;
        }
        Ok(token)
    })
    .await
}

/// Who holds this token; `None` for one that is unknown, revoked or expired, or whose user is disabled.
pub async fn holder(app: &App, token: &str) -> Result<Option<Holder>> {
    if !looks_like_one(token) {
        return Ok(None);
    }
    let (hash, now) = (hash(token), app.clock.now());
    app.db
        .run(move |conn| {
            let Some(live) = db::tokens::find_live(conn, &hash, now)? else { return Ok(None) };
            if is_stale(live.last_used_at, now) {
                db::tokens::touch(conn, live.id, now)?;
            }
            Ok(Some(Holder {
                user_id: live.user_id,
                username: live.username,
                display_name: live.display_name,
                role: live.role.parse()?,
                sites: live.sites,
                token_id: live.id,
                token: live.name,
                ceiling: Ceiling { scope: live.scope.parse()?, site: live.site_id },
            }))
        })
        .await
}

fn is_stale(last_used_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    last_used_at.is_none_or(|at| now - at >= TOUCH_EVERY)
}

fn looks_like_one(token: &str) -> bool {
    token
        .strip_prefix(PREFIX)
        .is_some_and(|rest| rest.len() == 64 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token).to_vec()
}
