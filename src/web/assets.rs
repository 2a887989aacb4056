//! Style sheets, scripts and icons, embedded in the binary and served under names that carry their hash, so
//! that browsers keep them for ever and a new release is seen at once.

use std::{collections::HashMap, sync::LazyLock};

use actix_web::{HttpResponse, http::header, web};
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use super::error::{WebError, WebResult};
use crate::error::Error;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/static"]
struct Files;

/// Where browsers find an asset: `/static/css/base.0123456789ab.css` for `css/base.css`.
static URLS: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
    Files::iter()
        .filter_map(|path| {
            let hash = hex::encode(&Sha256::digest(Files::get(&path)?.data)[..6]);
            let (stem, extension) = path.rsplit_once('.')?;
            Some((path.to_string(), format!("/static/{stem}.{hash}.{extension}")))
        })
        .collect()
});

/// The address of an asset, for templates. An unknown one gives an address that answers 404; a test looks for
/// those on every page.
pub fn url(path: &str) -> &'static str {
    URLS.get(path).map_or("/static/missing", String::as_str)
}

/// `GET /static/{path}`
pub async fn serve(path: web::Path<String>) -> WebResult {
    let not_found = || WebError::from(Error::NotFound);
    let (stem, extension) = path.rsplit_once('.').ok_or_else(not_found)?;
    let (stem, _hash) = stem.rsplit_once('.').ok_or_else(not_found)?;
    let name = format!("{stem}.{extension}");
    if URLS.get(&name).is_none_or(|url| url["/static/".len()..] != **path) {
        return Err(not_found());
    }
    let file = Files::get(&name).ok_or_else(not_found)?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, actix_files::file_extension_to_mime(extension)))
        .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .body(file.data.into_owned()))
}
