//! The admin's pages: a file of handlers per resource. Their tabs are in `view/admin.rs`.

pub mod audit;
pub mod doctor;
pub mod jobs;
pub mod prices;
pub mod quarantine;
pub mod settings;
pub mod shares;
pub mod sites;
pub mod stats;
pub mod storage;
pub mod trash;
pub mod two_factor;
pub mod user;
pub mod users;

use actix_web::{HttpRequest, http::StatusCode};

use super::{
    frame,
    view::frame::{Frame, Place},
};
use crate::{
    error::{Error, FieldError, Result},
    web::extract::CurrentUser,
};

/// The frame of an admin page.
fn admin_frame(req: &HttpRequest, by: &CurrentUser, title: impl Into<String>) -> Frame {
    frame(req, by, title, Place::Admin)
}

/// What a person can mend in the form they sent, with the status of the answer: input that will not do, and the
/// `conflicts` that are about one field. Everything else goes on.
fn mendable(error: Error, conflicts: &[(&str, &'static str)]) -> Result<(StatusCode, Vec<FieldError>)> {
    match error {
        Error::Invalid(problems) => Ok((StatusCode::UNPROCESSABLE_ENTITY, problems)),
        Error::Conflict { code, message } => match conflicts.iter().find(|(known, _)| *known == code) {
            Some((_, field)) => Ok((StatusCode::CONFLICT, vec![FieldError::new(field, message)])),
            None => Err(Error::Conflict { code, message }),
        },
        other => Err(other),
    }
}
