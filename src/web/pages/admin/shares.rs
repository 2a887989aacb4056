//! Every share link there is.

use actix_web::{HttpRequest, web};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    super::{
        render, see_other,
        view::shares::{AllSharesPage, ShareEverywhere, ShareLine},
    },
    admin_frame,
};
use crate::{
    domain::all_shares,
    web::{
        error::WebResult,
        extract::{self, CurrentUser, Parts, Posted},
        flash::Flash,
        query,
    },
};

const PATH: &str = "/admin/shares";

#[derive(Deserialize)]
pub struct ListQuery {
    cursor: Option<String>,
}

/// `GET /admin/shares`
pub async fn list(req: HttpRequest, app: Parts, by: CurrentUser, asked: web::Query<ListQuery>) -> WebResult {
    let after: Option<Uuid> = query::parse_cursor(asked.cursor.as_deref())?;
    let everywhere = all_shares::everywhere(&app, &by.actor, after).await?;
    let now = app.clock.now();
    let next_url = match everywhere.next {
        Some(place) => Some(format!("{PATH}?cursor={}", query::cursor(place)?)),
        None => None,
    };
    render(&AllSharesPage {
        frame: admin_frame(&req, &by, "Share links").await,
        rows: everywhere
            .rows
            .into_iter()
            .map(|(share, maker, batch_number, filename)| ShareEverywhere {
                target_url: match share.attachment_id {
                    Some(id) => format!("/attachments/{id}"),
                    None => format!("/batches/{}", share.batch_id),
                },
                batch_number,
                filename,
                revoke_path: format!("{PATH}/{}/revoke", share.id),
                line: ShareLine::of(share, maker, now),
            })
            .collect(),
        next_url,
        is_first_page: after.is_none(),
    })
}

/// `POST /admin/shares/{id}/revoke`
pub async fn revoke(app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    all_shares::revoke(&app, &form.by.actor, extract::id(&path)?).await?;
    Flash::done("The link is dead").keep(&form.by.session);
    Ok(see_other(PATH))
}
