//! Files on their way out: conditional and partial requests after RFC 9110.

use std::sync::Arc;

use actix_files::HttpRange;
use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method,
        header::{self, ContentType, ETag, EntityTag, Header, HttpDate, IfMatch, IfNoneMatch, IfRange},
    },
    web,
};

use super::{body::FileBody, check::Check, disposition};
use crate::{
    app::App,
    domain::{
        attachments::{self, AttachmentRow, Name, Opened, Taken},
        audit::reads::Reading,
        limits::LimitKey,
        tally::Way,
    },
    error::Result,
    web::{
        api::types::ErrorBody,
        connections,
        error::WebResult,
        extract::{self, CurrentUser, Parts},
    },
};

/// What a user's file may do when a browser opens it: nothing.
pub(super) const FILE_POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; \
    frame-ancestors 'self'";

/// `GET /attachments/{id}/download`
pub async fn original(req: HttpRequest, app: Parts, by: CurrentUser, path: web::Path<String>) -> WebResult {
    send(&req, &app, &by, Name::Id(extract::id(&path)?)).await
}

/// The bytes of a file
///
/// With ranges and conditions (RFC 9110); the entity tag is the file's SHA-256.
#[utoipa::path(
    get,
    path = "/api/production/attachment/{stored_name}",
    operation_id = "downloadFile",
    tag = "attachments",
    params(("stored_name" = String, Path, description = "`stored_name` of the file")),
    responses(
        (status = 200, description = "The bytes", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 206, description = "The part that was asked for", content_type = "application/octet-stream",
            body = Vec<u8>),
        (status = 304, description = "You have it already"),
        (status = 401, description = "No token, or one that does not count", body = ErrorBody),
        (status = 404, description = "Not there, or not for you", body = ErrorBody),
        (status = 409, description = "Its bytes are lost or damaged", body = ErrorBody),
        (status = 412, description = "It is not what you hold"),
        (status = 416, description = "There is no such part"),
    )
)]
pub async fn by_stored_name(
    req: HttpRequest,
    app: Parts,
    by: CurrentUser,
    path: web::Path<String>,
) -> WebResult {
    send(&req, &app, &by, Name::Stored(path.into_inner())).await
}

/// The bytes, or the address of a bucket that has them.
async fn send(req: &HttpRequest, app: &Parts, by: &CurrentUser, name: Name) -> WebResult {
    let named = |row: &AttachmentRow| disposition::value("attachment", &row.original_name);
    hold_permit(req, app, by)?;
    match attachments::take(app, &by.actor, name, taken(req), named).await? {
        Taken::Bytes(opened) => Ok(answer(app, req, *opened, Way::Taken)),
        Taken::Address { url, found } => {
            // What the client then asks the bucket for, nobody here sees: a redirect counts as the whole file.
            if *req.method() != Method::HEAD {
                let (row, size) = (&found.row, found.row.size_bytes as u64);
                app.tally.hand_out(app.clock.now(), Way::Taken, found.site_id, &row.content_type, 0, size);
            }
            Ok(HttpResponse::TemporaryRedirect()
                .insert_header((header::LOCATION, url))
                .insert_header((header::CACHE_CONTROL, "private, no-store"))
                .finish())
        }
    }
}

/// Counts what is sent among the downloads of the person who asked for it.
///
/// # Errors
/// [`crate::error::Error::Unavailable`] when too many are under way.
pub(super) fn hold_permit(req: &HttpRequest, app: &App, by: &CurrentUser) -> Result<()> {
    let keys = Vec::from_iter(LimitKey::of(&by.actor));
    connections::hold(req, app.limits.downloads.acquire(&keys)?);
    Ok(())
}

/// What a request that shows a file comes to for the trail.
pub(in crate::web) fn looked(req: &HttpRequest) -> Reading {
    if req.method() == Method::GET { Reading::View } else { Reading::Nothing }
}

/// What a request for the bytes comes to: a download once its first byte goes out, a look for any other part, so that
/// nobody gets the rest unseen.
fn taken(req: &HttpRequest) -> impl FnOnce(&AttachmentRow) -> Reading + Send + 'static {
    let text = |name| {
        req.headers().get(name).and_then(|value: &header::HeaderValue| value.to_str().ok()).map(str::to_owned)
    };
    let (is_get, range, known) =
        (req.method() == Method::GET, text(header::RANGE), text(header::IF_NONE_MATCH));
    move |row| {
        let has_it =
            known.is_some_and(|known| known.trim() == "*" || known.contains(&hex::encode(&row.sha256)));
        if !is_get || has_it {
            return Reading::Nothing;
        }
        match range.map(|range| part(&range, row.size_bytes as u64)) {
            None | Some(Wanted::Whole | Wanted::Part { start: 0, .. }) => Reading::Download,
            Some(Wanted::Part { .. }) => Reading::View,
            Some(_) => Reading::Nothing,
        }
    }
}

