//! Share links: made, listed and ended by those who may; opened by anybody who has one.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use serde_json::json;
use uuid::Uuid;

use super::{
    auth::problem,
    frame, frame_of_stranger, render_as, see_other,
    view::{
        form::Field,
        frame::Place,
        shares::{ShareLine, SharesPage, VisitFile, VisitPage},
    },
};
use crate::{
    domain::{
        shares::{self, Made, Target, Wanted},
        tally::Way,
        visits::{self, Files, Proof, Shown},
    },
    error::{Error, FieldError, Result},
    web::{
        client, connections,
        error::{WebResult, wants_json},
        extract::{self, CurrentUser, Fields, Parts, Posted, PublicForm},
        flash::Flash,
        transfer::{archive, download},
    },
};

const HOURS_AT_FIRST: &str = "72";

/// `GET /attachments/{id}/shares`
pub async fn of_file(req: HttpRequest, app: Parts, by: CurrentUser, path: web::Path<String>) -> WebResult {
    list(&req, &app, &by, Target::File(extract::id(&path)?)).await
}

/// `GET /batches/{id}/shares`
pub async fn of_batch(req: HttpRequest, app: Parts, by: CurrentUser, path: web::Path<String>) -> WebResult {
    list(&req, &app, &by, Target::Batch(extract::id(&path)?)).await
}

/// `POST /attachments/{id}/shares`
pub async fn share_file(req: HttpRequest, app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    create(&req, &app, form, Target::File(extract::id(&path)?)).await
}

/// `POST /batches/{id}/shares`
pub async fn share_batch(req: HttpRequest, app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    create(&req, &app, form, Target::Batch(extract::id(&path)?)).await
}

/// `POST /shares/{id}/revoke`
pub async fn revoke(app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    let target = shares::revoke(&app, &form.by.actor, extract::id(&path)?).await?;
    Flash::done("The link is dead").keep(&form.by.session);
    Ok(see_other(path_of(target)))
}

fn path_of(target: Target) -> String {
    match target {
        Target::File(id) => format!("/attachments/{id}/shares"),
        Target::Batch(id) => format!("/batches/{id}/shares"),
    }
}

async fn list(req: &HttpRequest, app: &Parts, by: &CurrentUser, target: Target) -> WebResult {
    let fresh = Wanted { expires_in_hours: HOURS_AT_FIRST.to_owned(), ..Wanted::default() };
    page(req, app, by, StatusCode::OK, target, fresh, &[], None).await
}

/// The answer carries the link, for it must not be kept anywhere.
async fn create(req: &HttpRequest, app: &Parts, form: Posted, target: Target) -> WebResult {
    let Posted { by, fields } = form;
    let text = |name| fields.text(name).to_owned();
    let asked = Wanted {
        expires_in_hours: text("expires_in_hours"),
        password: text("password"),
        max_downloads: text("max_downloads"),
    };
    match shares::create(app, &by.actor, target, asked.clone()).await {
        Ok(made) if wants_json(req) => {
            let Made { id, expires_at, max_downloads, .. } = made;
            let url = address(app, &made.token);
            let share =
                json!({ "id": id, "url": url, "expires_at": expires_at, "max_downloads": max_downloads });
            Ok(HttpResponse::Created().json(json!({ "share": share })))
        }
        Ok(made) => {
            let fresh = Wanted { expires_in_hours: HOURS_AT_FIRST.to_owned(), ..Wanted::default() };
            let url = address(app, &made.token);
            page(req, app, &by, StatusCode::CREATED, target, fresh, &[], Some(url)).await
        }
        Err(Error::Invalid(problems)) if !wants_json(req) => {
            page(req, app, &by, StatusCode::UNPROCESSABLE_ENTITY, target, asked, &problems, None).await
        }
        Err(other) => Err(other.into()),
    }
}

fn address(app: &Parts, token: &str) -> String {
    format!("{}/s/{token}", app.config.public_url)
}

#[expect(clippy::too_many_arguments, reason = "a form that comes back has many parts, and each is used once")]
async fn page(
    req: &HttpRequest,
    app: &Parts,
    by: &CurrentUser,
    status: StatusCode,
    target: Target,
    asked: Wanted,
    problems: &[FieldError],
    made: Option<String>,
) -> WebResult {
    let listed = shares::list(app, &by.actor, target).await?;
    let now = app.clock.now();
    let field = |name, value| Field { value, error: problem(problems, name) };
    let back = match target {
        Target::File(id) => format!("/attachments/{id}"),
        Target::Batch(id) => format!("/batches/{id}"),
    };
    let page = SharesPage {
        frame: frame(req, by, "Share links", Place::Batches),
        back,
        batch_number: listed.batch_number,
        batch_url: format!("/batches/{}", listed.batch_id),
        filename: listed.filename,
        action_url: path_of(target),
        made,
        hours: field("expires_in_hours", asked.expires_in_hours),
        password_error: problem(problems, "password"),
        max_downloads: field("max_downloads", asked.max_downloads),
        shares: listed.shares.into_iter().map(|(share, maker)| ShareLine::of(share, maker, now)).collect(),
    };
    render_as(status, &page)
}

