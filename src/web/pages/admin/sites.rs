//! Sites: the list, another name, how long files are kept, removal.

use actix_web::{HttpRequest, web};

use super::{
    super::{
        auth::problem,
        render, render_as, see_other,
        view::{
            form::Field,
            sites::{SitePage, SiteRow, SitesPage},
        },
    },
    admin_frame, mendable,
};
use crate::{
    domain::sites::{self, Change, Facts},
    error::{FieldError, Result},
    web::{
        error::WebResult,
        extract::{self, CurrentUser, Parts, Posted},
        flash::Flash,
    },
};

/// Which field a conflict is about.
const CONFLICTS: &[(&str, &str)] = &[("site_taken", "name")];

/// `GET /admin/sites`
pub async fn list(req: HttpRequest, app: Parts, by: CurrentUser) -> WebResult {
    render(&list_page(&req, &app, &by, "", &[]).await?)
}

/// `POST /admin/sites`
pub async fn add(req: HttpRequest, app: Parts, form: Posted) -> WebResult {
    let Posted { by, fields } = form;
    let name = fields.text("name");
    match sites::add(&app, &by.actor, name).await {
        Ok(site) => {
            Flash::done(format!("Added {}. Say on each person's page who belongs to it", site.name))
                .keep(&by.session);
            Ok(see_other("/admin/sites"))
        }
        Err(error) => {
            let (status, problems) = mendable(error, CONFLICTS)?;
            render_as(status, &list_page(&req, &app, &by, name, &problems).await?)
        }
    }
}

/// `GET /admin/sites/{id}`
pub async fn show(req: HttpRequest, app: Parts, by: CurrentUser, path: web::Path<String>) -> WebResult {
    let facts = sites::show(&app, &by.actor, extract::id(&path)?).await?;
    let (name, years) = (facts.site.name.clone(), facts.keep_years.to_string());
    render(&site_page(&req, &by, facts, (&name, &years), &[]).await)
}

/// `POST /admin/sites/{id}`
pub async fn change(req: HttpRequest, app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    let Posted { by, fields } = form;
    let (id, name, years) = (extract::id(&path)?, fields.text("name"), fields.text("keep_years"));
    // Whoever sends only a name changes only that.
    let keep_years = match fields.all("keep_years").next().map(str::trim) {
        None => None,
        Some("") => Some(0),
        // What is no number is as wrong as one that is out of bounds.
        Some(text) => Some(text.parse().unwrap_or(-1)),
    };
    let wanted = Change { name: name.to_owned(), keep_years };
    match sites::change(&app, &by.actor, id, wanted).await {
        Ok(name) => {
            Flash::done(format!("Saved {name}")).keep(&by.session);
            Ok(see_other("/admin/sites"))
        }
        Err(error) => {
            let (status, problems) = mendable(error, CONFLICTS)?;
            let facts = sites::show(&app, &by.actor, id).await?;
            render_as(status, &site_page(&req, &by, facts, (name, years), &problems).await)
        }
    }
}

/// `POST /admin/sites/{id}/remove`
pub async fn remove(app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    let name = sites::remove(&app, &form.by.actor, extract::id(&path)?).await?;
    Flash::done(format!("Removed {name}")).keep(&form.by.session);
    Ok(see_other("/admin/sites"))
}

async fn list_page(
    req: &HttpRequest,
    app: &Parts,
    by: &CurrentUser,
    typed: &str,
    problems: &[FieldError],
) -> Result<SitesPage> {
    let rows: Vec<SiteRow> = sites::list(app, &by.actor).await?.into_iter().map(row).collect();
    Ok(SitesPage {
        frame: admin_frame(req, by, "Sites").await,
        typed: Field { value: typed.to_owned(), error: problem(problems, "name") },
        rows,
    })
}

async fn site_page(
    req: &HttpRequest,
    by: &CurrentUser,
    facts: Facts,
    (name, years): (&str, &str),
    problems: &[FieldError],
) -> SitePage {
    SitePage {
        frame: admin_frame(req, by, facts.site.name.as_str()).await,
        typed: Field { value: name.to_owned(), error: problem(problems, "name") },
        keep_years: Field { value: years.to_owned(), error: problem(problems, "keep_years") },
        site: row(facts),
    }
}

fn row(facts: Facts) -> SiteRow {
    let Facts { site, members, keep_years, can_go } = facts;
    SiteRow { id: site.id, name: site.name, is_default: site.is_default, members, keep_years, can_go }
}
