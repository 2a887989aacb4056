//! The admin's figures, for scripts.

use actix_web::{HttpResponse, web};

use super::types::ErrorBody;
use crate::{
    domain::stats::{self, Stats},
    web::{
        error::WebResult,
        extract::{CurrentUser, Parts},
        pages::admin::stats::Query,
    },
};

/// Sizes, growth, downloads and costs
///
/// What the overview of admins shows. Amounts of money are in millionths of a US dollar; a gigabyte of prices has 10^9
/// bytes.
#[utoipa::path(
    get,
    path = "/api/stats",
    operation_id = "getStats",
    tag = "stats",
    params(
        ("step" = Option<String>, Query, description = "`day`: the last 30; `week`: the last 12; `month`: the last 12"),
        ("site" = Option<String>, Query, description = "Only this site, by its id"),
    ),
    responses(
        (status = 200, description = "The figures", body = Stats),
        (status = 401, description = "No token, or one that does not count", body = ErrorBody),
        (status = 403, description = "Only admins see them", body = ErrorBody),
        (status = 404, description = "There is no such site", body = ErrorBody),
    )
)]
pub async fn show(app: Parts, by: CurrentUser, query: web::Query<Query>) -> WebResult {
    Ok(HttpResponse::Ok().json(stats::show(&app, &by.actor, query.asked()?).await?))
}