/// `GET /s/{token}`
pub async fn visit(req: HttpRequest, app: Parts, path: web::Path<String>) -> WebResult {
    let shown = visits::show(&app, &path).await?;
    visit_page(&req, StatusCode::OK, &path, shown, None, None)
}

/// `POST /s/{token}/download`
pub async fn download(req: HttpRequest, app: Parts, form: PublicForm, path: web::Path<String>) -> WebResult {
    let shown = visits::show(&app, &path).await?;
    let proof = proof(&form.fields);
    let address = client::address(&req, &app.config.trusted_proxies);
    let chosen = chosen(&form.fields)?;
    if shown.is_batch && chosen.is_none() {
        // The password first; the list of files follows.
        return match visits::unlock(&app, &path, proof, address).await {
            Ok((files, ticket)) => {
                let shown = Shown { files, needs_password: false, ..shown };
                visit_page(&req, StatusCode::OK, &path, shown, None, ticket)
            }
            Err(error) => refuse(&req, &form.fields, &path, shown, error),
        };
    }
    match visits::download(&app, &path, proof, chosen, address).await {
        Ok((opened, permit)) => {
            connections::hold(&req, permit);
            Ok(download::answer(&app, &req, opened, Way::Taken))
        }
        Err(error) => refuse(&req, &form.fields, &path, shown, error),
    }
}

/// `POST /s/{token}/archive.zip`
pub async fn archive(req: HttpRequest, app: Parts, form: PublicForm, path: web::Path<String>) -> WebResult {
    let shown = visits::show(&app, &path).await?;
    let address = client::address(&req, &app.config.trusted_proxies);
    match visits::archive(&app, &path, proof(&form.fields), address).await {
        Ok(archive) => Ok(archive::answer(&req, &app, archive)),
        Err(error) => refuse(&req, &form.fields, &path, shown, error),
    }
}

/// The ticket of a page that the password opened, or the password itself.
fn proof(fields: &Fields) -> Proof {
    match fields.text("ticket") {
        "" => Proof::Password(fields.text("password").to_owned().into()),
        ticket => Proof::Ticket(ticket.to_owned()),
    }
}

/// Who has no right password is asked for it once more.
fn refuse(req: &HttpRequest, fields: &Fields, token: &str, shown: Shown, error: Error) -> WebResult {
    match error {
        Error::Unauthenticated if !wants_json(req) => {
            let message = match fields.text("ticket") {
                "" => "The password is wrong. Ask who sent you the link.",
                _ => "You gave the password a while ago. Type it once more.",
            };
            visit_page(req, StatusCode::UNAUTHORIZED, token, shown, Some(message.to_owned()), None)
        }
        other => Err(other.into()),
    }
}

fn chosen(fields: &Fields) -> Result<Option<Uuid>> {
    match fields.text("file") {
        "" => Ok(None),
        text => extract::id(text).map(Some),
    }
}

fn visit_page(
    req: &HttpRequest,
    status: StatusCode,
    token: &str,
    shown: Shown,
    message: Option<String>,
    ticket: Option<String>,
) -> WebResult {
    let title = format!("From {}", shown.sender);
    let Files { listed, count, bytes } = shown.files;
    let files = listed.into_iter().map(|found| VisitFile {
        id: found.row.id,
        filename: found.row.original_name,
        bytes: found.row.size_bytes,
    });
    let page = VisitPage {
        frame: frame_of_stranger(req, title),
        action_url: format!("/s/{token}/download"),
        archive_url: format!("/s/{token}/archive.zip"),
        count,
        bytes,
        sender: shown.sender,
        batch_number: shown.batch_number,
        is_batch: shown.is_batch,
        files: files.collect(),
        expires_at: shown.expires_at,
        downloads_left: shown.downloads_left.map(i64::from),
        needs_password: shown.needs_password,
        ticket: ticket.unwrap_or_default(),
        password_error: message,
    };
    let mut answer = render_as(status, &page)?;
    let headers = answer.headers_mut();
    // The address is the key, so it is nothing for search engines. Other sites never see it: the policy of every
    // page keeps referrers here. A stricter one would make browsers hide the origin of the download's form.
    let robots = header::HeaderName::from_static("x-robots-tag");
    headers.insert(robots, header::HeaderValue::from_static("noindex, nofollow"));
    Ok(answer)
}
