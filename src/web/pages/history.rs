//! A batch's history as a paper.

use actix_web::{HttpRequest, web};

use super::{
    admin::audit::head,
    audit_words::line,
    batches::{file_state, status},
    frame, render,
    view::{
        frame::Place,
        trail::{HistoryFile, HistoryHead, HistoryPage},
    },
};
use crate::{
    domain::audit::history::{self, History},
    web::{
        error::WebResult,
        extract::{self, CurrentUser, Parts},
    },
};

/// `GET /batches/{id}/history`
pub async fn of_batch(req: HttpRequest, app: Parts, by: CurrentUser, path: web::Path<String>) -> WebResult {
    let history = history::of_batch(&app, &by.actor, extract::id(&path)?).await?;
    let History { batch, files, events, names, shows_addresses, .. } = history;
    let mut frame = frame(&req, &by, format!("History of {}", batch.number), Place::Batches);
    frame.sites_shown = history.many_sites;
    let files = files.into_iter().map(|file| HistoryFile {
        id: file.id,
        name: file.name,
        bytes: file.size_bytes,
        sha256: hex::encode(&file.sha256),
        is_purged: file.state == "purged",
        state: file_state(&file.state),
        uploaded_by: file.uploader,
        uploaded_at: file.uploaded_at,
    });
    let lines = events.into_iter().map(|(mut event, seal)| {
        event.address = event.address.filter(|_| shows_addresses);
        line(event, seal, &names, false)
    });
    render(&HistoryPage {
        frame,
        files: files.collect(),
        lines: lines.collect(),
        cut_at: history.is_cut.then_some(history::MOST),
        seals: history.seals,
        unsealed: history.unsealed as i64,
        head: history.head.map(head),
        shows_addresses,
        with_trash: history.with_trash,
        made_at: app.clock.now(),
        made_for: by.user.display_name.clone(),
        batch: HistoryHead {
            id: batch.id,
            status: status(&batch),
            number: batch.number,
            product: batch.product,
            notes: batch.notes,
            site: history.site,
            made_by: history.made_by,
            made_at: batch.created_at,
        },
    })
}