/// An opened file, whole or in part. What the answer carries is counted here, so that it is never forgotten: the bytes
/// that it is about to send, whether or not the client stays for all of them.
pub fn answer(app: &Arc<App>, req: &HttpRequest, opened: Opened, way: Way) -> HttpResponse {
    let Opened { row, site_id, file, first } = opened;
    let kind = match way {
        Way::Taken => "attachment",
        Way::Shown => "inline",
    };
    let size = row.size_bytes as u64;
    let etag = EntityTag::new_strong(hex::encode(&row.sha256));
    let modified = HttpDate::from(std::time::SystemTime::from(row.uploaded_at));

    let mut response = HttpResponse::Ok();
    response
        .insert_header(ETag(etag.clone()))
        .insert_header((header::LAST_MODIFIED, modified))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .insert_header((header::CONTENT_SECURITY_POLICY, FILE_POLICY))
        .insert_header((header::CONTENT_DISPOSITION, disposition::value(kind, &row.original_name)))
        .insert_header((header::CONTENT_TYPE, row.content_type.as_str()));

    let wanted = evaluate(req, &etag, modified, size);
    let carried = match wanted {
        Wanted::Whole => Some((0, size)),
        Wanted::Part { start, length } => Some((start, length)),
        Wanted::Nothing | Wanted::Refused | Wanted::Unsatisfiable => None,
    };
    if let Some((start, length)) = carried
        && *req.method() != Method::HEAD
    {
        app.tally.hand_out(app.clock.now(), way, site_id, &row.content_type, start, length);
    }
    // All of the bytes, asked for in whichever way, are checked while they go out.
    let body = |start, length| {
        let body = FileBody::new(file, first, start, length);
        if length == size { body.checked(Check::new(app, row.id, row.sha256.clone())) } else { body }
    };
    match wanted {
        Wanted::Nothing => response.status(actix_web::http::StatusCode::NOT_MODIFIED).finish(),
        Wanted::Refused => bare(&row, actix_web::http::StatusCode::PRECONDITION_FAILED).finish(),
        Wanted::Unsatisfiable => bare(&row, actix_web::http::StatusCode::RANGE_NOT_SATISFIABLE)
            .insert_header((header::CONTENT_RANGE, format!("bytes */{size}")))
            .finish(),
        Wanted::Whole => response.body(body(0, size)),
        Wanted::Part { start, length } => response
            .status(actix_web::http::StatusCode::PARTIAL_CONTENT)
            .insert_header((header::CONTENT_RANGE, format!("bytes {start}-{}/{size}", start + length - 1)))
            .body(body(start, length)),
    }
}

/// An answer about the file that does not carry it. It has a media type, so that it is not taken for an error
/// that still needs a page.
fn bare(row: &AttachmentRow, status: actix_web::http::StatusCode) -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .insert_header(ETag(EntityTag::new_strong(hex::encode(&row.sha256))))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header(ContentType::plaintext());
    response
}

/// What a request's conditions and ranges come to.
#[derive(Debug, PartialEq, Eq)]
pub enum Wanted {
    Whole,
    Part {
        start: u64,
        length: u64,
    },
    /// 304
    Nothing,
    /// 412
    Refused,
    /// 416
    Unsatisfiable,
}

/// Evaluates preconditions in the order of RFC 9110, 13.2.2. Several ranges at once are answered with the whole,
/// as 14.2 allows; a file's bytes never change, so its date only matters to clients that know nothing better.
pub fn evaluate(req: &HttpRequest, etag: &EntityTag, modified: HttpDate, size: u64) -> Wanted {
    if req.headers().contains_key(header::IF_MATCH) {
        let matches = match IfMatch::parse(req) {
            Ok(IfMatch::Any) => true,
            Ok(IfMatch::Items(tags)) => tags.iter().any(|tag| tag.strong_eq(etag)),
            Err(_) => false,
        };
        if !matches {
            return Wanted::Refused;
        }
    } else if let Some(since) = date(req, &header::IF_UNMODIFIED_SINCE)
        && seconds(modified) > seconds(since)
    {
        return Wanted::Refused;
    }
    if req.headers().contains_key(header::IF_NONE_MATCH) {
        let matches = match IfNoneMatch::parse(req) {
            Ok(IfNoneMatch::Any) => true,
            Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| tag.weak_eq(etag)),
            Err(_) => false,
        };
        if matches {
            return Wanted::Nothing;
        }
    } else if let Some(since) = date(req, &header::IF_MODIFIED_SINCE)
        && seconds(modified) <= seconds(since)
    {
        return Wanted::Nothing;
    }
    match req.headers().get(header::RANGE).and_then(|range| range.to_str().ok()) {
        Some(range) if range_holds(req, etag, modified) => part(range, size),
        _ => Wanted::Whole,
    }
}

/// Whether `If-Range` lets a range stand.
fn range_holds(req: &HttpRequest, etag: &EntityTag, modified: HttpDate) -> bool {
    if !req.headers().contains_key(header::IF_RANGE) {
        return true;
    }
    match IfRange::parse(req) {
        Ok(IfRange::EntityTag(tag)) => tag.strong_eq(etag),
        Ok(IfRange::Date(date)) => seconds(date) == seconds(modified),
        Err(_) => false,
    }
}

