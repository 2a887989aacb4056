//! Share links: a way in for somebody without an account, to one file or one batch; made, listed and ended here. They
//! end for good with their maker's rights (`ended_access`). What a link opens is the business of
//! [`super::visits`].

use chrono::{DateTime, TimeDelta, Utc};
use diesel::PgConnection;
use secrecy::SecretString;
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    access::{Action, Actor, Resource, authorize},
    attachments,
    audit::{self, Subject},
    batches, recheck,
};
use crate::{
    app::App,
    db::{self, shares::NewShare},
    error::{Error, FieldError, Result},
};

pub use crate::db::shares::ShareRow;

pub const HOURS_MAX: i64 = 24 * 365;
const DOWNLOADS_MAX: i32 = 10_000;
/// A link is no account: what opens it travels beside it, and guessing is slowed down.
const PASSWORD_MIN_CHARS: usize = 8;
pub(super) const PASSWORD_MAX_BYTES: usize = 1024;

/// What a link leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    File(Uuid),
    Batch(Uuid),
}

/// What a person asks for, as it was typed.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub expires_in_hours: String,
    pub password: String,
    pub max_downloads: String,
}

/// A link that was just made: the token is seen this once.
pub struct Made {
    pub id: Uuid,
    pub token: String,
    pub expires_at: DateTime<Utc>,
    pub max_downloads: Option<i32>,
}

/// The links of a file or batch that the actor may see, and what they lead to.
pub struct Listed {
    pub batch_id: Uuid,
    pub batch_number: String,
    /// `None`: the whole batch.
    pub filename: Option<String>,
    pub shares: Vec<(ShareRow, String)>,
}

/// A batch or file that can be shared.
struct Shareable {
    batch_id: Uuid,
    site_id: Uuid,
    batch_number: String,
    file: Option<(Uuid, String)>,
}

impl Shareable {
    fn find(conn: &mut PgConnection, actor: &Actor, target: Target) -> Result<Self> {
        match target {
            Target::File(id) => {
                let found = db::attachments::find(conn, id)?;
                let found = attachments::living(actor, Action::Share, found)?;
                Ok(Self {
                    batch_id: found.row.batch_id,
                    site_id: found.site_id,
                    batch_number: found.batch_number,
                    file: Some((id, found.row.original_name)),
                })
            }
            Target::Batch(id) => {
                let batch = batches::visible(conn, actor, Action::Share, id)?;
                batches::not_in_trash(&batch)?;
                Ok(Self { batch_id: id, site_id: batch.site_id, batch_number: batch.number, file: None })
            }
        }
    }

    fn subject(&self) -> Subject {
        subject(self.batch_id, self.file.as_ref().map(|(id, _)| *id))
    }
}

pub(super) fn subject(batch: Uuid, file: Option<Uuid>) -> Subject {
    match file {
        Some(id) => Subject::Attachment { id, batch },
        None => Subject::Batch(batch),
    }
}

/// Makes a link.
///
/// # Errors
/// [`Error::NotFound`] and [`Error::Forbidden`] as everywhere; [`Error::Invalid`] with a message for each field
/// that will not do.
pub async fn create(app: &App, actor: &Actor, target: Target, wanted: Wanted) -> Result<Made> {
    let asked = actor.clone();
    app.db.run(move |conn| Shareable::find(conn, &asked, target).map(|_| ())).await?;
    let checked = Checked::of(wanted)?;
    let password_hash = match checked.password {
        Some(password) => Some(app.passwords.hash(password).await?),
        None => None,
    };
    let token = hex::encode(rand::random::<[u8; 16]>());
    let (hash, now, id) = (hash(&token), app.clock.now(), Uuid::now_v7());
    let (expires_at, max_downloads) = (now + TimeDelta::hours(checked.hours), checked.max_downloads);
    recheck::transaction(app, actor, move |conn, actor| {
        let shareable = Shareable::find(conn, &actor, target)?;
        let has_password = password_hash.is_some();
        db::shares::insert(
            conn,
            &NewShare {
                id,
                token_hash: &hash,
                batch_id: shareable.batch_id,
                attachment_id: shareable.file.as_ref().map(|(id, _)| *id),
                created_by: actor.account()?,
                created_at: now,
                expires_at,
                password_hash,
                max_downloads,
            },
        )?;
        let details = json!({
            "share": id, "filename": shareable.file.as_ref().map(|(_, name)| name), "expires_at": expires_at,
            "max_downloads": max_downloads, "password": has_password,
        });
        audit::record(conn, now, &actor, "share.create", shareable.subject(), details)
    })
    .await?;
    Ok(Made { id, token, expires_at, max_downloads })
}

