//! What browsers show of files: pictures that were made from them, and PDFs as they are, under a sandbox.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ETag, EntityTag, Header, IfNoneMatch},
    web,
};
use serde::Deserialize;

use super::{
    body::FileBody,
    download::{self, FILE_POLICY, looked},
};
use crate::{
    domain::{
        audit::reads::Reading,
        previews::{self, Found, Opened, Preview, Shown, THUMBNAILS},
        tally::Way,
    },
    error::Error,
    web::{
        error::WebResult,
        extract::{self, CurrentUser, Parts},
    },
};

/// When to ask again for what is being made, in seconds.
const RETRY_AFTER: u32 = 1;

/// `GET /attachments/{id}/preview`
pub async fn show(req: HttpRequest, app: Parts, by: CurrentUser, path: web::Path<String>) -> WebResult {
    download::hold_permit(&req, &app, &by)?;
    Ok(match previews::show(&app, &by.actor, extract::id(&path)?, looked(&req)).await? {
        Shown::Document(opened) => download::answer(&app, &req, *opened, Way::Shown),
        Shown::Picture(found) => answer(&req, found, Preview::Large),
    })
}

#[derive(Deserialize)]
pub struct ThumbnailQuery {
    #[serde(default)]
    size: String,
}

/// `GET /attachments/{id}/thumbnail?size=`: the smallest that has as many pixels on its longest edge, or the largest.
pub async fn thumbnail(
    req: HttpRequest,
    app: Parts,
    by: CurrentUser,
    path: web::Path<String>,
    query: web::Query<ThumbnailQuery>,
) -> WebResult {
    let wanted = Preview::Thumbnail(edge(&query.size));
    let found = previews::open(&app, &by.actor, extract::id(&path)?, wanted, Reading::Nothing).await?;
    Ok(answer(&req, found, wanted))
}

/// `GET /attachments/{id}/pages/{n}`: a page of a PDF as a picture, from 1.
pub async fn page(
    req: HttpRequest,
    app: Parts,
    by: CurrentUser,
    path: web::Path<(String, String)>,
) -> WebResult {
    let (id, number) = path.into_inner();
    let wanted = Preview::Page(number.parse().map_err(|_| Error::NotFound)?);
    download::hold_permit(&req, &app, &by)?;
    let found = previews::open(&app, &by.actor, extract::id(&id)?, wanted, looked(&req)).await?;
    Ok(answer(&req, found, wanted))
}

fn edge(size: &str) -> u32 {
    let [smallest, .., largest] = THUMBNAILS;
    let size = size.parse().unwrap_or(smallest);
    THUMBNAILS.into_iter().find(|&edge| edge >= size).unwrap_or(largest)
}

fn answer(req: &HttpRequest, found: Found, what: Preview) -> HttpResponse {
    let Found::There(opened) = found else {
        return HttpResponse::Accepted().insert_header((header::RETRY_AFTER, RETRY_AFTER)).finish();
    };
    let Opened { sha256, file, size, first } = opened;
    let tag = EntityTag::new_strong(format!("{}-{}", hex::encode(sha256), what.name()));
    let is_known = match IfNoneMatch::parse(req) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&tag)),
        Err(_) => false,
    };
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header(ETag(tag))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .insert_header((header::CONTENT_SECURITY_POLICY, FILE_POLICY))
        .insert_header((header::CONTENT_TYPE, "image/jpeg"));
    if is_known { response.finish() } else { response.body(FileBody::new(file, first, 0, size)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_size_gives_one_there_is() {
        let table =
            [("", 320), ("1", 320), ("320", 320), ("321", 640), ("9999", 640), ("-1", 320), ("x", 320)];
        for (size, expected) in table {
            assert_eq!(edge(size), expected, "{size}");
        }
    }
}
