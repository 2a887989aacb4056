//! What handlers take in. The order of the contract is kept here: authentication, then origin and CSRF token,
//! and only then the domain's own checks. A handler cannot get at a form's fields, or at an upload, past them.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use actix_multipart::Multipart;
use actix_session::{Session, SessionExt};
use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use uuid::Uuid;

use super::{
    client, csrf,
    error::WebError,
    session::{self, SignedIn},
};
use crate::{
    app::App,
    domain::access::Actor,
    error::{Error, Result},
};

/// Largest plain form, in bytes.
pub const FORM_LIMIT: usize = 256 * 1024;

/// A plain form must arrive within this time: who sends it byte by byte must not hold a place for ever.
const FORM_TIME: Duration = Duration::from_secs(20);

type Extracting<T> = Pin<Box<dyn Future<Output = Result<T, WebError>>>>;

/// The app's parts.
pub type Parts = web::Data<App>;

/// Somebody who is signed in.
#[derive(Clone)]
pub struct CurrentUser {
    pub user: SignedIn,
    pub actor: Actor,
    pub session: Session,
}

impl CurrentUser {
    fn of(req: &HttpRequest) -> Result<Self> {
        if session::is_unknown(req) {
            return Err(Error::database_busy());
        }
        let user = session::signed_in(req).ok_or(Error::Unauthenticated)?;
        let address = client::address(req, &parts(req)?.config.trusted_proxies);
        let actor = Actor::user(user.id, user.display_name.clone(), user.role, user.sites.clone(), address);
        Ok(Self { user, actor, session: req.get_session() })
    }
}

impl FromRequest for CurrentUser {
    type Error = WebError;
    type Future = std::future::Ready<Result<Self, WebError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Self::of(req).map_err(WebError::from))
    }
}

/// The fields of a plain form, in the order they were sent.
#[derive(Default)]
pub struct Fields(Vec<(String, String)>);

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

    async fn read(req: &HttpRequest, payload: &mut Payload) -> Result<Self> {
        if req.headers().get(actix_web::http::header::CONTENT_TYPE).is_none() {
            return Ok(Self::default());
        }
        let reading = web::Form::<Vec<(String, String)>>::from_request(req, payload);
        match tokio::time::timeout(FORM_TIME, reading).await {
            Ok(Ok(form)) => Ok(Self(form.into_inner())),
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
            csrf::check_origin(&req, &parts(&req)?.config.public_url)?;
            let fields = Fields::read(&req, &mut payload).await?;
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
            let fields = Fields::read(&req, &mut payload).await?;
            fields.check(&req, &session)?;
            Ok(Self { session, fields })
        })
    }
}

/// Files that somebody who is signed in sends. The CSRF token is in the header or in the first field; the
/// latter is checked by whoever reads the parts, against [`Upload::expected_token`].
pub struct Upload {
    pub by: CurrentUser,
    pub multipart: Multipart,
    /// `None` once the header has proven the token.
    pub expected_token: Option<String>,
}

impl FromRequest for Upload {
    type Error = WebError;
    type Future = std::future::Ready<Result<Self, WebError>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let extract = |payload: Payload| -> Result<Self> {
            let by = CurrentUser::of(req)?;
            csrf::check_origin(req, &parts(req)?.config.public_url)?;
            let expected = session::csrf_token(&by.session);
            let expected_token = match csrf::in_header(req.headers()) {
                Some(given) => {
                    csrf::check_token(given, &expected)?;
                    None
                }
                None => Some(expected),
            };
            Ok(Self { by, multipart: Multipart::new(req.headers(), payload), expected_token })
        };
        std::future::ready(extract(payload.take()).map_err(WebError::from))
    }
}

/// Somebody who is signed in and writes without a form: the CSRF token is in the header, and the body, whatever
/// it is, is still unread.
pub struct Writer(pub CurrentUser);

impl FromRequest for Writer {
    type Error = WebError;
    type Future = std::future::Ready<Result<Self, WebError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let extract = || -> Result<Self> {
            let by = CurrentUser::of(req)?;
            csrf::check_origin(req, &parts(req)?.config.public_url)?;
            let given = csrf::in_header(req.headers()).unwrap_or_default();
            csrf::check_token(given, &session::csrf_token(&by.session))?;
            Ok(Self(by))
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
