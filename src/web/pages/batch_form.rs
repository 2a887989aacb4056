//! The form that makes a batch and changes what is said about it.

use actix_web::{HttpRequest, http::StatusCode, web};

use super::{
    auth::problem,
    batches::site_options,
    frame, render, render_as, see_other,
    view::{
        batches::{BatchForm, BatchRef},
        form::Field,
        frame::Place,
    },
};
use crate::{
    domain::{
        access::{Action, Resource},
        batches::{self, Details},
        sites::{self, Site},
    },
    error::{Error, FieldError},
    web::{
        error::WebResult,
        extract::{self, CurrentUser, Fields, Parts, Posted},
        flash::Flash,
    },
};

/// `GET /batches/new`
pub async fn new(req: HttpRequest, app: Parts, by: CurrentUser) -> WebResult {
    let sites = sites::visible(&app, &by.actor).await?;
    if !sites.iter().any(|site| by.actor.may(Action::ManageBatches, Resource::Site(site.id))) {
        return Err(Error::Forbidden.into());
    }
    let preset = sites.first().map(|site| site.id.to_string()).unwrap_or_default();
    render(&form(&req, &by, None, &sites, Draft { site_id: preset, ..Draft::default() }, &[]))
}

/// `POST /batches`
pub async fn create(req: HttpRequest, app: Parts, form_: Posted) -> WebResult {
    let Posted { by, fields } = form_;
    let draft = Draft::of(&fields);
    let site_id = match draft.site_id.as_str() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| Error::invalid("site_id", "Choose one of your sites.")),
    };
    let made = match site_id {
        Ok(site_id) => batches::create(&app, &by.actor, site_id, draft.details()).await,
        Err(error) => Err(error),
    };
    match made {
        Ok(batch) => {
            Flash::done(format!("Batch {} is ready for files", batch.number)).keep(&by.session);
            Ok(see_other(format!("/batches/{}", batch.id)))
        }
        Err(error) => refused_form(&req, &app, &by, None, draft, error).await,
    }
}

/// `GET /batches/{id}/edit`
pub async fn edit_page(req: HttpRequest, app: Parts, by: CurrentUser, path: web::Path<String>) -> WebResult {
    let batch = batches::for_edit(&app, &by.actor, extract::id(&path)?).await?;
    let draft = Draft {
        number: batch.number.clone(),
        product: batch.product.clone(),
        notes: batch.notes.clone(),
        site_id: String::new(),
    };
    render(&form(&req, &by, Some(BatchRef { id: batch.id, number: batch.number }), &[], draft, &[]))
}

/// `POST /batches/{id}/edit`
pub async fn edit(req: HttpRequest, app: Parts, form_: Posted, path: web::Path<String>) -> WebResult {
    let Posted { by, fields } = form_;
    let id = extract::id(&path)?;
    let draft = Draft::of(&fields);
    match batches::edit(&app, &by.actor, id, draft.details()).await {
        Ok(batch) => {
            Flash::done(format!("Changed the details of {}", batch.number)).keep(&by.session);
            Ok(see_other(format!("/batches/{id}")))
        }
        Err(error) => {
            let editing = BatchRef { id, number: draft.number.clone() };
            refused_form(&req, &app, &by, Some(editing), draft, error).await
        }
    }
}

/// What was typed into the form.
#[derive(Default)]
struct Draft {
    number: String,
    product: String,
    site_id: String,
    notes: String,
}

impl Draft {
    fn of(fields: &Fields) -> Self {
        let text = |name| fields.text(name).to_owned();
        Self {
            number: text("number"),
            product: text("product"),
            site_id: text("site_id"),
            notes: text("notes"),
        }
    }

    fn details(&self) -> Details {
        Details { number: self.number.clone(), product: self.product.clone(), notes: self.notes.clone() }
    }
}

/// The form again, with what was typed and what is wrong with it; other errors go on.
async fn refused_form(
    req: &HttpRequest,
    app: &Parts,
    by: &CurrentUser,
    editing: Option<BatchRef>,
    draft: Draft,
    error: Error,
) -> WebResult {
    let (status, problems) = match error {
        Error::Invalid(problems) => (StatusCode::UNPROCESSABLE_ENTITY, problems),
        Error::Conflict { code: "number_taken", message } => {
            (StatusCode::CONFLICT, vec![FieldError::new("number", message)])
        }
        other => return Err(other.into()),
    };
    let sites = if editing.is_none() { sites::visible(app, &by.actor).await? } else { Vec::new() };
    render_as(status, &form(req, by, editing, &sites, draft, &problems))
}

fn form(
    req: &HttpRequest,
    by: &CurrentUser,
    editing: Option<BatchRef>,
    sites: &[Site],
    draft: Draft,
    problems: &[FieldError],
) -> BatchForm {
    let (title, action_url) = match &editing {
        Some(batch) => (format!("Change {}", batch.number), format!("/batches/{}/edit", batch.id)),
        None => ("New batch".to_owned(), "/batches".to_owned()),
    };
    let mut frame = frame(req, by, title, Place::Batches);
    frame.sites_shown = sites.len() > 1;
    let field = |name, value| Field { value, error: problem(problems, name) };
    BatchForm {
        frame,
        action_url,
        number: field("number", draft.number),
        product: field("product", draft.product),
        site_id: field("site_id", draft.site_id),
        notes: field("notes", draft.notes),
        sites: site_options(sites),
        message: None,
        editing,
    }
}
