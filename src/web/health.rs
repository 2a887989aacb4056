//! Whether this instance lives and can serve.

use actix_web::HttpResponse;

use super::extract::Parts;
use crate::domain::maintenance;

/// `GET /health/live`: the process answers.
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

/// `GET /health/ready`: 503 while the database or the storage cannot serve. What else does not work is listed.
pub async fn ready(app: Parts) -> HttpResponse {
    match maintenance::ready(&app).await {
        Ok(()) => {
            let degraded = maintenance::degraded(&app).into_iter().map(|part| format!("degraded: {part}\n"));
            let text = std::iter::once("ready\n".to_owned()).chain(degraded).collect::<String>();
            HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(text)
        }
        Err(part) => HttpResponse::ServiceUnavailable()
            .content_type("text/plain; charset=utf-8")
            .body(format!("not ready: {part}\n")),
    }
}
