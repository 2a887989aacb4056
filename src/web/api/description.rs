//! The API's own description: OpenAPI for programs, and the same as a page for people.

use std::sync::LazyLock;

use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::{attachments, batches, stats, types};
use crate::{
    error::Error,
    web::{
        error::WebResult,
        extract::CurrentUser,
        pages::{
            frame, render,
            view::{
                api::{ApiPage, Operation},
                frame::Place,
            },
        },
        transfer::{download, upload},
    },
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Stillage",
        description = "Files of production batches. Send `Authorization: Bearer stl_…` with a token from \
            `/account/tokens`; what a token may do is bounded by its scope and by what its user may do. Fields that \
            are not listed are ignored."
    ),
    paths(
        batches::list,
        batches::create,
        batches::show,
        upload::to_batch,
        attachments::show,
        attachments::delete,
        download::by_stored_name,
        stats::show,
    ),
    components(schemas(types::FileResult, types::Problem)),
    modifiers(&Token),
    security(("token" = [])),
)]
struct Description;

struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut Document) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("stl_…").build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

static DOCUMENT: LazyLock<Document> = LazyLock::new(Description::openapi);

/// `GET /api/openapi.json`
pub async fn json(_by: CurrentUser) -> HttpResponse {
    HttpResponse::Ok().json(&*DOCUMENT)
}

/// `GET /api/docs`
pub async fn page(req: HttpRequest, by: CurrentUser) -> WebResult {
    let document = serde_json::to_value(&*DOCUMENT).map_err(Error::internal)?;
    render(&ApiPage { frame: frame(&req, &by, "API", Place::Elsewhere), operations: operations(&document) })
}

/// Every operation, in the order of the document.
fn operations(document: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths
        .flat_map(|(path, item)| {
            item.as_object()
                .into_iter()
                .flatten()
                .map(move |(method, operation)| operation_of(path, method, operation))
        })
        .collect()
}

fn operation_of(path: &str, method: &str, operation: &Value) -> Operation {
    // The description is Markdown, of which only code is used; the page shows it plainly.
    let text = |value: &Value| value.as_str().unwrap_or_default().replace('`', "");
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let bodies = operation["requestBody"]["content"].as_object().into_iter().flatten();
    let responses = operation["responses"].as_object().into_iter().flatten();
    Operation {
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: text(&operation["summary"]),
        text: text(&operation["description"]),
        parameters: parameters.map(|given| (text(&given["name"]), text(&given["description"]))).collect(),
        bodies: bodies.map(|(kind, _)| kind.clone()).collect(),
        responses: responses.map(|(status, what)| (status.clone(), text(&what["description"]))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::web::routes;

    /// The description does not describe itself.
    const OF_ITSELF: [&str; 2] = ["/api/docs", "/api/openapi.json"];

    #[test]
    fn every_route_of_the_api_is_described_and_no_other() {
        let document = serde_json::to_value(&*DOCUMENT).unwrap();
        let described: BTreeSet<_> =
            operations(&document).iter().map(|known| format!("{} {}", known.method, known.path)).collect();
        let routes: BTreeSet<_> = routes::map()
            .listed
            .iter()
            .filter(|(method, path)| {
                path.starts_with("/api/") && !OF_ITSELF.contains(path) && method.as_str() != "HEAD"
            })
            .map(|(method, path)| format!("{method} {path}"))
            .collect();
        assert_eq!(described, routes);
    }

    #[test]
    fn every_operation_says_what_it_does_and_how_it_fails() {
        let document = serde_json::to_value(&*DOCUMENT).unwrap();
        let ids: Vec<_> = document["paths"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|item| item.as_object().unwrap().values())
            .map(|operation| operation["operationId"].as_str().unwrap())
            .collect();
        assert_eq!(
            BTreeSet::from_iter(&ids).len(),
            ids.len(),
            "generators name functions after them: {ids:?}"
        );
        for known in operations(&document) {
            assert!(!known.summary.is_empty(), "{} {}", known.method, known.path);
            assert!(known.responses.iter().any(|(status, _)| status == "401"), "{}", known.path);
            assert!(known.responses.iter().all(|(_, what)| !what.is_empty()), "{}", known.path);
        }
        assert_eq!(document["components"]["securitySchemes"]["token"]["scheme"], "bearer");
    }
}
