//! Settings: what admins may change while Stillage runs.

use actix_web::HttpRequest;

use super::{
    super::{
        auth::problem,
        render, render_as, see_other,
        view::{
            form::Field,
            settings::{Setting, SettingsPage, TypeBox},
        },
    },
    admin_frame, mendable,
};
use crate::{
    config::MB,
    domain::{
        access::{Action, Resource, authorize},
        content,
        settings::{self, Draft, Origin},
    },
    error::{Error, FieldError, Result},
    web::{
        error::WebResult,
        extract::{CurrentUser, Parts, Posted, Upload},
        flash::Flash,
        multipart::{GuardedForm, Part, malformed},
    },
};

const PATH: &str = "/admin/settings";

/// More than this is not even read; what a logo may have is checked afterwards, with a message at its field.
const LOGO_READ_BYTES: usize = 64 * 1024;

/// What stands in the form.
struct Typed<'a> {
    max_upload_mb: String,
    trash_days: String,
    extras: Vec<&'a str>,
    name: String,
}

/// `GET /admin/settings`
pub async fn show(req: HttpRequest, app: Parts, by: CurrentUser) -> WebResult {
    authorize(&by.actor, Action::Administer, Resource::System)?;
    render(&page(&req, &app, &by, None, &[]).await)
}

/// `POST /admin/settings` (`max_upload_mb`, `trash_days`, `extras`, `brand`)
pub async fn save(req: HttpRequest, app: Parts, form: Posted) -> WebResult {
    let Posted { by, fields } = form;
    let given = |name| Some(fields.text(name)).filter(|text| !text.is_empty());
    let draft = Draft {
        max_upload_mb: given("max_upload_mb"),
        trash_days: given("trash_days"),
        extras: fields.all("extras").collect(),
        name: fields.text("brand"),
    };
    match settings::save(&app, &by.actor, draft).await {
        Ok(()) => {
            Flash::done("Saved the settings; they hold from now on").keep(&by.session);
            Ok(see_other(PATH))
        }
        Err(error) => {
            let (status, problems) = mendable(error, &[])?;
            let typed = Typed {
                max_upload_mb: fields.text("max_upload_mb").to_owned(),
                trash_days: fields.text("trash_days").to_owned(),
                extras: fields.all("extras").collect(),
                name: fields.text("brand").to_owned(),
            };
            render_as(status, &page(&req, &app, &by, Some(typed), &problems).await)
        }
    }
}

/// `POST /admin/settings/logo`: a small PNG, as `multipart/form-data`.
pub async fn set_logo(req: HttpRequest, app: Parts, upload: Upload) -> WebResult {
    let Upload { by, mut form } = upload;
    let read = read_logo(&by, &mut form).await;
    form.drain().await;
    let png = read?;
    match settings::set_logo(&app, &by.actor, Some(png)).await {
        Ok(()) => {
            Flash::done("Saved the logo").keep(&by.session);
            Ok(see_other(PATH))
        }
        Err(error) => {
            let (status, problems) = mendable(error, &[])?;
            render_as(status, &page(&req, &app, &by, None, &problems).await)
        }
    }
}

/// The file's bytes; none when no file was sent.
async fn read_logo(by: &CurrentUser, form: &mut GuardedForm) -> Result<Vec<u8>> {
    form.prove().await?;
    authorize(&by.actor, Action::Administer, Resource::System)?;
    let mut png = Vec::new();
    while let Some(part) = form.next().await? {
        if !matches!(part, Part::File(_)) {
            continue;
        }
        if !png.is_empty() {
            return Err(malformed("Send one picture."));
        }
        while let Some(bytes) = form.chunk().await? {
            if png.len() + bytes.len() > LOGO_READ_BYTES {
                return Err(malformed("The picture is too large for a logo."));
            }
            png.extend_from_slice(&bytes);
        }
    }
    Ok(png)
}

/// `POST /admin/settings/logo/remove`
pub async fn remove_logo(app: Parts, form: Posted) -> WebResult {
    settings::set_logo(&app, &form.by.actor, None).await?;
    Flash::done("Removed the logo").keep(&form.by.session);
    Ok(see_other(PATH))
}

/// `POST /admin/settings/maintenance` (`on`: `yes` or `no`)
pub async fn maintain(app: Parts, form: Posted) -> WebResult {
    authorize(&form.by.actor, Action::Administer, Resource::System)?;
    let (is_on, said) = match form.fields.text("on") {
        "yes" => (true, "Everything is read-only now"),
        "no" => (false, "Work goes on: everything can be changed again"),
        _ => return Err(Error::invalid("on", "Maintenance is on or off.").into()),
    };
    settings::set_maintenance(&app, &form.by.actor, is_on).await?;
    Flash::done(said).keep(&form.by.session);
    Ok(see_other(PATH))
}

async fn page(
    req: &HttpRequest,
    app: &Parts,
    by: &CurrentUser,
    typed: Option<Typed<'_>>,
    problems: &[FieldError],
) -> SettingsPage {
    let now = app.settings.now();
    let stored = || Typed {
        max_upload_mb: (now.max_upload_size / MB).to_string(),
        trash_days: now.trash_days.to_string(),
        extras: now.extras.clone(),
        name: now.name.clone(),
    };
    let typed = typed.unwrap_or_else(stored);
    let number = |name, typed: String, held: u64, origin| {
        let is_fixed = origin == Origin::Environment;
        let value = if is_fixed { held.to_string() } else { typed };
        Setting { field: Field { value, error: problem(problems, name) }, is_fixed }
    };
    let types = content::extras().map(|kind| TypeBox {
        key: kind.key(),
        word: kind.extensions.join(", ").to_uppercase(),
        is_chosen: typed.extras.contains(&kind.key()),
    });
    SettingsPage {
        types: types.collect(),
        limit: number("max_upload_mb", typed.max_upload_mb, now.max_upload_size / MB, now.max_upload_origin),
        trash: number("trash_days", typed.trash_days, now.trash_days, now.trash_origin),
        typed_name: Field { value: typed.name, error: problem(problems, "brand") },
        types_error: problem(problems, "extras"),
        logo_error: problem(problems, "logo"),
        maintenance: now.maintenance,
        frame: admin_frame(req, by, "Settings").await,
    }
}
