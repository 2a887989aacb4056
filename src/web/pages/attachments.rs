//! The viewer of one file, and its way to the trash and back.

use actix_web::{HttpRequest, web};

use super::{
    activity,
    batches::file_state,
    frame, render, see_other,
    view::{
        attachments::{AttachmentPage, FileDetail, Preview},
        batches::BatchRef,
        file::{FileKind, FileRef, FileState},
        frame::Place,
    },
};
use crate::{
    domain::{
        access::{Action, Resource},
        attachments::{self, Whole},
    },
    web::{
        error::WebResult,
        extract::{self, CurrentUser, Parts, Posted},
        flash::Flash,
    },
};

/// `GET /attachments/{id}`
pub async fn show(req: HttpRequest, app: Parts, by: CurrentUser, path: web::Path<String>) -> WebResult {
    let whole = attachments::show(&app, &by.actor, extract::id(&path)?).await?;
    render(&page(&req, &by, whole))
}

fn page(req: &HttpRequest, by: &CurrentUser, whole: Whole) -> AttachmentPage {
    let Whole { file, newer, older, position, activity: events, many_sites } = whole;
    let mut frame = frame(req, by, file.row.original_name.as_str(), Place::Batches);
    frame.sites_shown = many_sites;
    let may = by.actor.may(Action::ManageFiles, Resource::Site(file.site_id)) && !file.batch_trashed;
    let kind = FileKind::of(&file.row.content_type);
    let state = file_state(&file.row.state);
    let reference = |neighbour: Option<(_, String)>| neighbour.map(|(id, filename)| FileRef { id, filename });
    AttachmentPage {
        frame,
        preview: match kind {
            _ if file.batch_trashed => Preview::None,
            FileKind::Photo => Preview::Picture,
            FileKind::Pdf => Preview::Pdf,
            FileKind::Other => Preview::None,
        },
        position,
        previous: reference(newer),
        next: reference(older),
        activity: activity(events, true),
        can_delete: may && state != FileState::Trashed,
        can_restore: may && state == FileState::Trashed,
        batch: BatchRef { id: file.row.batch_id, number: file.batch_number },
        file: FileDetail {
            id: file.row.id,
            kind,
            state,
            bytes: file.row.size_bytes,
            pixels: file.row.width.zip(file.row.height).map(|(width, height)| (width.into(), height.into())),
            sha256: hex::encode(&file.row.sha256),
            uploaded_by: file.uploader,
            uploaded_at: file.row.uploaded_at,
            copies: file.cloud.as_deref().map(|cloud| copies(file.local.as_deref(), cloud)),
            filename: file.row.original_name,
            content_type: file.row.content_type,
        },
    }
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
    Flash::done(format!("Moved {} to the trash", file.row.original_name))
        .with_undo(format!("/attachments/{}/restore", file.row.id))
        .keep(&form.by.session);
    Ok(see_other(format!("/batches/{}", file.row.batch_id)))
}

/// `POST /attachments/{id}/restore`
pub async fn restore(app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    let file = attachments::restore(&app, &form.by.actor, extract::id(&path)?).await?;
    Flash::done(format!("Restored {}", file.row.original_name)).keep(&form.by.session);
    Ok(see_other(format!("/batches/{}", file.row.batch_id)))
}
