//! What was deleted and can come back.

use actix_web::HttpRequest;
use chrono::{DateTime, Utc};

use super::{
    frame, render,
    view::{
        batches::BatchRef,
        file::FileKind,
        frame::Place,
        trash::{Fate, TrashPage, TrashedBatch, TrashedFile},
    },
};
use crate::{
    app::App,
    domain::{
        attachments::Found,
        batches::BatchRow,
        retention::Stays,
        trash::{self, Trashed},
    },
    web::{
        error::WebResult,
        extract::{CurrentUser, Parts},
    },
};

/// `GET /trash`
pub async fn list(req: HttpRequest, app: Parts, by: CurrentUser) -> WebResult {
    let trash = trash::list(&app, &by.actor).await?;
    let now = app.clock.now();
    render(&TrashPage {
        frame: frame(&req, &by, "Trash", Place::Trash),
        batches: trash.batches.into_iter().map(|batch| batch_row(batch, String::new(), now)).collect(),
        files: trash.files.into_iter().map(|file| file_row(file, now)).collect(),
        keep_days: keep_days(&app),
    })
}

pub(super) fn keep_days(app: &App) -> i64 {
    i64::try_from(app.settings.now().trash_days).unwrap_or(i64::MAX)
}

pub(super) fn batch_row(batch: Trashed<BatchRow>, site: String, now: DateTime<Utc>) -> TrashedBatch {
    let Trashed { what: row, deleted_by, can_restore, stays, can_go } = batch;
    TrashedBatch {
        id: row.id,
        file_count: row.files_count,
        bytes: row.bytes_total,
        deleted_at: row.trashed_at.unwrap_or(row.last_activity_at),
        number: row.number,
        product: row.product,
        site,
        deleted_by,
        can_restore,
        fate: fate(stays, now),
        can_go,
    }
}

pub(super) fn file_row(file: Trashed<Found>, now: DateTime<Utc>) -> TrashedFile {
    let Trashed { what: found, deleted_by, can_restore, stays, can_go } = file;
    TrashedFile {
        id: found.row.id,
        kind: FileKind::of(&found.row.content_type),
        batch: BatchRef { id: found.row.batch_id, number: found.batch_number },
        bytes: found.row.size_bytes,
        deleted_at: found.row.trashed_at.unwrap_or(found.row.uploaded_at),
        filename: found.row.original_name,
        deleted_by,
        can_restore,
        fate: fate(stays, now),
        can_go,
    }
}

fn fate(stays: Option<Stays>, now: DateTime<Utc>) -> Fate {
    match stays {
        Some(Stays::Held) => Fate::Held,
        Some(Stays::Kept { until, years }) => Fate::Kept { until, years },
        // A day that has begun counts.
        Some(Stays::Waits { until }) => {
            Fate::Waits { days: (until - now).num_seconds().max(1).unsigned_abs().div_ceil(86_400) as i64 }
        }
        None => Fate::Goes,
    }
}
