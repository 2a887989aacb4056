//! What was deleted and can come back.

use actix_web::HttpRequest;

use super::{
    frame, render,
    view::{
        batches::BatchRef,
        file::FileKind,
        frame::Place,
        trash::{TrashPage, TrashedBatch, TrashedFile},
    },
};
use crate::{
    domain::trash,
    web::{
        error::WebResult,
        extract::{CurrentUser, Parts},
    },
};

/// `GET /trash`
pub async fn list(req: HttpRequest, app: Parts, by: CurrentUser) -> WebResult {
    let trash = trash::list(&app, &by.actor).await?;
    let batches = trash.batches.into_iter().map(|(row, deleted_by, can_restore)| TrashedBatch {
        id: row.id,
        file_count: row.files_count,
        bytes: row.bytes_total,
        deleted_at: row.trashed_at.unwrap_or(row.last_activity_at),
        number: row.number,
        product: row.product,
        deleted_by,
        can_restore,
    });
    let files = trash.files.into_iter().map(|(found, deleted_by, can_restore)| TrashedFile {
        id: found.row.id,
        kind: FileKind::of(&found.row.content_type),
        batch: BatchRef { id: found.row.batch_id, number: found.batch_number },
        bytes: found.row.size_bytes,
        deleted_at: found.row.trashed_at.unwrap_or(found.row.uploaded_at),
        filename: found.row.original_name,
        deleted_by,
        can_restore,
    });
    render(&TrashPage {
        frame: frame(&req, &by, "Trash", Place::Trash),
        batches: batches.collect(),
        files: files.collect(),
        // Nothing is purged by this version.
        keep_days: None,
        more_url: None,
    })
}
