//! Whether this instance lives and can serve.

use actix_web::HttpResponse;

use super::extract::Parts;
use crate::domain::readiness;

/// `GET /health/live`: the process answers.
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

/// `GET /health/ready`: 503 while the database or the storage cannot serve; what else is down is listed with 200.
pub async fn ready(app: Parts) -> HttpResponse {
    match readiness::ready(&app).await {
        Ok(degraded) => {
            let degraded: String = degraded.iter().map(|part| format!("degraded: {part}\n")).collect();
            HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(format!("ready\n{degraded}"))
        }
        Err(part) => HttpResponse::ServiceUnavailable()
            .content_type("text/plain; charset=utf-8")
            .body(format!("not ready: {part}\n")),
    }
}
