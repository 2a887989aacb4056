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
    view::{
        self,
        frame::{Frame, Place},
    },
};
use crate::{
    domain::findings::{self, Findings},
    error::{Error, FieldError, Result},
    web::extract::{CurrentUser, Parts},
};

/// The frame of an admin page, which tells of malware that nobody has dealt with.
async fn admin_frame(req: &HttpRequest, by: &CurrentUser, title: impl Into<String>) -> Frame {
    let frame = frame(req, by, title, Place::Admin);
    let Some(app) = req.app_data::<Parts>() else { return frame };
    match findings::count(app, &by.actor).await {
        Ok(Findings { locked, unseen, recent }) => {
            Frame { findings: Some(view::frame::Findings { locked, unseen, recent }), ..frame }
        }
        // The page itself is worth more than the number beside its tab.
        Err(error) => {
            tracing::error!(error = ?error, "the findings of malware could not be counted");
            frame
        }
    }
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
