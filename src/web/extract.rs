//! What handlers take in. The order of the contract is kept here: authentication, then origin and CSRF token,
//! and only then the domain's own checks. A handler cannot get at a form's fields, or at an upload, past them.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use actix_session::{Session, SessionExt};
use actix_web::{
    FromRequest, HttpRequest,
    dev::{Payload, UrlEncoded},
    web,
};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, SeqAccess, Visitor},
};
use uuid::Uuid;

use super::{
    bearer::{self, Bearer},
    client, connections, csrf,
    error::WebError,
    multipart::{self, GuardedForm},
    session::{self, SignedIn},
};
use crate::{
    app::App,
    domain::{access::Actor, limits::LimitKey},
    error::{Error, Result},
};

/// Largest plain form or JSON of somebody who is signed in, in bytes.
pub const FORM_LIMIT: usize = multipart::FIELDS_MAX;

/// The same for forms that need no sign-in. The longest field is the address to go on to.
const PUBLIC_FORM_LIMIT: usize = 32 * 1024;

/// Fields of one plain form, or of one query string. The most that a page has is a box for each of its rows.
const FIELDS_MOST: usize = 2000;

/// A plain form must arrive within this time: who sends it byte by byte must not hold a place for ever.
pub const FORM_TIME: Duration = Duration::from_secs(20);

/// What somebody who still has to turn two-factor on can do.
const ENROLLING: [&str; 2] = ["/account/two-factor", "/account/two-factor/confirm"];

type Extracting<T> = Pin<Box<dyn Future<Output = Result<T, WebError>>>>;

/// The app's parts.
pub type Parts = web::Data<App>;

/// Somebody who is signed in, or who holds a token where one counts.
#[derive(Clone)]
pub struct CurrentUser {
    pub user: SignedIn,
    pub actor: Actor,
    pub session: Session,
    /// A script with an API token: no browser sends one by itself, so it needs no proof of where it comes from.
    pub by_token: bool,
}

impl CurrentUser {
    /// Who sends the request, which then holds one of their permits until its answer is delivered.
    fn of(req: &HttpRequest) -> Result<Self> {
        let current = Self::identify(req)?;
        let keys = Vec::from_iter(LimitKey::of(&current.actor));
        connections::hold(req, parts(req)?.limits.requests.acquire(&keys)?);
        Ok(current)
    }

    fn identify(req: &HttpRequest) -> Result<Self> {
        match bearer::of(req) {
            Bearer::None => Self::of_session(req),
            Bearer::Holder(holder) => {
                let user = SignedIn::from(&holder);
                let actor =
                    Self::actor(req, &user)?.within(holder.ceiling).through(holder.token_id, holder.token);
                Ok(Self { user, actor, session: req.get_session(), by_token: true })
            }
            Bearer::Refused => Err(Error::Unauthenticated),
            Bearer::Unknown => Err(Error::database_busy()),
        }
    }

    fn of_session(req: &HttpRequest) -> Result<Self> {
        if session::is_unknown(req) {
            return Err(Error::database_busy());
        }
        let user = session::signed_in(req).ok_or(Error::Unauthenticated)?;
        if user.must_enrol && !ENROLLING.contains(&req.path()) {
            return Err(Error::SecondFactorNeeded);
        }
        let actor = Self::actor(req, &user)?.in_session(user.session_id);
        Ok(Self { user, actor, session: req.get_session(), by_token: false })
    }

    fn actor(req: &HttpRequest, user: &SignedIn) -> Result<Actor> {
        let address = client::address(req, &parts(req)?.config.trusted_proxies);
        Ok(Actor::user(user.id, user.display_name.clone(), user.role, user.sites.clone(), address))
    }
}

impl CurrentUser {
    /// Checks where a write comes from, and the CSRF token when it is in the header; `None` once that is proven,
    /// else the token that the body has to bring.
    pub fn token_still_to_prove(&self, req: &HttpRequest) -> Result<Option<String>> {
        if self.by_token {
            return Ok(None);
        }
        csrf::check_origin(req, &parts(req)?.config.public_url)?;
        let expected = session::csrf_token(&self.session);
        match csrf::in_header(req.headers()) {
            Some(given) => csrf::check_token(given, &expected).map(|()| None),
            None => Ok(Some(expected)),
        }
    }
}

impl FromRequest for CurrentUser {
    type Error = WebError;
    type Future = std::future::Ready<Result<Self, WebError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Self::of(req).map_err(WebError::from))
    }
}

/// The fields of a plain form or a query string, in the order they were sent; at most `FIELDS_MOST`.
#[derive(Debug, Default)]
pub struct Fields(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, text: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(text, "at most {FIELDS_MOST} fields")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sent: A) -> Result<Fields, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = sent.next_element()? {
            if fields.len() == FIELDS_MOST {
                return Err(A::Error::invalid_length(FIELDS_MOST + 1, &self));
            }
            fields.push(field);
        }
        Ok(Fields(fields))
    }
}

