//! Prices, and what else an admin says about where files could be kept.

use actix_web::HttpRequest;

use super::{
    super::{
        auth::problem,
        render, render_as, see_other,
        view::{
            form::Field,
            stats::{PriceGroup, PricesPage},
        },
    },
    admin_frame, mendable,
};
use crate::{
    domain::{
        advice::Circumstances,
        prices::{self, LOCAL, R2, S3},
    },
    error::FieldError,
    web::{
        error::WebResult,
        extract::{CurrentUser, Parts, Posted},
        flash::Flash,
    },
};

/// `GET /admin/prices`
pub async fn show(req: HttpRequest, app: Parts, by: CurrentUser) -> WebResult {
    let prices = prices::show(&app, &by.actor).await?;
    render(&page(&req, &by, |field| field.text(&prices), prices.circumstances, &[]).await)
}

/// `POST /admin/prices`
pub async fn save(req: HttpRequest, app: Parts, form: Posted) -> WebResult {
    let Posted { by, fields } = form;
    let is_ticked = |name: &str| !fields.text(name).is_empty();
    let circumstances = Circumstances {
        backup_elsewhere: is_ticked("backup_elsewhere"),
        several_servers: is_ticked("several_servers"),
        compliance: is_ticked("compliance"),
        distant_users: is_ticked("distant_users"),
    };
    let typed = |name: &str| fields.text(name).to_owned();
    match prices::save(&app, &by.actor, typed, circumstances).await {
        Ok(()) => {
            Flash::done("Saved the prices".to_owned()).keep(&by.session);
            Ok(see_other("/admin#costs"))
        }
        Err(error) => {
            let (status, problems) = mendable(error, &[])?;
            let page = page(&req, &by, |field| typed(field.name), circumstances, &problems).await;
            render_as(status, &page)
        }
    }
}

async fn page(
    req: &HttpRequest,
    by: &CurrentUser,
    text: impl Fn(&prices::Field) -> String,
    circumstances: Circumstances,
    problems: &[FieldError],
) -> PricesPage {
    let fields = |fields: &'static [prices::Field]| {
        let field =
            |field: &prices::Field| Field { value: text(field), error: problem(problems, field.name) };
        fields.iter().map(|known| (known.name, known.label, field(known))).collect()
    };
    let Circumstances { backup_elsewhere, several_servers, compliance, distant_users } = circumstances;
    PricesPage {
        frame: admin_frame(req, by, "Prices").await,
        groups: vec![
            PriceGroup {
                name: "Local disk",
                hint: "What a gigabyte of your own disk costs a month, with power and replacement. Empty: not known.",
                fields: fields(LOCAL),
            },
            PriceGroup {
                name: "Cloudflare R2",
                hint: "Writes are its class A operations, reads its class B operations.",
                fields: fields(R2),
            },
            PriceGroup {
                name: "AWS S3",
                hint: "Writes are PUT requests, reads are GET requests.",
                fields: fields(S3),
            },
        ],
        circumstances: vec![
            ("backup_elsewhere", "Backups are kept in another place", backup_elsewhere),
            ("several_servers", "Several servers run Stillage", several_servers),
            ("compliance", "Rules ask for a certified place", compliance),
            ("distant_users", "Many people fetch files from far away", distant_users),
        ],
    }
}
