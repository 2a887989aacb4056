//! Files, for scripts.

use actix_web::{HttpResponse, web};

use super::types::{Attachment, ErrorBody};
use crate::{
    domain::attachments,
    web::{
        error::WebResult,
        extract::{self, CurrentUser, Parts, Posted},
    },
};

/// What is known of a file
#[utoipa::path(
    get,
    path = "/api/production/attachments/{id}",
    operation_id = "getFile",
    tag = "attachments",
    params(("id" = String, Path, description = "The file's id")),
    responses(
        (status = 200, description = "The file", body = Attachment,
            links(
                ("downloadFile" = (
                    operation_id = "downloadFile",
                    parameters(("stored_name" = "$response.body#/stored_name"))
                )),
                ("deleteFile" = (operation_id = "deleteFile", parameters(("id" = "$response.body#/id")))),
            )),
        (status = 401, description = "No token, or one that does not count", body = ErrorBody),
        (status = 404, description = "Not there, or not for you", body = ErrorBody),
    )
)]
pub async fn show(app: Parts, by: CurrentUser, path: web::Path<String>) -> WebResult {
    let found = attachments::describe(&app, &by.actor, extract::id(&path)?).await?;
    Ok(HttpResponse::Ok().json(Attachment::of(&found)))
}

/// Move a file to the trash
#[utoipa::path(
    delete,
    path = "/api/production/attachments/{id}",
    operation_id = "deleteFile",
    tag = "attachments",
    params(("id" = String, Path, description = "The file's id")),
    responses(
        (status = 204, description = "It is in the trash, from where a person can restore it"),
        (status = 401, description = "No token, or one that does not count", body = ErrorBody),
        (status = 403, description = "You may not delete files", body = ErrorBody),
        (status = 404, description = "Not there, or not for you", body = ErrorBody),
        (status = 409, description = "Its batch is in the trash", body = ErrorBody),
    )
)]
pub async fn delete(app: Parts, form: Posted, path: web::Path<String>) -> WebResult {
    attachments::trash(&app, &form.by.actor, extract::id(&path)?).await?;
    Ok(HttpResponse::NoContent().finish())
}
