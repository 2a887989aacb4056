//! The viewer of one file, what is said about it, and its way to the trash and back.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, ContentType},
    },
    web,
};

use super::{
    activity,
    audit_words::readers,
    auth::problem,
    batches::file_state,
    frame, preview, render, render_as, see_other,
    view::{
        attachments::{About, AttachmentPage, FileDetail},
        batches::BatchRef,
        file::{FileKind, FileRef, FileState},
        form::Field,
        format,
        frame::Place,
        receipt::Receipt,
    },
};
use crate::{
    domain::{
        access::{Action, Resource},
        attachments::{self, Whole},
        audit::reads::Reading,
        files,
        kind::Kind,
    },
    error::Error,
    web::{
        error::WebResult,
        extract::{self, CurrentUser, Parts, Posted},
        flash::Flash,
        transfer::{disposition, download::looked},
    },
};

/// `GET /attachments/{id}`
pub async fn show(req: HttpRequest, app: Parts, by: CurrentUser, path: web::Path<String>) -> WebResult {
    let whole = attachments::show(&app, &by.actor, extract::id(&path)?, looked(&req)).await?;
    render(&page(&req, &by, whole))
}

fn page(req: &HttpRequest, by: &CurrentUser, whole: Whole) -> AttachmentPage {
    let Whole {
        file,
        preview,
        newer,
        older,
        position,
        activity: events,
        readers: seen_by,
        many_sites,
        is_held,
    } = whole;
    let made = preview.as_ref();
    let mut frame = frame(req, by, format::shown_name(&file.row.original_name), Place::Batches);
    frame.sites_shown = many_sites;
    let may = by.actor.may(Action::ManageFiles, Resource::Site(file.site_id)) && !file.batch_trashed;
    let kind = FileKind::of(&file.row.content_type);
    let state = file_state(&file.row.state);
    let reference = |neighbour: Option<(_, String)>| neighbour.map(|(id, filename)| FileRef { id, filename });
    AttachmentPage {
        frame,
        viewer: preview::viewer(&file.row.content_type, state.is_readable() && !file.batch_trashed, made),
        preview_problem: made
            .filter(|made| !made.reason.is_empty() && by.actor.may(Action::Administer, Resource::System))
            .map(|made| made.reason.clone()),
        position,
        previous: reference(newer),
        next: reference(older),
        activity: activity(events, true),
        seen_by: readers(seen_by),
        can_describe: may && state != FileState::Trashed,
        can_share: by.actor.may(Action::Share, Resource::Site(file.site_id))
            && !file.batch_trashed
            && state != FileState::Trashed,
        can_delete: may && !is_held && state != FileState::Trashed,
        is_held,
        can_restore: may && state == FileState::Trashed,
        batch: BatchRef { id: file.row.batch_id, number: file.batch_number },
        about: About {
            kind: Kind::of_row(&file.row.kind),
            kind_error: None,
            note: Field { value: file.row.note, error: None },
        },
        file: FileDetail {
            id: file.row.id,
            kind,
            state,
            bytes: file.row.size_bytes,
            pixels: file
                .row
                .width
                .zip(file.row.height)
                .map(|(width, height)| preview::upright((width.into(), height.into()), made)),
            pages: made.and_then(|made| made.pages).map(i64::from),
            sha256: hex::encode(&file.row.sha256),
            uploaded_by: file.uploader,
            uploaded_at: file.row.uploaded_at,
            copies: file.cloud.as_deref().map(|cloud| copies(file.local.as_deref(), cloud)),
            filename: file.row.original_name,
            content_type: file.row.content_type,
        },
    }
}

/// `POST /attachments/{id}/edit`
pub async fn edit(req: HttpRequest, app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    let Posted { by, fields } = form;
    let (id, kind, note) = (extract::id(&path)?, fields.text("kind"), fields.text("note"));
    match files::edit(&app, &by.actor, id, kind, note).await {
        Ok(()) => {
            Flash::done("Saved kind and note").keep(&by.session);
            Ok(see_other(format!("/attachments/{id}")))
        }
        Err(Error::Invalid(problems)) => {
            let mut page = page(&req, &by, attachments::show(&app, &by.actor, id, Reading::Nothing).await?);
            page.about = About {
                kind: Kind::parse(kind).unwrap_or(page.about.kind),
                kind_error: problem(&problems, "kind"),
                note: Field { value: note.to_owned(), error: problem(&problems, "note") },
            };
            render_as(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
        Err(other) => Err(other.into()),
    }
}

/// `GET /attachments/{id}/receipt`: plain text to keep beside the file.
pub async fn receipt(app: Parts, by: CurrentUser, path: web::Path<String>) -> WebResult {
    let file = attachments::show(&app, &by.actor, extract::id(&path)?, Reading::Nothing).await?.file;
    let receipt = Receipt {
        id: file.row.id,
        filename: &file.row.original_name,
        bytes: file.row.size_bytes,
        sha256: &hex::encode(&file.row.sha256),
        batch: &file.batch_number,
        uploaded_by: &file.uploader,
        uploaded_at: file.row.uploaded_at,
    };
    let name = format!("{}.receipt.txt", file.row.original_name);
    Ok(HttpResponse::Ok()
        .content_type(ContentType::plaintext())
        .insert_header((header::CONTENT_DISPOSITION, disposition::value("attachment", &name)))
        .body(receipt.text() + "\n"))
}

/// Where the copies of a file are, in words.
fn copies(local: Option<&str>, cloud: &str) -> String {
    let word = |state| match state {
        "present" => "safe",
        "pending" => "on its way",
        "failed" => "not made",
        other => other,
    };
    let local = local.map(|state| format!("Local storage: {}. ", word(state))).unwrap_or_default();
    format!("{local}Cloud: {}.", word(cloud))
}

/// `POST /attachments/{id}/delete`
pub async fn delete(app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    let file = attachments::trash(&app, &form.by.actor, extract::id(&path)?).await?;
    Flash::done(format!("Moved {} to the trash", format::shown_name(&file.row.original_name)))
        .with_undo(format!("/attachments/{}/restore", file.row.id))
        .keep(&form.by.session);
    Ok(see_other(format!("/batches/{}", file.row.batch_id)))
}

/// `POST /attachments/{id}/restore`
pub async fn restore(app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    let file = attachments::restore(&app, &form.by.actor, extract::id(&path)?).await?;
    Flash::done(format!("Restored {}", format::shown_name(&file.row.original_name))).keep(&form.by.session);
    Ok(see_other(format!("/batches/{}", file.row.batch_id)))
}
