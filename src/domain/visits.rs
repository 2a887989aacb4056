//! Visitors with a share link: what it shows and hands out. A link opens only what its maker could still hand out at
//! that moment, so it dies with the maker's rights and with the file.
//!
//! Whoever has given a link's password carries a ticket from then on, so that many files cost neither many hashes nor
//! many attempts.

use std::{net::IpAddr, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::PgConnection;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sha2::Sha256;
use uuid::Uuid;

use super::{
    access::{Action, Actor, Resource, Role},
    archive::{self, Archive, Reader},
    attachments::{self, Opened},
    audit::{self, Subject},
    limits::{LimitKey, Permit},
    recheck::Watch,
    shares::{PASSWORD_MAX_BYTES, hash, subject},
    throttle,
};
use crate::{
    app::App,
    db::{
        self,
        attachments::Found,
        batch_files::Filter,
        ledger::{self, Op},
        shares::{Known, ShareRow},
    },
    error::{Error, Result},
};

/// Files that the page of a batch's link lists.
const FILES_SHOWN: i64 = 500;
/// How long a password that was given counts.
const TICKET_LIFE: TimeDelta = TimeDelta::hours(1);

/// What a visitor sees of a link.
pub struct Shown {
    pub sender: String,
    pub batch_number: String,
    pub is_batch: bool,
    /// None before the password.
    pub files: Files,
    pub expires_at: DateTime<Utc>,
    pub downloads_left: Option<i32>,
    pub needs_password: bool,
}

/// What a link leads to.
#[derive(Default)]
pub struct Files {
    /// Up to `FILES_SHOWN` of them.
    pub listed: Vec<Found>,
    /// All files that can be had, and their bytes. Of a batch with more than are listed it is what the batch counts.
    pub count: i64,
    pub bytes: i64,
}

impl Files {
    fn of(conn: &mut PgConnection, known: &Known) -> Result<Self> {
        let mut listed = match known.share.attachment_id {
            Some(id) => db::attachments::find(conn, id)?.into_iter().collect(),
            None => db::batch_files::page(conn, known.share.batch_id, &Filter::default(), FILES_SHOWN)?,
        };
        let is_cut = listed.len() as i64 == FILES_SHOWN;
        if known.share.attachment_id.is_none() {
            // A batch is shown without what cannot be had: missing, damaged or locked away.
            listed.retain(|found| found.row.state == "available");
        }
        if is_cut {
            return Ok(Self { listed, count: known.batch_files, bytes: known.batch_bytes });
        }
        let bytes = listed.iter().map(|found| found.row.size_bytes).sum();
        Ok(Self { count: listed.len() as i64, bytes, listed })
    }
}

/// What a visitor brings where a link has a password.
pub enum Proof {
    Password(SecretString),
    /// From [`unlock`].
    Ticket(String),
}

/// What a link's page shows. Looking costs nothing, so that programs which follow links do no harm.
///
/// # Errors
/// [`Error::NotFound`] for a link that never was and for one that is over, for whatever reason.
pub async fn show(app: &App, token: &str) -> Result<Shown> {
    let (hash, now) = (hash(token), app.clock.now());
    app.db
        .run(move |conn| {
            let known = living(conn, &hash, now)?;
            let needs_password = known.share.password_hash.is_some();
            // Whoever has no password yet is not told what there is.
            let files = if needs_password { Files::default() } else { Files::of(conn, &known)? };
            let share = known.share;
            Ok(Shown {
                sender: known.maker,
                batch_number: known.batch_number,
                is_batch: share.attachment_id.is_none(),
                files,
                expires_at: share.expires_at,
                downloads_left: share.max_downloads.map(|max| max - share.downloads),
                needs_password,
            })
        })
        .await
}

/// Whether the proof opens the link; its files for the page that then follows, and a ticket for the downloads from it.
///
/// # Errors
/// As [`show`]; [`Error::Unauthenticated`] for a wrong password and for a ticket that is over, [`Error::Throttled`]
/// after too many wrong passwords.
pub async fn unlock(
    app: &App,
    token: &str,
    proof: Proof,
    address: Option<IpAddr>,
) -> Result<(Files, Option<String>)> {
    let (hash, now) = (hash(token), app.clock.now());
    // A ticket does not make another one: it is good for its hour.
    let held = match &proof {
        Proof::Ticket(ticket) => Some(ticket.clone()),
        Proof::Password(_) => None,
    };
    let known = find_unlocked(app, &hash, proof, address).await?;
    let fresh = ticket(app, &known.share)?;
    let ticket = fresh.map(|fresh| held.unwrap_or(fresh));
    let files = app
        .db
        .run(move |conn| {
            let known = living(conn, &hash, now)?;
            Files::of(conn, &known)
        })
        .await?;
    Ok((files, ticket))
}

/// Proof that somebody gave the password of a link a while ago, good for `TICKET_LIFE` and as long as the password
/// stays; whether the link still opens anything is asked each time. `None` for a link without a password.
fn ticket(app: &App, share: &ShareRow) -> Result<Option<String>> {
    let until = (app.clock.now() + TICKET_LIFE).timestamp();
    let Some(signature) = signature(app, share, until)? else { return Ok(None) };
    Ok(Some(format!("{until}.{}", hex::encode(signature.finalize().into_bytes()))))
}

fn signature(app: &App, share: &ShareRow, until: i64) -> Result<Option<Hmac<Sha256>>> {
    let Some(password_hash) = &share.password_hash else { return Ok(None) };
    app.mac("share ticket", &format!("{} {until} {password_hash}", share.id)).map(Some)
}

fn holds(app: &App, share: &ShareRow, ticket: &str) -> Result<bool> {
    let Some((until, given)) = ticket.split_once('.') else { return Ok(false) };
    let (Ok(until), Ok(given)) = (until.parse::<i64>(), hex::decode(given)) else { return Ok(false) };
    let signature = signature(app, share, until)?;
    let is_ours = signature.is_some_and(|signature| signature.verify_slice(&given).is_ok());
    Ok(is_ours && until > app.clock.now().timestamp())
}

async fn find_unlocked(app: &App, hash: &[u8], proof: Proof, address: Option<IpAddr>) -> Result<Known> {
    let (hash, now) = (hash.to_vec(), app.clock.now());
    let known = app.db.run(move |conn| living(conn, &hash, now)).await?;
    let Some(password_hash) = known.share.password_hash.clone() else { return Ok(known) };
    let password = match proof {
        Proof::Password(password) => password,
        Proof::Ticket(ticket) if holds(app, &known.share, &ticket)? => return Ok(known),
        Proof::Ticket(_) => return Err(Error::Unauthenticated),
    };
    // Counted before it is looked at, so that guesses at the same moment are all counted.
    let attempt = match address {
        Some(address) => Some(throttle::attempt(app, &format!("share {}", known.share.id), address).await?),
        None => None,
    };
    let is_right = if password.expose_secret().len() <= PASSWORD_MAX_BYTES {
        app.passwords.verify(password, Some(password_hash)).await
    } else {
        Ok(false)
    };
    if throttle::judged(app, attempt, is_right).await? {
        return Ok(known);
    }
    let subject = subject(known.share.batch_id, known.share.attachment_id);
    let details = json!({ "share": known.share.id });
    app.db
        .run(move |conn| {
            audit::record(conn, now, &Actor::visitor(address), "share.refused", subject, details)
        })
        .await?;
    Err(Error::Unauthenticated)
}

/// Opens a file of the link and counts the download. The permit is to be held until the file is delivered.
///
/// # Errors
/// As [`unlock`]; [`Error::NotFound`] when the link is used up, [`Error::TooMany`] when too many files are on their
/// way by it; as [`attachments::open`] for the bytes.
pub async fn download(
    app: &Arc<App>,
    token: &str,
    proof: Proof,
    file: Option<Uuid>,
    address: Option<IpAddr>,
) -> Result<(Opened, Permit)> {
    let hash = hash(token);
    let known = find_unlocked(app, &hash, proof, address).await?;
    let (id, batch_id) = (known.share.id, known.share.batch_id);
    let wanted = match (known.share.attachment_id, file) {
        (Some(own), _) => own,
        (None, Some(chosen)) => chosen,
        (None, None) => return Err(Error::invalid("file", "Choose a file.")),
    };
    let permit = app.limits.visits.acquire(&[LimitKey::Link(id)])?;
    // Opened first: a file that cannot be read costs no download.
    let opened = attachments::open_in_batch(app, batch_id, wanted).await?;
    let now = app.clock.now();
    let details = json!({ "share": id, "filename": opened.row.original_name });
    app.db
        .transaction(move |conn| {
            count(conn, &hash, id, now)?;
            let subject = Subject::Attachment { id: wanted, batch: batch_id };
            audit::record(conn, now, &Actor::visitor(address), "share.download", subject, details)
        })
        .await?;
    Ok((opened, permit))
}

/// The archive of a whole batch, which counts as one download.
///
/// # Errors
/// As [`download`]; [`Error::NotFound`] also for a link to one file, and where no file can be had.
pub async fn archive(app: &App, token: &str, proof: Proof, address: Option<IpAddr>) -> Result<Archive> {
    let hash = hash(token);
    let known = find_unlocked(app, &hash, proof, address).await?;
    if known.share.attachment_id.is_some() {
        return Err(Error::NotFound);
    }
    let (id, batch, site) = (known.share.id, known.share.batch_id, known.site_id);
    let network = address.map(|address| LimitKey::Network(throttle::network_of(address)));
    let keys: Vec<LimitKey> = network.into_iter().chain([LimitKey::Link(id)]).collect();
    let permit = app.limits.archives.acquire(&keys)?;
    let contents = archive::contents(app, batch, None, Reader::Visitor).await?;
    let asked = hash.clone();
    // That the time or the number of downloads runs out meanwhile takes nothing from a download that counts.
    let watch = Watch::new(move |conn, _| still_given(conn, &asked).map(drop));
    let (archive, parts) = contents.finish(&known.batch_number, app.clock.now(), watch);
    if archive.files.is_empty() {
        return Err(Error::NotFound);
    }
    let now = archive.made_at;
    let details = json!({ "share": id, "files": archive.files.len(), "bytes": archive.bytes() });
    app.db
        .transaction(move |conn| {
            count(conn, &hash, id, now)?;
            ledger::record(conn, now, Op::Download, site, &parts)?;
            let subject = Subject::Batch(batch);
            audit::record(conn, now, &Actor::visitor(address), "share.archive", subject, details)
        })
        .await?;
    Ok(Archive { permit: Some(permit), ..archive })
}

/// Counts a download, unless the link is over by now or used up.
fn count(conn: &mut PgConnection, hash: &[u8], id: Uuid, now: DateTime<Utc>) -> Result<()> {
    // Once more, in the moment that counts.
    living(conn, hash, now)?;
    if db::shares::count_download(conn, id, now)? { Ok(()) } else { Err(Error::NotFound) }
}

/// The link behind a token's hash, if it still opens something.
fn living(conn: &mut PgConnection, hash: &[u8], now: DateTime<Utc>) -> Result<Known> {
    let known = still_given(conn, hash)?;
    let share = &known.share;
    let is_used_up = share.max_downloads.is_some_and(|max| share.downloads >= max);
    if is_used_up || share.expires_at <= now { Err(Error::NotFound) } else { Ok(known) }
}

/// The link, if nobody ended it and its maker could still hand out what it leads to.
fn still_given(conn: &mut PgConnection, hash: &[u8]) -> Result<Known> {
    let known = db::shares::find(conn, hash)?.ok_or(Error::NotFound)?;
    let share = &known.share;
    let role: Role = known.maker_role.parse()?;
    let maker = Actor::user(share.created_by, known.maker.clone(), role, known.maker_sites.clone(), None);
    let may_share =
        known.maker_disabled_at.is_none() && maker.may(Action::Share, Resource::Site(known.site_id));
    if share.revoked_at.is_some() || !may_share || known.batch_trashed_at.is_some() {
        return Err(Error::NotFound);
    }
    if let Some(id) = share.attachment_id {
        let found = db::attachments::find(conn, id)?;
        attachments::living(&maker, Action::Share, found)?;
    }
    Ok(known)
}
