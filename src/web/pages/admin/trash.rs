//! The trash of all sites, and what lies in the store and belongs to nothing.

use actix_web::{HttpRequest, web};
use serde::Deserialize;

use super::{
    super::{
        render, see_other, trash,
        view::{
            format,
            trash::{AdminTrashPage, Orphans, Part, Totals},
        },
    },
    admin_frame,
};
use crate::{
    domain::{
        orphans::{self, Report},
        purge::asked,
        trash::{Overview, Place, overview},
    },
    error::{Error, Result},
    web::{
        error::WebResult,
        extract::{self, CurrentUser, Parts, Posted},
        flash::Flash,
        query,
    },
};

const PAGE: &str = "/admin/trash";

#[derive(Deserialize)]
pub struct ListQuery {
    /// Places in the two lists.
    batches: Option<String>,
    files: Option<String>,
}

/// `GET /admin/trash`
pub async fn list(req: HttpRequest, app: Parts, by: CurrentUser, asked: web::Query<ListQuery>) -> WebResult {
    let batches_after: Option<Place> = query::parse_cursor(asked.batches.as_deref())?;
    let files_after: Option<Place> = query::parse_cursor(asked.files.as_deref())?;
    let Overview { trash: found, totals, more_batches, more_files, sites } =
        overview(&app, &by.actor, batches_after, files_after).await?;
    let now = app.clock.now();
    let mut frame = admin_frame(&req, &by, "Trash").await;
    frame.sites_shown = sites.len() > 1;
    let page_after = |batches: Option<Place>, files: Option<Place>| -> Result<String> {
        let of = |place: Option<Place>| place.map(query::cursor).transpose().map(Option::unwrap_or_default);
        Ok(format!("{PAGE}{}", format::query(&[("batches", &of(batches)?), ("files", &of(files)?)])))
    };
    let batches = found.batches.into_iter().map(|batch| {
        let site = sites.get(&batch.what.site_id).cloned().unwrap_or_default();
        trash::batch_row(batch, site, now)
    });
    let page = AdminTrashPage {
        frame,
        batches: batches.collect(),
        files: found.files.into_iter().map(|file| trash::file_row(file, now)).collect(),
        keep_days: trash::keep_days(&app),
        totals: Totals {
            batches: totals.batches,
            files: totals.files,
            bytes: totals.bytes,
            held_bytes: totals.held_bytes,
        },
        more_batches: more_batches.map(|place| page_after(Some(place), files_after)).transpose()?,
        more_files: more_files.map(|place| page_after(batches_after, Some(place))).transpose()?,
        is_first_page: batches_after.is_none() && files_after.is_none(),
        orphans: orphans::last(&app, &by.actor).await?.map(|report| shown(&report)),
    };
    render(&page)
}

fn shown(report: &Report) -> Orphans {
    let part = |word, meaning, part: &orphans::Part| Part {
        word,
        meaning,
        count: part.files as i64,
        bytes: Some(i64::try_from(part.bytes).unwrap_or(i64::MAX)),
        names: part.names.clone(),
    };
    let count = |word, meaning, count: usize| Part {
        word,
        meaning,
        count: count as i64,
        bytes: None,
        names: Vec::new(),
    };
    let parts = [
        part("Files without a batch", "They are moved aside.", &report.published),
        part("Left by uploads that are over", "They are moved aside.", &report.staged),
        count("Previews of files that are gone", "They are removed.", report.previews),
        part("In the bucket without a batch", "They are moved aside within the bucket.", &report.objects),
        part("Moved aside", "They wait as long as deleted things do.", &report.aside),
        part("Moved aside long ago", "They go within the hour.", &report.over),
        part("Moved aside, but missed", "Put them back into batches/.", &report.wanted_back),
        count("Not from Stillage", "They stay. Import them, or take them away.", report.to_import),
        count("Missing files", "Their batches name them, the store has none.", report.rows_without_file),
    ];
    Orphans {
        at: report.at,
        moved: report.applied.then_some(report.moved as i64),
        refused: report.refused.clone(),
        bucket_trouble: report.bucket_trouble.clone(),
        parts: parts.into_iter().filter(|part| part.count > 0).collect(),
        going: report.going() as i64,
        is_too_much: report.is_too_much(),
        known: report.known as i64,
    }
}

fn is_confirmed(form: &Posted) -> bool {
    !form.fields.text("confirm").is_empty()
}

/// `POST /admin/trash/batches/{id}/purge`
pub async fn purge_batch(app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    let number = asked::batch(&app, &form.by.actor, extract::id(&path)?, is_confirmed(&form)).await?;
    Flash::done(format!("{number} is being removed for good")).keep(&form.by.session);
    Ok(see_other(PAGE))
}

/// `POST /admin/trash/files/{id}/purge`
pub async fn purge_file(app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    let name = asked::file(&app, &form.by.actor, extract::id(&path)?, is_confirmed(&form)).await?;
    Flash::done(format!("{name} is being removed for good")).keep(&form.by.session);
    Ok(see_other(PAGE))
}

/// `POST /admin/trash/empty`
pub async fn empty(app: Parts, form: Posted) -> WebResult {
    asked::everything(&app, &form.by.actor, is_confirmed(&form)).await?;
    Flash::done("The trash is being emptied. What is on hold or kept by its site stays")
        .keep(&form.by.session);
    Ok(see_other(PAGE))
}

/// `POST /admin/trash/orphans`: only looks.
pub async fn look(app: Parts, form: Posted) -> WebResult {
    orphans::order(&app, &form.by.actor, None).await?;
    Flash::done("Looking through the store. Load this page again in a moment").keep(&form.by.session);
    Ok(see_other(PAGE))
}

/// `POST /admin/trash/orphans/remove`: moves aside what was found, if it is still so many.
pub async fn remove(app: Parts, form: Posted) -> WebResult {
    let Ok(expect) = form.fields.text("expect").parse() else {
        // Who may is asked before what was sent.
        orphans::last(&app, &form.by.actor).await?;
        return Err(Error::invalid("expect", "Look first: the number of files that go is missing.").into());
    };
    orphans::order(&app, &form.by.actor, Some(expect)).await?;
    Flash::done("Moving them aside. Load this page again in a moment").keep(&form.by.session);
    Ok(see_other(PAGE))
}
