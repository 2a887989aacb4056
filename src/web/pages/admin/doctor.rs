//! What is wrong with the place the server runs in.

use actix_web::HttpRequest;

use super::{
    super::{
        render,
        view::doctor::{AreaCard, DoctorPage, FindingRow, Tone},
    },
    admin_frame,
};
use crate::{
    domain::doctor::{self, Area, Level},
    web::{
        error::WebResult,
        extract::{CurrentUser, Parts},
    },
};

/// `GET /admin/doctor`
pub async fn show(req: HttpRequest, app: Parts, by: CurrentUser) -> WebResult {
    let areas = doctor::of_server(&app, &by.actor).await?;
    let [failures, warnings] = [Level::Failure, Level::Warning].map(|level| doctor::count(&areas, level));
    render(&DoctorPage {
        frame: admin_frame(&req, &by, "Health").await,
        failures,
        warnings,
        areas: areas.into_iter().map(card).collect(),
    })
}

fn card(area: Area) -> AreaCard {
    // Notes do not take the good word from a whole area.
    let tone = if area.worst() <= Level::Note { Tone::Good } else { tone(area.worst()) };
    let rows = area.findings.into_iter().map(|finding| FindingRow {
        tone: self::tone(finding.level),
        what: finding.what,
        mend: finding.mend,
    });
    AreaCard { key: area.area, title: area.title, tone, findings: rows.collect() }
}

fn tone(level: Level) -> Tone {
    match level {
        Level::Ok => Tone::Good,
        Level::Note => Tone::Plain,
        Level::Warning => Tone::Warning,
        Level::Failure => Tone::Failure,
    }
}
