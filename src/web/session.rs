//! Sessions: actix-session in front of our own store.
//!
//! A visitor who is not signed in gets a session that is nothing but a CSRF token inside the encrypted cookie,
//! so that strangers cannot fill the database. Who signs in gets a row, under the hash of a random key. Loading
//! it reads the user as they are at that moment: a changed role, a lost site or a disabled account takes effect
//! with the next request, on every instance.

use std::{collections::HashMap, sync::Arc};

use actix_session::{
    Session, SessionExt, SessionMiddleware,
    config::{BrowserSession, CookieContentSecurity},
    storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError},
};
use actix_web::{
    HttpRequest,
    cookie::{Key, SameSite, time},
    http::header,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{client, csrf};
use crate::{
    app::App,
    domain::{
        access::Role,
        second_rule,
        session_store::{self, NewSession},
        users::UserRow,
    },
    error::{Error, Result as OurResult},
};

/// Entries of the state.
const CSRF: &str = "csrf";
const USER_ID: &str = "user_id";
/// Filled in at each load from the user's row, never stored.
const USER: &str = "user";
/// What a new session's row says of where it was begun; columns of their own, not part of its state.
const USER_AGENT: &str = "user_agent";
const ADDRESS: &str = "address";
/// Which password a new session was begun with, by the time it was set: one that was replaced meanwhile, while
/// the old one was still being verified, begins nothing.
const PASSWORD: &str = "password";
/// Longest `User-Agent` that is kept, in bytes.
const USER_AGENT_MAX: usize = 400;

/// Stands in a session that could not be loaded, so that nobody is taken for a stranger meanwhile.
const UNKNOWN: &str = "unknown";

/// Keys of sessions that have no row begin so; the CSRF token follows.
const STRANGER: &str = "stranger.";

/// Who is signed in, as of this request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SignedIn {
    /// The public name of this session.
    pub session_id: Uuid,
    pub id: Uuid,
    pub username: String,
    pub display_name: String,
    pub role: Role,
    pub sites: Vec<Uuid>,
    /// Needs a second factor, has none, and can do nothing but turn it on.
    pub must_enrol: bool,
}

/// The middleware, with the cookie that the contract describes.
pub fn middleware(app: &Arc<App>) -> SessionMiddleware<Store> {
    let https = app.config.served_over_https();
    let name = if https { "__Host-stillage" } else { "stillage" };
    let key = Key::derive_from(&app.session_key);
    SessionMiddleware::builder(Store { app: Arc::clone(app) }, key)
        .cookie_name(name.to_owned())
        .cookie_secure(https)
        .cookie_http_only(true)
        .cookie_same_site(SameSite::Lax)
        .cookie_path("/".to_owned())
        .cookie_content_security(CookieContentSecurity::Private)
        .session_lifecycle(BrowserSession::default())
        .build()
}

/// Whether the database did not answer when the session was loaded.
pub fn is_unknown(req: &HttpRequest) -> bool {
    req.get_session().contains_key(UNKNOWN)
}

/// Who is signed in, if somebody is.
pub fn signed_in(req: &HttpRequest) -> Option<SignedIn> {
    req.get_session().get(USER).ok().flatten()
}

/// The session's CSRF token; a stranger's first one is made here.
pub fn csrf_token(session: &Session) -> String {
    if let Ok(Some(token)) = session.get::<String>(CSRF) {
        return token;
    }
    let token = csrf::new_token();
    insert(session, CSRF, &token);
    token
}

/// Signs `user` in: a new key, a new token, nothing kept from before.
pub fn begin(req: &HttpRequest, app: &App, user: &UserRow) {
    let session = req.get_session();
    session.clear();
    session.renew();
    insert(&session, USER_ID, &user.id);
    insert(&session, CSRF, &csrf::new_token());
    let agent = req.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or("");
    insert(&session, USER_AGENT, &agent.get(..USER_AGENT_MAX).unwrap_or(agent));
    let address = client::address(req, &app.config.trusted_proxies);
    insert(&session, ADDRESS, &address.map(|address| address.to_string()).unwrap_or_default());
    insert(&session, PASSWORD, &session_store::password_mark(user));
}

/// Ends the session here and in the database.
pub fn end(session: &Session) {
    session.purge();
}

