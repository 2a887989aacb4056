//! The logo of this installation. Its address carries its hash, so that browsers keep it for ever.

use actix_web::{HttpResponse, http::header, web};

use super::{error::WebResult, extract::Parts};
use crate::{domain::settings, error::Error};

/// `GET /brand/{hash}.png`
pub async fn logo(app: Parts, path: web::Path<String>) -> WebResult {
    let hash = path.strip_suffix(".png").ok_or(Error::NotFound)?;
    let png = settings::logo(&app, hash).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "image/png"))
        .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .body(png))
}
