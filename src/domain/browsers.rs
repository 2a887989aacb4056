//! Browsers that people signed in with before, known by a cookie (OWASP's "device cookies").
//!
//! Guessing at an account is slowed down by network, so that whoever shares a network with a stranger would wait with
//! them. A browser that somebody of the account used before has a count of its own instead: nobody else's attempts keep
//! its owner out, and it guesses no faster than any other.
//!
//! The cookie names the browser and the accounts it is known to, signed; nothing of it is in the database. It opens
//! nothing. A browser's name never changes: at a shared terminal, each sign-in would else begin a new count for the
//! accounts of all others.

use std::net::IpAddr;

use chrono::TimeDelta;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use uuid::Uuid;

use crate::{app::App, error::Result};

/// How long a browser is known after a sign-in: browsers keep no cookie for longer.
pub const LIFE: TimeDelta = TimeDelta::days(400);
/// How many accounts one browser is known to; the one that was not used for the longest time goes first.
const MOST: usize = 16;

/// Who asks to be let in, as far as it can be told before they are.
pub struct Visitor {
    pub address: Option<IpAddr>,
    /// The cookie that [`remember`] made.
    pub cookie: Option<String>,
}

/// What a cookie says.
struct Known {
    browser: String,
    /// Accounts and the second at which each is forgotten, the latest first.
    accounts: Vec<(Uuid, i64)>,
}

/// The name of the visitor's browser, if somebody of this account signed in with it before.
pub(super) fn known_to(app: &App, visitor: &Visitor, account: Uuid) -> Option<String> {
    let known = read(app, visitor.cookie.as_deref()?)?;
    known.accounts.iter().any(|(id, _)| *id == account).then_some(known.browser)
}

/// The cookie for a browser that somebody just signed in with.
///
/// # Errors
/// None in practice: HMAC takes a key of any length.
pub fn remember(app: &App, visitor: &Visitor, account: Uuid) -> Result<String> {
    let known = visitor.cookie.as_deref().and_then(|cookie| read(app, cookie));
    let mut known = known
        .unwrap_or_else(|| Known { browser: hex::encode(rand::random::<[u8; 16]>()), accounts: Vec::new() });
    known.accounts.retain(|(id, _)| *id != account);
    known.accounts.insert(0, (account, (app.clock.now() + LIFE).timestamp()));
    known.accounts.truncate(MOST);
    let accounts: Vec<String> =
        known.accounts.iter().map(|(id, until)| format!("{}-{until}", id.simple())).collect();
    let text = format!("{}.{}", known.browser, accounts.join("."));
    let signature = hex::encode(mac(app, &text)?.finalize().into_bytes());
    Ok(format!("{text}.{signature}"))
}

/// What was signed here and is not too old.
fn read(app: &App, cookie: &str) -> Option<Known> {
    let (text, signature) = cookie.rsplit_once('.')?;
    mac(app, text).ok()?.verify_slice(&hex::decode(signature).ok()?).ok()?;
    let (browser, accounts) = text.split_once('.')?;
    let now = app.clock.now().timestamp();
    let accounts = accounts.split('.').filter_map(|entry| {
        let (id, until) = entry.split_once('-')?;
        Some((id.parse().ok()?, until.parse().ok()?))
    });
    let accounts = accounts.filter(|(_, until)| *until > now).collect();
    Some(Known { browser: browser.to_owned(), accounts })
}

fn mac(app: &App, text: &str) -> Result<Hmac<Sha256>> {
    app.mac("known browser", text)
}
