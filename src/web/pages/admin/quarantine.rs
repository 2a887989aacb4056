//! What malware was found in: locked away, or refused.

use actix_web::{HttpRequest, web};
use serde::Deserialize;
use uuid::Uuid;

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
    domain::{
        findings,
        quarantine::{self, Held, Overview, Refused},
    },
    error::{Error, Result},
    web::{
        error::WebResult,
        extract::{self, CurrentUser, Parts, Posted},
        flash::Flash,
        query,
    },
};

const PATH: &str = "/admin/quarantine";

#[derive(Deserialize)]
pub struct ListQuery {
    /// Places in the two lists.
    locked: Option<String>,
    refused: Option<String>,
}

/// `GET /admin/quarantine`
pub async fn show(req: HttpRequest, app: Parts, by: CurrentUser, asked: web::Query<ListQuery>) -> WebResult {
    let locked_after: Option<Uuid> = query::parse_cursor(asked.locked.as_deref())?;
    let refused_before: Option<i64> = query::parse_cursor(asked.refused.as_deref())?;
    let Overview { locked, refused, more_locked, more_refused, has_scanner } =
        quarantine::overview(&app, &by.actor, locked_after, refused_before).await?;
    let page_after = |locked: Option<Uuid>, refused: Option<i64>| -> Result<String> {
        let locked = locked.map(query::cursor).transpose()?.unwrap_or_default();
        let refused = refused.map(query::cursor).transpose()?.unwrap_or_default();
        Ok(format!("{PATH}{}", format::query(&[("locked", &locked), ("refused", &refused)])))
    };
    render(&QuarantinePage {
        more_locked: more_locked.map(|place| page_after(Some(place), refused_before)).transpose()?,
        more_refused: more_refused.map(|place| page_after(locked_after, Some(place))).transpose()?,
        is_first_page: locked_after.is_none() && refused_before.is_none(),
        seen_up_to: refused.first().filter(|_| refused_before.is_none()).map(|latest| latest.id),
        frame: admin_frame(&req, &by, "Quarantine").await,
        has_scanner,
        locked: locked.into_iter().map(locked_row).collect(),
        refused: refused.into_iter().map(refused_row).collect(),
    })
}

/// `POST /admin/quarantine/seen` (`up_to`): somebody has looked at the uploads that were refused so far.
pub async fn see(app: Parts, form: Posted) -> WebResult {
    let Ok(up_to) = form.fields.text("up_to").parse() else {
        // Who may is asked before what was sent.
        findings::count(&app, &form.by.actor).await?;
        return Err(Error::invalid("up_to", "Say up to which upload; the page has the button.").into());
    };
    findings::see(&app, &form.by.actor, up_to).await?;
    Flash::done("The refused uploads are marked as seen").keep(&form.by.session);
    Ok(see_other(PATH))
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
