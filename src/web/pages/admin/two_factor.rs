//! Two-factor of others: who needs it, and taking it away from somebody who has lost it.

use actix_web::web;

use crate::{
    domain::{
        second_rule::{self, Rule},
        two_factor,
    },
    web::{
        error::WebResult,
        extract::{self, Parts, Posted},
        flash::Flash,
        pages::see_other,
    },
};

/// `POST /admin/two-factor`
pub async fn require(app: Parts, form: Posted) -> WebResult {
    let rule = second_rule::require(&app, &form.by.actor, form.fields.text("required")).await?;
    let text = match rule {
        Rule::Nobody => "Two-factor is up to each person now",
        Rule::Admins => "Admins need two-factor from their next click on",
        Rule::Staff => "Staff and admins need two-factor from their next click on",
        Rule::Everybody => "Everybody needs two-factor from their next click on",
    };
    Flash::done(text).keep(&form.by.session);
    Ok(see_other("/admin/users"))
}

/// `POST /admin/users/{id}/two-factor`
pub async fn reset(app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    let id = extract::id(&path)?;
    let name = two_factor::reset_of(&app, &form.by.actor, id).await?;
    Flash::done(format!("{name} signs in without a code now")).keep(&form.by.session);
    Ok(see_other(format!("/admin/users/{id}")))
}