impl Fields {
    /// A field's value; one that is missing is empty.
    pub fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value)
    }

    /// Every id under this name; what is no id becomes the nil one, which nothing has.
    pub fn ids(&self, name: &str) -> Vec<Uuid> {
        self.0
            .iter()
            .filter(|(field, _)| field == name)
            .map(|(_, value)| value.parse().unwrap_or_default())
            .collect()
    }

    /// Every value of a field that may stand there many times, such as boxes to tick.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// Sets a field that was read elsewhere.
    pub fn add(&mut self, name: String, value: String) {
        self.0.push((name, value));
    }

    /// Reads a plain form of at most `limit` bytes.
    pub(super) async fn read(req: &HttpRequest, payload: &mut Payload, limit: usize) -> Result<Self> {
        if req.headers().get(actix_web::http::header::CONTENT_TYPE).is_none() {
            return Ok(Self::default());
        }
        let reading = UrlEncoded::<Self>::new(req, payload).limit(limit);
        match tokio::time::timeout(FORM_TIME, reading).await {
            Ok(Ok(fields)) => Ok(fields),
            Err(_) | Ok(Err(_)) => {
                Err(Error::BadRequest("The form cannot be read. Load the page again and repeat.".into()))
            }
        }
    }

    /// Checks where the form came from, before anything else of it counts.
    fn check(&self, req: &HttpRequest, session: &Session) -> Result<()> {
        let given = csrf::in_header(req.headers()).unwrap_or_else(|| self.text(csrf::FIELD));
        csrf::check_token(given, &session::csrf_token(session))
    }
}

/// A form that somebody who is signed in sent from one of our pages.
pub struct Posted {
    pub by: CurrentUser,
    pub fields: Fields,
}

impl FromRequest for Posted {
    type Error = WebError;
    type Future = Extracting<Self>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (req, mut payload) = (req.clone(), payload.take());
        Box::pin(async move {
            let by = CurrentUser::of(&req)?;
            if by.by_token {
                let fields = Fields::read(&req, &mut payload, FORM_LIMIT).await?;
                return Ok(Self { by, fields });
            }
            csrf::check_origin(&req, &parts(&req)?.config.public_url)?;
            let fields = Fields::read(&req, &mut payload, FORM_LIMIT).await?;
            fields.check(&req, &by.session)?;
            Ok(Self { by, fields })
        })
    }
}

/// A form from one of our pages that needs no sign-in: login, set-up, logout.
pub struct PublicForm {
    pub session: Session,
    pub fields: Fields,
}

impl FromRequest for PublicForm {
    type Error = WebError;
    type Future = Extracting<Self>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (req, mut payload) = (req.clone(), payload.take());
        Box::pin(async move {
            csrf::check_origin(&req, &parts(&req)?.config.public_url)?;
            let session = req.get_session();
            let fields = Fields::read(&req, &mut payload, PUBLIC_FORM_LIMIT).await?;
            fields.check(&req, &session)?;
            Ok(Self { session, fields })
        })
    }
}

/// Files that a signed-in user sends, in a form without other fields than the CSRF token.
pub struct Upload {
    pub by: CurrentUser,
    pub form: GuardedForm,
}

impl FromRequest for Upload {
    type Error = WebError;
    type Future = std::future::Ready<Result<Self, WebError>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let extract = |payload: Payload| -> Result<Self> {
            let by = CurrentUser::of(req)?;
            let expected_token = by.token_still_to_prove(req)?;
            let form = GuardedForm::new(req.headers(), payload, expected_token, &[]);
            Ok(Self { by, form })
        };
        std::future::ready(extract(payload.take()).map_err(WebError::from))
    }
}

/// Somebody who is signed in and writes without a form: the CSRF token is in the header, and the body, whatever
/// it is, is still unread. Scripts with an API token need none.
pub struct Writer(pub CurrentUser);

impl FromRequest for Writer {
    type Error = WebError;
    type Future = std::future::Ready<Result<Self, WebError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let extract = || -> Result<Self> {
            let by = CurrentUser::of(req)?;
            // A body without fields can bring no token.
            if by.token_still_to_prove(req)?.is_some() { Err(Error::Csrf) } else { Ok(Self(by)) }
        };
        std::future::ready(extract().map_err(WebError::from))
    }
}

/// The id in an address; what is no id is not there.
pub fn id(text: &str) -> Result<Uuid> {
    text.parse().map_err(|_| Error::NotFound)
}

fn parts(req: &HttpRequest) -> Result<Arc<App>> {
    req.app_data::<Parts>()
        .map(|parts| Arc::clone(parts))
        .ok_or_else(|| Error::Internal(anyhow::anyhow!("the app is not attached to the server")))
}
