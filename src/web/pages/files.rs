//! What can be done to many files of a batch at once.

use actix_web::web;
use serde::Deserialize;

use super::{see_other, view::format};
use crate::{
    domain::{
        files::{self, Chosen, Done},
        kind::Kind,
    },
    web::{
        error::WebResult,
        extract::{self, Parts, Posted},
        flash::Flash,
        query,
    },
};

fn count(done: &Done) -> String {
    format::count(done.changed as i64, "file", "files")
}

/// `POST /batches/{id}/files/delete`
pub async fn delete(app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    let (batch, ids) = (extract::id(&path)?, form.fields.ids("ids"));
    let done = files::trash(&app, &form.by.actor, batch, ids).await?;
    let undo = format!("/batches/{batch}/files/restore?at={}", done.at.timestamp_micros());
    let flash = Flash::done(format!("Moved {} to the trash", count(&done)));
    if done.changed > 0 { flash.with_undo(undo) } else { flash }.keep(&form.by.session);
    Ok(see_other(format!("/batches/{}", done.batch)))
}

#[derive(Deserialize)]
pub struct RestoreQuery {
    /// When the files were deleted together, in microseconds since 1970.
    at: Option<i64>,
}

/// `POST /batches/{id}/files/restore`: those that are named, or those that the caller deleted together.
pub async fn restore(
    app: Parts,
    form: Posted,
    path: web::Path<String>,
    query: web::Query<RestoreQuery>,
) -> WebResult {
    let batch = extract::id(&path)?;
    let at = query.at.and_then(query::moment);
    let chosen = match at.zip(form.by.actor.id()) {
        Some((at, by)) => Chosen::TrashedTogether { at, by },
        None => Chosen::Ids(form.fields.ids("ids")),
    };
    let done = files::restore(&app, &form.by.actor, batch, chosen).await?;
    Flash::done(format!("Restored {}", count(&done))).keep(&form.by.session);
    Ok(see_other(format!("/batches/{}", done.batch)))
}

/// `POST /batches/{id}/files/kind`
pub async fn set_kind(app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    let (batch, ids, kind) = (extract::id(&path)?, form.fields.ids("ids"), form.fields.text("kind"));
    let done = files::set_kind(&app, &form.by.actor, batch, ids, kind).await?;
    let word = Kind::parse(kind).map_or("", Kind::word);
    let text = format!("Changed the kind of {} to {}", count(&done), word.to_lowercase());
    Flash::done(text).keep(&form.by.session);
    Ok(see_other(format!("/batches/{}", done.batch)))
}
