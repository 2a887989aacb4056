//! A new batch as it arrives: JSON, a plain form, or multipart with its first files. Only the fields that are for
//! clients are looked at.

use std::{future::Future, pin::Pin};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::{JsonBody, Payload},
};
use tokio::time::timeout;

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
        extract::{CurrentUser, FORM_LIMIT, FORM_TIME, Fields, Parts},
        multipart::{GuardedForm, Part},
        shorten::shorten,
        transfer::upload::{Outcome, Outcomes},
    },
};

pub struct NewBatchBody {
    pub by: CurrentUser,
    pub input: Input,
}

pub enum Input {
    Draft(Draft),
    Form(Box<GuardedForm>),
}

/// The fields of a form, as those of [`BatchInput`].
const FIELDS: &[&str] = &["number", "product", "notes", "site_id"];

/// An error of the JSON parser may repeat what it found; so many characters of it are enough.
const JSON_ERROR_CHARS: usize = 200;

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
            if expected_token.is_none() {
                batches::check_may_create(&by.actor)?;
            }
            let input = match (req.content_type(), expected_token) {
                ("multipart/form-data", expected_token) => {
                    Input::Form(Box::new(GuardedForm::new(req.headers(), payload, expected_token, FIELDS)))
                }
                ("application/json", None) => Input::Draft(json(&req, &mut payload).await?.into()),
                ("application/x-www-form-urlencoded", expected_token) => {
                    let fields = Fields::read(&req, &mut payload, FORM_LIMIT).await?;
                    if let Some(expected) = expected_token {
                        csrf::check_token(fields.text(csrf::FIELD), &expected)?;
                        batches::check_may_create(&by.actor)?;
                    }
                    for name in FIELDS {
                        if fields.all(name).nth(1).is_some() {
                            return Err(Error::BadRequest(
                                format!("The field {name} is there twice.").into(),
                            )
                            .into());
                        }
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

/// At most [`FORM_LIMIT`] bytes within [`FORM_TIME`].
async fn json(req: &HttpRequest, payload: &mut Payload) -> Result<BatchInput> {
    let reading = JsonBody::<BatchInput>::new(req, payload, None, true).limit(FORM_LIMIT);
    let reason = match timeout(FORM_TIME, reading).await {
        Ok(Ok(input)) => return Ok(input),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "it did not come in time".to_owned(),
    };
    let reason = shorten(&reason, JSON_ERROR_CHARS);
    Err(Error::BadRequest(format!("The JSON cannot be read: {reason}.").into()))
}

/// Reads a form part by part: the fields make the batch, then the files go into it.
///
/// # Errors
/// What keeps the batch from being made; afterwards each file has a result of its own.
pub async fn receive(
    app: &Parts,
    by: &CurrentUser,
    mut form: GuardedForm,
) -> Result<(BatchRow, Vec<Outcome>)> {
    let received = receive_parts(app, by, &mut form).await;
    form.drain().await;
    received
}

async fn receive_parts(
    app: &Parts,
    by: &CurrentUser,
    form: &mut GuardedForm,
) -> Result<(BatchRow, Vec<Outcome>)> {
    form.prove().await?;
    batches::check_may_create(&by.actor)?;
    let mut fields = Fields::default();
    let mut made: Option<(BatchRow, Intake)> = None;
    let mut outcomes = Outcomes::default();
    loop {
        let filename = match (form.next().await, &made) {
            (Ok(Some(Part::File(filename))), _) => filename,
            (Ok(Some(Part::Field(name, value))), None) => {
                fields.add(name.to_owned(), value);
                continue;
            }
            // Too late: the batch is there.
            (Ok(Some(Part::Field(..))), Some(_)) => continue,
            (Ok(None), _) => break,
            // The batch is there: what broke off afterwards is reported as a file that was not stored.
            (Err(error), Some(_)) => {
                outcomes.broke_off(error)?;
                break;
            }
            (Err(error), None) => return Err(error),
        };
        let (_, intake) = match &made {
            Some(made) => made,
            None => {
                let batch = Draft::of(&fields).create(app, &by.actor).await?;
                let intake = Intake::open(app, &by.actor, batch.id).await?;
                made.insert((batch, intake))
            }
        };
        outcomes.store(app, intake, filename, form).await;
    }
    match made {
        Some((batch, _)) => Ok((batch, outcomes.into_vec())),
        None => Ok((Draft::of(&fields).create(app, &by.actor).await?, Vec::new())),
    }
}