fn part(range: &str, size: u64) -> Wanted {
    // A range set that cannot be read is to be ignored (RFC 9110, 14.2); one that lies outside is not.
    let is_readable = range.strip_prefix("bytes=").is_some_and(|specs| {
        specs.split(',').all(|spec| {
            spec.trim().split_once('-').is_some_and(|(first, last)| {
                let number = |text: &str| text.is_empty() || text.bytes().all(|byte| byte.is_ascii_digit());
                number(first) && number(last) && !(first.is_empty() && last.is_empty())
            })
        })
    });
    if !is_readable {
        return Wanted::Whole;
    }
    match HttpRange::parse(range, size).as_deref() {
        Ok([HttpRange { start, length }]) if *length > 0 => Wanted::Part { start: *start, length: *length },
        Ok([_, _, ..]) => Wanted::Whole,
        Ok(_) | Err(_) => Wanted::Unsatisfiable,
    }
}

fn date(req: &HttpRequest, name: &header::HeaderName) -> Option<HttpDate> {
    req.headers().get(name)?.to_str().ok()?.parse().ok()
}

/// HTTP dates have no fractions of a second.
fn seconds(date: HttpDate) -> u64 {
    let time = std::time::SystemTime::from(date);
    time.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use proptest::prelude::*;

    use super::*;

    fn wanted(headers: &[(&str, &str)]) -> Wanted {
        let mut req = TestRequest::get();
        for header in headers {
            req = req.insert_header(*header);
        }
        let modified = "Tue, 24 Nov 2026 10:00:00 GMT".parse().unwrap();
        evaluate(&req.to_http_request(), &EntityTag::new_strong("abc".to_owned()), modified, 100)
    }

    #[test]
    fn conditions_and_ranges() {
        let part = |start, length| Wanted::Part { start, length };
        let (before, at) = ("Tue, 24 Nov 2026 09:00:00 GMT", "Tue, 24 Nov 2026 10:00:00 GMT");
        let table: Vec<(Vec<(&str, &str)>, Wanted)> = vec![
            (vec![], Wanted::Whole),
            (vec![("If-None-Match", "\"abc\"")], Wanted::Nothing),
            (vec![("If-None-Match", "W/\"abc\"")], Wanted::Nothing),
            (vec![("If-None-Match", "*")], Wanted::Nothing),
            (vec![("If-None-Match", "\"x\", \"abc\"")], Wanted::Nothing),
            (vec![("If-None-Match", "\"x\"")], Wanted::Whole),
            (vec![("If-None-Match", "\"x\""), ("If-Modified-Since", at)], Wanted::Whole),
            (vec![("If-Modified-Since", at)], Wanted::Nothing),
            (vec![("If-Modified-Since", before)], Wanted::Whole),
            (vec![("If-Match", "\"abc\"")], Wanted::Whole),
            (vec![("If-Match", "W/\"abc\"")], Wanted::Refused),
            (vec![("If-Match", "\"x\"")], Wanted::Refused),
            (vec![("If-Unmodified-Since", before)], Wanted::Refused),
            (vec![("If-Unmodified-Since", at)], Wanted::Whole),
            (vec![("Range", "bytes=0-0")], part(0, 1)),
            (vec![("Range", "bytes=10-")], part(10, 90)),
            (vec![("Range", "bytes=-10")], part(90, 10)),
            (vec![("Range", "bytes=-1000")], part(0, 100)),
            (vec![("Range", "bytes=90-1000")], part(90, 10)),
            (vec![("Range", "bytes=100-")], Wanted::Unsatisfiable),
            (vec![("Range", "bytes=-0")], Wanted::Unsatisfiable),
            (vec![("Range", "bytes=0-1,5-6")], Wanted::Whole),
            (vec![("Range", "lines=0-1")], Wanted::Whole),
            (vec![("Range", "bytes=x-y")], Wanted::Whole),
            (vec![("Range", "bytes=0-1"), ("If-Range", "\"abc\"")], part(0, 2)),
            (vec![("Range", "bytes=0-1"), ("If-Range", "\"x\"")], Wanted::Whole),
            (vec![("Range", "bytes=0-1"), ("If-Range", at)], part(0, 2)),
            (vec![("Range", "bytes=0-1"), ("If-Range", before)], Wanted::Whole),
            (vec![("Range", "bytes=0-1"), ("If-None-Match", "\"abc\"")], Wanted::Nothing),
        ];
        for (headers, expected) in table {
            assert_eq!(wanted(&headers), expected, "{headers:?}");
        }
    }

    proptest! {
        #[test]
        fn any_range_stays_inside(range in "bytes=[0-9,\\- ]{0,30}|[ -~]{0,40}", size in 1u64..1_000_000) {
            if let Wanted::Part { start, length } = part(&range, size) {
                prop_assert!(length > 0 && start + length <= size);
            }
        }
    }
}
