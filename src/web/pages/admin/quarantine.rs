//! What malware was found in: locked away, or refused.

use actix_web::{HttpRequest, web};

use super::{
    super::{
        render, see_other,
        view::{
            format,
            quarantine::{LockedRow, QuarantinePage, RefusedRow},
        },
    },
    admin_frame,
};
use crate::{
    domain::quarantine::{self, Held, Overview, Refused},
    web::{
        error::WebResult,
        extract::{self, CurrentUser, Parts, Posted},
        flash::Flash,
    },
};

const PATH: &str = "/admin/quarantine";

/// `GET /admin/quarantine`
pub async fn show(req: HttpRequest, app: Parts, by: CurrentUser) -> WebResult {
    let Overview { locked, refused, has_scanner } = quarantine::overview(&app, &by.actor).await?;
    render(&QuarantinePage {
        frame: admin_frame(&req, &by, "Quarantine"),
        has_scanner,
        locked: locked.into_iter().map(locked_row).collect(),
        refused: refused.into_iter().map(refused_row).collect(),
    })
}

/// `POST /admin/quarantine/{id}/release`
pub async fn release(app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    let name = quarantine::release(&app, &form.by.actor, extract::id(&path)?).await?;
    Flash::done(format!("Released {}. It can be opened again", format::shown_name(&name)))
        .keep(&form.by.session);
    Ok(see_other(PATH))
}

/// `POST /admin/quarantine/{id}/delete`
pub async fn delete(app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    let id = extract::id(&path)?;
    let name = quarantine::trash(&app, &form.by.actor, id).await?;
    Flash::done(format!("Moved {} to the trash", format::shown_name(&name)))
        .with_undo(format!("/attachments/{id}/restore"))
        .keep(&form.by.session);
    Ok(see_other(PATH))
}

fn locked_row(Held { file, since, found }: Held) -> LockedRow {
    LockedRow {
        id: file.id,
        filename: file.filename,
        bytes: file.bytes,
        batch: file.batch_id,
        batch_number: file.batch_number,
        uploader: file.uploader,
        found,
        since,
    }
}

fn refused_row(refused: Refused) -> RefusedRow {
    let text = |name: &str| refused.details[name].as_str().unwrap_or_default().to_owned();
    RefusedRow {
        at: refused.at,
        filename: text("filename"),
        found: text("found"),
        batch: refused.batch_id,
        batch_number: refused.batch_number,
        actor: refused.actor,
    }
}
