//! A batch on legal hold, and off it.

use actix_web::web;

use super::see_other;
use crate::{
    domain::hold,
    web::{
        error::WebResult,
        extract::{self, Parts, Posted},
        flash::Flash,
    },
};

/// `POST /batches/{id}/hold`
pub async fn hold(app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    let reason = form.fields.text("reason");
    let batch = hold::hold(&app, &form.by.actor, extract::id(&path)?, reason).await?;
    Flash::done(format!("{} is on hold. Nothing of it can be deleted", batch.number)).keep(&form.by.session);
    Ok(see_other(format!("/batches/{}", batch.id)))
}

/// `POST /batches/{id}/release`
pub async fn release(app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    let batch = hold::release(&app, &form.by.actor, extract::id(&path)?).await?;
    Flash::done(format!("Released {}", batch.number)).keep(&form.by.session);
    Ok(see_other(format!("/batches/{}", batch.id)))
}
