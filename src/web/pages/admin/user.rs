//! One person: name, role, sites, the way in.

use actix_web::{HttpRequest, HttpResponse, web};
use uuid::Uuid;

use super::{
    super::{
        auth::{self, problem},
        render, render_as, see_other,
        view::{
            form::Field,
            people::{PersonHead, RoleChoice, RoleWord, UserPage},
        },
    },
    admin_frame, mendable,
    users::{boxes, link_page, role_word, site_ids, state},
};
use crate::{
    domain::{
        password_links,
        people::{self, Change, Whole},
    },
    error::{FieldError, Result},
    web::{
        error::WebResult,
        extract::{self, CurrentUser, Fields, Parts, Posted},
        flash::Flash,
        session,
    },
};

/// `GET /admin/users/{id}`
pub async fn show(req: HttpRequest, app: Parts, by: CurrentUser, path: web::Path<String>) -> WebResult {
    let whole = people::show(&app, &by.actor, extract::id(&path)?).await?;
    render(&page(&req, &by, whole, None, &[]).await?)
}

/// `POST /admin/users/{id}`
pub async fn change(req: HttpRequest, app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    let Posted { by, fields } = form;
    let id = extract::id(&path)?;
    let changed = match asked_change(&fields) {
        Ok(change) => people::change(&app, &by.actor, id, change).await,
        Err(error) => Err(error),
    };
    match changed {
        Ok(changed) if changed.signed_out && by.actor.id() == Some(id) => Ok(leave(&by)),
        Ok(changed) => {
            let name = changed.user.display_name;
            let text = if changed.signed_out {
                format!("Saved {name}. The new role holds from their next sign-in")
            } else {
                format!("Saved {name}")
            };
            Flash::done(text).keep(&by.session);
            Ok(see_other(format!("/admin/users/{id}")))
        }
        Err(error) => {
            let (status, problems) = mendable(error, &[("last_admin", "role")])?;
            let whole = people::show(&app, &by.actor, id).await?;
            render_as(status, &page(&req, &by, whole, Some(&fields), &problems).await?)
        }
    }
}

fn asked_change(fields: &Fields) -> Result<Change> {
    let ticked: Vec<String> = fields.all("sites").map(str::to_owned).collect();
    // Boxes that are all empty send nothing: the form says that it had some.
    let had_boxes = !fields.text("choose_sites").is_empty() || !ticked.is_empty();
    Ok(Change {
        display_name: fields.text("display_name").to_owned(),
        role: fields.text("role").parse()?,
        sites: if had_boxes { Some(site_ids(&ticked)?) } else { None },
    })
}

/// `POST /admin/users/{id}/disable`
pub async fn disable(app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    let (by, id) = (form.by, extract::id(&path)?);
    let user = people::set_enabled(&app, &by.actor, id, false).await?;
    if by.actor.id() == Some(id) {
        return Ok(leave(&by));
    }
    Flash::done(format!("Disabled {}. They are signed out everywhere", user.display_name))
        .with_undo(format!("/admin/users/{id}/enable"))
        .keep(&by.session);
    Ok(see_other(format!("/admin/users/{id}")))
}

/// `POST /admin/users/{id}/enable`
pub async fn enable(app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    let id = extract::id(&path)?;
    let user = people::set_enabled(&app, &form.by.actor, id, true).await?;
    Flash::done(format!("Enabled {}", user.display_name)).keep(&form.by.session);
    Ok(see_other(format!("/admin/users/{id}")))
}

/// `POST /admin/users/{id}/reset`: answers with the link itself, for nothing keeps it that could show it later.
pub async fn reset(req: HttpRequest, app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    let (user, link) = password_links::reset(&app, &form.by.actor, extract::id(&path)?).await?;
    render(&link_page(&req, &app, &form.by, &user, &link, false).await)
}

/// An admin gave up their own role or account: their sessions are over, this one too.
fn leave(by: &CurrentUser) -> HttpResponse {
    session::end(&by.session);
    see_other(auth::AFTER_LEAVING)
}

/// The person's page; with what was `typed`, when that cannot stay so.
async fn page(
    req: &HttpRequest,
    by: &CurrentUser,
    whole: Whole,
    typed: Option<&Fields>,
    problems: &[FieldError],
) -> Result<UserPage> {
    let Whole { user, member_of, sites, sessions, link_until, second_since } = whole;
    let role = role_word(user.role.parse()?);
    let mut frame = admin_frame(req, by, user.display_name.as_str()).await;
    frame.sites_shown = sites.len() > 1;
    let typed_role = |fields: &Fields| fields.text("role").parse().map_or(role, role_word);
    let chosen: RoleWord = typed.map_or(role, typed_role);
    let is_member = |id: &Uuid| match typed {
        Some(fields) => fields.all("sites").any(|ticked| ticked == id.to_string()),
        None => member_of.contains(id),
    };
    let name = typed.map_or(user.display_name.as_str(), |fields| fields.text("display_name"));
    Ok(UserPage {
        frame,
        display_name: Field { value: name.to_owned(), error: problem(problems, "display_name") },
        role: RoleChoice { chosen, error: problem(problems, "role") },
        sites: boxes(&sites, |site| is_member(&site.id)),
        sites_error: problem(problems, "sites"),
        sessions: sessions as i64,
        link_until,
        second_since,
        is_self: by.actor.id() == Some(user.id),
        person: PersonHead {
            id: user.id,
            state: state(&user),
            role,
            added: user.created_at,
            last_seen: user.last_seen_at,
            password_set: user.password_set_at,
            name: user.display_name,
            username: user.username,
        },
    })
}
