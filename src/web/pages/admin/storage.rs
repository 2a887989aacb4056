//! The homes of files: how they are, and what can be done about them.

use actix_web::HttpRequest;

use super::{
    super::{
        render, see_other,
        view::storage::{MoveBox, StoragePage},
    },
    admin_frame,
};
use crate::{
    domain::{
        access::{Action, Resource, authorize},
        copies::{Place, moving},
        storage,
    },
    error::Error,
    web::{
        error::WebResult,
        extract::{self, CurrentUser, Parts, Posted},
        flash::Flash,
    },
};

const PATH: &str = "/admin/storage";

/// `GET /admin/storage`
pub async fn show(req: HttpRequest, app: Parts, by: CurrentUser) -> WebResult {
    let overview = storage::overview(&app, &by.actor).await?;
    render(&StoragePage {
        frame: admin_frame(&req, &by, "Storage").await,
        moving: overview.moving.clone().map(MoveBox::from),
        overview,
    })
}

/// `POST /admin/storage/test`: puts, reads and deletes an object.
pub async fn test(app: Parts, form: Posted) -> WebResult {
    let flash = match storage::test_connection(&app, &form.by.actor).await? {
        None => Flash::done("The bucket took an object, gave it back and deleted it"),
        Some(reason) => Flash::failed(format!("The bucket does not work: {reason}")),
    };
    flash.keep(&form.by.session);
    Ok(see_other(PATH))
}

/// `POST /admin/storage/sync`: takes up everything again that has no sound copy in the bucket.
pub async fn sync(app: Parts, form: Posted) -> WebResult {
    let enqueued = storage::sync(&app, &form.by.actor).await?;
    Flash::done(format!("All that waits is tried now; {enqueued} new in the queue")).keep(&form.by.session);
    Ok(see_other(PATH))
}

/// `POST /admin/storage/retry` (`id`): tries one file's copy again.
pub async fn retry(app: Parts, form: Posted) -> WebResult {
    authorize(&form.by.actor, Action::Administer, Resource::System)?;
    storage::retry(&app, &form.by.actor, extract::id(form.fields.text("id"))?).await?;
    Flash::done("The copy is tried again").keep(&form.by.session);
    Ok(see_other(PATH))
}

/// `POST /admin/storage/pause`
pub async fn pause(app: Parts, form: Posted) -> WebResult {
    storage::set_paused(&app, &form.by.actor, true).await?;
    Flash::done("No new copies are made until you go on").keep(&form.by.session);
    Ok(see_other(PATH))
}

/// `POST /admin/storage/resume`
pub async fn resume(app: Parts, form: Posted) -> WebResult {
    storage::set_paused(&app, &form.by.actor, false).await?;
    Flash::done("Copies are made again").keep(&form.by.session);
    Ok(see_other(PATH))
}

/// `POST /admin/storage/move` (`to`: `cloud` or `local`)
pub async fn relocate(app: Parts, form: Posted) -> WebResult {
    authorize(&form.by.actor, Action::Administer, Resource::System)?;
    let to = match form.fields.text("to") {
        "cloud" => Place::Cloud,
        "local" => Place::Local,
        _ => return Err(Error::invalid("to", "Files move to the cloud or to local storage.").into()),
    };
    begin(&app, &form.by, to, false).await
}

/// `POST /admin/storage/evict`: removes local copies of what is sound in the bucket.
pub async fn evict(app: Parts, form: Posted) -> WebResult {
    begin(&app, &form.by, Place::Cloud, true).await
}

async fn begin(app: &Parts, by: &CurrentUser, to: Place, evict: bool) -> WebResult {
    moving::begin(app, &by.actor, to, evict).await?;
    Flash::done("The move has begun; it goes on when you leave this page").keep(&by.session);
    Ok(see_other(PATH))
}

/// `POST /admin/storage/stop`: ends a move after the file in hand.
pub async fn stop(app: Parts, form: Posted) -> WebResult {
    moving::stop(&app, &form.by.actor).await?;
    Flash::done("The move ends after the file in hand").keep(&form.by.session);
    Ok(see_other(PATH))
}
