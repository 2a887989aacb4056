//! What goes over the wire. Fields are only ever added: clients hold on to them.

use chrono::{DateTime, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::domain::{attachments::Found, batches::BatchRow};

/// A stored file.
#[derive(Serialize, ToSchema)]
pub struct Attachment {
    pub id: Uuid,
    pub batch_id: Uuid,
    /// The name it was uploaded under.
    #[schema(example = "certificate.pdf")]
    pub filename: String,
    /// `{uuid}_{filename}`: its name in the store, and in its address.
    #[schema(example = "5f0c6b3e-8f0a-4c6e-9f7e-0a4c1c0d2b11_certificate.pdf")]
    pub stored_name: String,
    /// As the server found it from the bytes.
    #[schema(example = "application/pdf")]
    pub content_type: String,
    /// Bytes.
    #[schema(example = 48213)]
    pub size: i64,
    /// 64 hexadecimal digits.
    pub sha256: String,
    #[schema(example = "Ines")]
    pub uploaded_by: String,
    /// The user name, which is nobody else's; none of an imported file whose uploader has no account.
    #[schema(example = "ines.c")]
    pub uploaded_by_username: Option<String>,
    pub uploaded_at: DateTime<Utc>,
    /// `clean`, `skipped`, `pending` or `infected`
    #[schema(example = "clean")]
    pub scan: String,
    pub copies: Copies,
    /// Where its bytes are.
    pub url: String,
}

/// Where copies of a file are, and how they are.
#[derive(Serialize, ToSchema)]
pub struct Copies {
    /// `present`, `missing`, `corrupt` or `none`
    #[schema(example = "present")]
    pub local: String,
    /// The same, or `pending`
    #[schema(example = "none")]
    pub cloud: String,
}

impl Attachment {
    pub fn of(found: &Found) -> Self {
        let row = &found.row;
        Self {
            id: row.id,
            batch_id: row.batch_id,
            filename: row.original_name.clone(),
            stored_name: row.stored_name.clone(),
            content_type: row.content_type.clone(),
            size: row.size_bytes,
            sha256: hex::encode(&row.sha256),
            uploaded_by: found.uploader.clone(),
            uploaded_by_username: found.uploader_username.clone(),
            uploaded_at: row.uploaded_at,
            scan: row.scan.clone(),
            copies: Copies {
                local: found.local.clone().unwrap_or_else(|| "none".to_owned()),
                cloud: found.cloud.clone().unwrap_or_else(|| "none".to_owned()),
            },
            url: format!("/api/production/attachment/{}", encoded(&row.stored_name)),
        }
    }
}

/// A name as one segment of an address (RFC 3986): all but the unreserved characters are encoded.
fn encoded(name: &str) -> String {
    const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(name, SEGMENT).to_string()
}

/// A production batch.
#[derive(Serialize, ToSchema)]
pub struct Batch {
    pub id: Uuid,
    #[schema(example = "B-2026-0142")]
    pub number: String,
    #[schema(example = "Olive soap 100 g")]
    pub product: String,
    pub notes: String,
    /// `open`, `closed` or `trashed`
    #[schema(example = "open")]
    pub status: String,
    /// On legal hold: nothing of it can be deleted.
    #[schema(example = false)]
    pub held: bool,
    pub site_id: Uuid,
    #[schema(example = "Main")]
    pub site: String,
    pub created_at: DateTime<Utc>,
    pub last_activity_at: DateTime<Utc>,
    #[schema(example = 2)]
    pub files_count: i64,
    /// Bytes of all its files.
    #[schema(example = 96426)]
    pub bytes_total: i64,
    /// Its page.
    pub url: String,
}

impl Batch {
    pub fn of(row: BatchRow, site: String) -> Self {
        let status = if row.trashed_at.is_some() { "trashed".to_owned() } else { row.status };
        Self {
            url: format!("/batches/{}", row.id),
            id: row.id,
            number: row.number,
            product: row.product,
            notes: row.notes,
            status,
            held: row.held_at.is_some(),
            site_id: row.site_id,
            site,
            created_at: row.created_at,
            last_activity_at: row.last_activity_at,
            files_count: row.files_count,
            bytes_total: row.bytes_total,
        }
    }
}

/// A page of batches, the latest activity first.
#[derive(Serialize, ToSchema)]
pub struct BatchPage {
    pub batches: Vec<Batch>,
    /// The `cursor` of the next page, if there is one.
    pub next_cursor: Option<String>,
}

/// A batch with a page of its files, the newest first.
#[derive(Serialize, ToSchema)]
pub struct BatchWithFiles {
    #[serde(flatten)]
    pub batch: Batch,
    pub attachments: Vec<Attachment>,
    /// The `cursor` of the next page of files, if there is one.
    pub next_cursor: Option<String>,
}

/// A batch that was just made, with what became of its first files.
#[derive(Serialize, ToSchema)]
pub struct NewBatch {
    #[serde(flatten)]
    pub batch: Batch,
    pub attachments: Vec<Attachment>,
    /// One for each file that was sent, in the order they were sent.
    #[schema(value_type = Vec<FileResult>)]
    pub results: Vec<serde_json::Value>,
}

/// What became of one file of an upload.
#[derive(Serialize, ToSchema)]
pub struct FileResult {
    pub filename: String,
    /// The status that this file alone would have had.
    #[schema(example = 201)]
    pub status: u16,
    /// When it was stored.
    pub attachment: Option<Attachment>,
    /// When it was not.
    pub error: Option<Problem>,
}

/// What became of each file of an upload.
#[derive(Serialize, ToSchema)]
pub struct FileResults {
    pub results: Vec<FileResult>,
}

/// What a new batch is made of. Other fields are ignored.
#[derive(Deserialize, ToSchema)]
pub struct BatchInput {
    /// Unique within its site, in any case of its letters.
    #[schema(min_length = 1, max_length = 80, example = "B-2026-0142")]
    pub number: String,
    #[serde(default)]
    #[schema(max_length = 200, example = "Olive soap 100 g")]
    pub product: String,
    #[serde(default)]
    #[schema(max_length = 10000)]
    pub notes: String,
    /// May be left out while you see only one site.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    pub site_id: Option<String>,
}

/// A new batch as a form, with its first files. The fields come before the files.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it only describes the multipart form, which is read part by part")]
pub struct BatchForm {
    #[schema(min_length = 1, max_length = 80, example = "B-2026-0142")]
    number: String,
    #[schema(max_length = 200)]
    product: Option<String>,
    #[schema(max_length = 10000)]
    notes: Option<String>,
    site_id: Option<Uuid>,
    #[schema(value_type = Option<Vec<String>>, format = Binary)]
    files: Option<Vec<Vec<u8>>>,
}

/// Files to store.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it only describes the multipart form, which is read part by part")]
pub struct FilesForm {
    #[schema(value_type = Vec<String>, format = Binary)]
    files: Vec<Vec<u8>>,
}

/// How a list of batches is narrowed.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// What number, product or file name contains.
    #[serde(default)]
    pub q: String,
    /// Where the page begins: `next_cursor` of the one before.
    pub cursor: Option<String>,
    /// Batches on this page; 50 when it is left out.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<usize>,
}

/// Where a page begins.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CursorQuery {
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// Every refusal looks like this.
#[derive(Serialize, ToSchema)]
pub struct ErrorBody {
    pub error: Problem,
}

/// What went wrong.
#[derive(Serialize, ToSchema)]
pub struct Problem {
    /// Stable, for programs.
    #[schema(example = "not_found")]
    pub code: String,
    /// For people.
    #[schema(example = "There is nothing here for you.")]
    pub message: String,
    /// To find this request in the log.
    pub request_id: String,
}