/// Strings and plain structs always serialise; a failure would be a bug, and loses no more than this entry.
pub fn insert<T: Serialize>(session: &Session, key: &str, value: &T) {
    if let Err(error) = session.insert(key, value) {
        tracing::error!(%error, key, "a session entry was not kept");
    }
}

type State = HashMap<String, String>;

pub struct Store {
    app: Arc<App>,
}

impl Store {
    fn row_state(state: &State) -> Value {
        state
            .iter()
            .filter(|(key, _)| ![USER, USER_AGENT, ADDRESS, PASSWORD].contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), Value::from(value.as_str())))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    fn entry<T: DeserializeOwned>(state: &State, key: &str) -> Option<T> {
        serde_json::from_str(state.get(key)?).ok()
    }

    async fn load_row(&self, key_hash: Vec<u8>) -> OurResult<Option<State>> {
        let Some(live) = session_store::load(&self.app, key_hash).await? else { return Ok(None) };
        let user = SignedIn {
            must_enrol: second_rule::is_missing(&live)?,
            session_id: live.id,
            id: live.user_id,
            username: live.username,
            display_name: live.display_name,
            role: live.role.parse()?,
            sites: live.sites,
        };
        let mut state: State = serde_json::from_value(live.state).map_err(Error::internal)?;
        state.insert(USER.to_owned(), serde_json::to_string(&user).map_err(Error::internal)?);
        Ok(Some(state))
    }
}

impl SessionStore for Store {
    async fn load(&self, key: &SessionKey) -> Result<Option<State>, LoadError> {
        if let Some(token) = key.as_ref().strip_prefix(STRANGER) {
            let token = Value::from(token).to_string();
            return Ok(Some(HashMap::from([(CSRF.to_owned(), token)])));
        }
        // An error here would leave the client without a page and without a request id.
        Ok(self.load_row(hash(key)).await.unwrap_or_else(|error| {
            tracing::error!(error = ?error, "a session could not be loaded");
            Some(HashMap::from([(UNKNOWN.to_owned(), "true".to_owned())]))
        }))
    }

    async fn save(&self, state: State, _ttl: &time::Duration) -> Result<SessionKey, SaveError> {
        let other = |error: anyhow::Error| SaveError::Other(error);
        let key = match Self::entry::<Uuid>(&state, USER_ID) {
            None => {
                let token = state.get(CSRF).and_then(|token| serde_json::from_str::<String>(token).ok());
                format!("{STRANGER}{}", token.unwrap_or_else(csrf::new_token))
            }
            Some(user_id) => {
                let key = hex::encode(rand::random::<[u8; 32]>());
                let text = |name: &str| Self::entry::<String>(&state, name).unwrap_or_default();
                let new = NewSession {
                    key_hash: Sha256::digest(&key).to_vec(),
                    user_id,
                    password: Self::entry(&state, PASSWORD).flatten(),
                    user_agent: text(USER_AGENT),
                    address: text(ADDRESS),
                    state: Self::row_state(&state),
                };
                session_store::begin(&self.app, new).await.map_err(|error| other(error.into()))?;
                key
            }
        };
        key.try_into().map_err(|error| other(anyhow::anyhow!("{error}")))
    }

    async fn update(
        &self,
        key: SessionKey,
        state: State,
        ttl: &time::Duration,
    ) -> Result<SessionKey, UpdateError> {
        let other = |error: anyhow::Error| UpdateError::Other(error);
        if key.as_ref().starts_with(STRANGER) {
            return self.save(state, ttl).await.map_err(|error| other(error.into()));
        }
        if state.contains_key(UNKNOWN) {
            return Ok(key);
        }
        session_store::update(&self.app, hash(&key), Self::row_state(&state))
            .await
            .map_err(|error| other(error.into()))?;
        Ok(key)
    }

    async fn update_ttl(&self, _key: &SessionKey, _ttl: &time::Duration) -> Result<(), anyhow::Error> {
        // Idle time is counted in `load`, which sees every request.
        Ok(())
    }

    async fn delete(&self, key: &SessionKey) -> Result<(), anyhow::Error> {
        if key.as_ref().starts_with(STRANGER) {
            return Ok(());
        }
        Ok(session_store::end(&self.app, hash(key)).await?)
    }
}

fn hash(key: &SessionKey) -> Vec<u8> {
    Sha256::digest(key.as_ref()).to_vec()
}