struct Checked {
    hours: i64,
    password: Option<SecretString>,
    max_downloads: Option<i32>,
}

impl Checked {
    fn of(wanted: Wanted) -> Result<Self> {
        let mut problems = Vec::new();
        let hours =
            wanted.expires_in_hours.trim().parse().ok().filter(|hours| (1..=HOURS_MAX).contains(hours));
        if hours.is_none() {
            problems
                .push(FieldError::new("expires_in_hours", format!("Whole hours, from 1 to {HOURS_MAX}.")));
        }
        let max_downloads = match wanted.max_downloads.trim() {
            "" => None,
            text => {
                let number = text.parse().ok().filter(|number| (1..=DOWNLOADS_MAX).contains(number));
                if number.is_none() {
                    let message =
                        format!("A whole number from 1 to {DOWNLOADS_MAX}, or nothing for no limit.");
                    problems.push(FieldError::new("max_downloads", message));
                }
                number
            }
        };
        let is_short = wanted.password.chars().count() < PASSWORD_MIN_CHARS;
        if !wanted.password.is_empty() && (is_short || wanted.password.len() > PASSWORD_MAX_BYTES) {
            let message = format!("{PASSWORD_MIN_CHARS} characters or more, or nothing for no password.");
            problems.push(FieldError::new("password", message));
        }
        match hours {
            Some(hours) if problems.is_empty() => {
                let password = Some(wanted.password).filter(|text| !text.is_empty()).map(SecretString::from);
                Ok(Self { hours, password, max_downloads })
            }
            _ => Err(Error::Invalid(problems)),
        }
    }
}

/// The links of a file or batch: one's own, and for admins everybody's.
pub async fn list(app: &App, actor: &Actor, target: Target) -> Result<Listed> {
    let actor = actor.clone();
    app.db
        .run(move |conn| {
            let shareable = Shareable::find(conn, &actor, target)?;
            let sees_all = actor.may(Action::Administer, Resource::Site(shareable.site_id));
            let maker = if sees_all { None } else { Some(actor.account()?) };
            let file = shareable.file.as_ref().map(|(id, _)| *id);
            let shares = db::shares::of_target(conn, shareable.batch_id, file, maker)?;
            Ok(Listed {
                batch_id: shareable.batch_id,
                batch_number: shareable.batch_number,
                filename: shareable.file.map(|(_, name)| name),
                shares,
            })
        })
        .await
}

/// Ends a link, at once: one's own, or as an admin anybody's. Doing it twice changes nothing.
///
/// # Errors
/// [`Error::NotFound`] for what does not exist and for what is somebody else's.
pub async fn revoke(app: &App, actor: &Actor, id: Uuid) -> Result<Target> {
    let now = app.clock.now();
    recheck::transaction(app, actor, move |conn, actor| {
        let share = db::shares::find_for_update(conn, id)?.ok_or(Error::NotFound)?;
        let batch = db::batches::find(conn, share.batch_id)?.ok_or(Error::NotFound)?;
        let site = Resource::Site(batch.site_id);
        if actor.id() != Some(share.created_by) && !actor.may(Action::Administer, site) {
            return Err(Error::NotFound);
        }
        authorize(&actor, Action::See, site)?;
        if share.revoked_at.is_none() {
            db::shares::revoke(conn, id, now)?;
            let subject = subject(share.batch_id, share.attachment_id);
            audit::record(conn, now, &actor, "share.revoke", subject, json!({ "share": id }))?;
        }
        Ok(share.attachment_id.map_or(Target::Batch(share.batch_id), Target::File))
    })
    .await
}

pub(super) fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token).to_vec()
}
