//! A new batch as it arrives: JSON, a plain form, or multipart with its first files. Only the fields that are for
//! clients are looked at.

use std::{future::Future, pin::Pin};

use actix_multipart::Multipart;
use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, web};

use super::types::BatchInput;
use crate::{
    domain::{
        access::Actor,
        batches::{self, BatchRow, Details},
        intake::Intake,
    },
    error::{Error, Result},
    web::{
        csrf,
        error::WebError,
        extract::{CurrentUser, Fields, Parts},
        transfer::upload::{self, MAX_FILES, Outcome, Sent},
    },
};

pub struct NewBatchBody {
    pub by: CurrentUser,
    pub input: Input,
}

pub enum Input {
    Draft(Draft),
    Parts {
        multipart: Multipart,
        /// `None` once the CSRF token is proven.
        expected_token: Option<String>,
    },
}

/// What a client says of a new batch, unchecked.
pub struct Draft {
    site_id: String,
    details: Details,
}

impl Draft {
    fn of(fields: &Fields) -> Self {
        let text = |name| fields.text(name).to_owned();
        let details = Details { number: text("number"), product: text("product"), notes: text("notes") };
        Self { site_id: text("site_id"), details }
    }

    pub async fn create(self, app: &Parts, actor: &Actor) -> Result<BatchRow> {
        let site_id = match self.site_id.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| Error::invalid("site_id", "Choose one of your sites."))?),
        };
        batches::create(app, actor, site_id, self.details).await
    }
}

impl From<BatchInput> for Draft {
    fn from(input: BatchInput) -> Self {
        let BatchInput { number, product, notes, site_id } = input;
        Self { site_id: site_id.unwrap_or_default(), details: Details { number, product, notes } }
    }
}

impl FromRequest for NewBatchBody {
    type Error = WebError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, WebError>>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (req, mut payload) = (req.clone(), payload.take());
        Box::pin(async move {
            let by = CurrentUser::extract(&req).await?;
            let expected_token = by.token_still_to_prove(&req)?;
            let input = match (req.content_type(), expected_token) {
                ("multipart/form-data", expected_token) => {
                    Input::Parts { multipart: Multipart::new(req.headers(), payload), expected_token }
                }
                ("application/json", None) => Input::Draft(json(&req, &mut payload).await?.into()),
                ("application/x-www-form-urlencoded", expected_token) => {
                    let fields = Fields::read(&req, &mut payload).await?;
                    if let Some(expected) = expected_token {
                        csrf::check_token(fields.text(csrf::FIELD), &expected)?;
                    }
                    Input::Draft(Draft::of(&fields))
                }
                (_, Some(_)) => return Err(Error::Csrf.into()),
                (_, None) => {
                    return Err(
                        Error::BadRequest("Send JSON, or a form as multipart/form-data.".into()).into()
                    );
                }
            };
            Ok(Self { by, input })
        })
    }
}

async fn json(req: &HttpRequest, payload: &mut Payload) -> Result<BatchInput> {
    let read = web::Json::<BatchInput>::from_request(req, payload).await;
    read.map(web::Json::into_inner)
        .map_err(|error| Error::BadRequest(format!("The JSON cannot be read: {error}.").into()))
}

/// Reads a form part by part: the fields make the batch, then the files go into it.
///
/// # Errors
/// What keeps the batch from being made; afterwards each file has an outcome of its own.
pub async fn receive(
    app: &Parts,
    by: &CurrentUser,
    expected_token: Option<String>,
    multipart: Multipart,
) -> Result<(BatchRow, Vec<Outcome>)> {
    let mut parts = Sent::new(multipart);
    let received = receive_parts(app, by, expected_token, &mut parts).await;
    if received.is_err() {
        parts.drain().await;
    }
    received
}

async fn receive_parts(
    app: &Parts,
    by: &CurrentUser,
    mut expected_token: Option<String>,
    parts: &mut Sent,
) -> Result<(BatchRow, Vec<Outcome>)> {
    let mut fields = Fields::default();
    let mut made: Option<(BatchRow, Intake)> = None;
    let mut outcomes = Vec::new();
    loop {
        let mut part = match (parts.next().await, &made) {
            (Ok(Some(part)), _) => part,
            (Ok(None), _) => break,
            // The batch is there: what broke off afterwards is told as a file that was not stored.
            (Err(error), Some(_)) => {
                outcomes.push(Outcome { filename: String::new(), result: Err(error) });
                break;
            }
            (Err(error), None) => return Err(if expected_token.is_some() { Error::Csrf } else { error }),
        };
        let Some(filename) = upload::filename_of(&part.field) else {
            let name = part.field.name().unwrap_or_default().to_owned();
            match (name.as_str(), &expected_token) {
                (csrf::FIELD, Some(expected)) => {
                    csrf::check_token(&upload::text(&mut part).await?, expected)?;
                    expected_token = None;
                }
                ("number" | "product" | "notes" | "site_id", None) if made.is_none() => {
                    fields.add(name, upload::text(&mut part).await?);
                }
                (_, Some(_)) => return Err(Error::Csrf),
                (_, None) => parts.skip(&mut part).await?,
            }
            continue;
        };
        if expected_token.is_some() {
            return Err(Error::Csrf);
        }
        let (_, intake) = match &made {
            Some(made) => made,
            None => {
                let batch = Draft::of(&fields).create(app, &by.actor).await?;
                let intake = Intake::open(app, &by.actor, batch.id).await?;
                made.insert((batch, intake))
            }
        };
        let result = if outcomes.len() < MAX_FILES {
            upload::store(intake, &filename, &mut part).await
        } else {
            Err(upload::too_many_files())
        };
        if let Err(error) = &result {
            app.metrics.refused(error.code());
        }
        let is_stored = result.is_ok();
        outcomes.push(Outcome { filename, result });
        if !is_stored && parts.skip(&mut part).await.is_err() {
            break;
        }
    }
    match made {
        _ if expected_token.is_some() => Err(Error::Csrf),
        Some((batch, _)) => Ok((batch, outcomes)),
        None => Ok((Draft::of(&fields).create(app, &by.actor).await?, outcomes)),
    }
}
