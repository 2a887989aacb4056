//! What can go wrong, in the words of the domain. No HTTP here: `web::error` gives each kind its status and
//! its page, `cli` its exit code.

use std::{borrow::Cow, time::Duration};

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not there, or not for this caller: the two must look alike.
    #[error("There is nothing here for you.")]
    NotFound,
    /// Nobody is signed in.
    #[error("Sign in first.")]
    Unauthenticated,
    /// Signed in, but the role needs a second factor that is not turned on.
    #[error("Your role needs two-factor. Turn it on first, under /account/two-factor.")]
    SecondFactorNeeded,
    /// Visible to the caller, but not theirs to do.
    #[error("Your role does not allow this.")]
    Forbidden,
    /// The write does not prove that it came from a page of this server.
    #[error("The form's safety token is missing or out of date. Load the page again and repeat.")]
    Csrf,
    /// The thing is in a state that does not allow this.
    #[error("{message}")]
    Conflict { code: &'static str, message: Cow<'static, str> },
    /// Input that cannot be used, with a message per field.
    #[error("{}", .0.first().map_or("The input cannot be used.", |field| field.message.as_ref()))]
    Invalid(Vec<FieldError>),
    /// The request itself cannot be read.
    #[error("{0}")]
    BadRequest(Cow<'static, str>),
    /// A file that is not stored, and why.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A resumable upload that cannot go on like this.
    #[error(transparent)]
    Upload(#[from] UploadTrouble),
    /// Too many attempts; the caller may come back after the given time.
    #[error("Too many attempts. Try again in {} s.", .retry_after.as_secs().max(1))]
    Throttled { retry_after: Duration },
    /// The caller has as much under way as one may have.
    #[error("{message}")]
    TooMany { code: &'static str, message: Cow<'static, str>, retry_after: Duration },
    /// Busy or shutting down; the caller may try again soon.
    #[error("{message}")]
    Unavailable { message: Cow<'static, str>, retry_after: Duration },
    /// An admin made everything read-only for a while.
    #[error(
        "Stillage is being looked after: everything can be read, nothing can be changed. Try again later."
    )]
    Maintenance,
    /// Ours to mend. The cause goes to the log, never to the caller.
    #[error("Something went wrong on the server.")]
    Internal(#[source] anyhow::Error),
}

/// What is wrong with one field of a form, in words for the person who filled it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    pub field: &'static str,
    pub message: Cow<'static, str>,
}

impl FieldError {
    pub fn new(field: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { field, message: message.into() }
    }
}

/// Why an upload is not stored. After each of these no row, no file and no temporary file is left.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "The file is over the limit of {limit_mb} MB. Send a smaller one, or ask an admin to raise the limit."
    )]
    TooLarge { limit_mb: u64 },
    #[error("{reason}")]
    UnsupportedType { reason: Cow<'static, str> },
    #[error("The file is empty. Check it on your device and choose it again.")]
    EmptyFile,
    #[error("The picture cannot be read: {reason}. Open it on your device, save it again and send that.")]
    UnreadableImage { reason: &'static str },
    #[error("{reason} Nothing was stored; your file is still on your device. Tell an admin.")]
    StorageUnavailable { reason: Cow<'static, str> },
    #[error(
        "Malware was found in this file ({found}). Nothing was stored; do not open it, and tell whoever looks \
         after your device."
    )]
    Infected { found: String },
    #[error("{reason} Nothing was stored; your file is still on your device.")]
    ScannerUnavailable { reason: Cow<'static, str> },
    /// The scanner read it and could not look inside; it found nothing harmful.
    #[error("{reason} Nothing was stored; your file is still on your device.")]
    Unscannable { reason: &'static str },
    #[error("The batch is closed and takes no files. Ask an admin to reopen it.")]
    BatchClosed,
    #[error("No file was chosen.")]
    NoFiles,
    #[error("{reason}")]
    Malformed { reason: Cow<'static, str> },
}

impl Refusal {
    /// The stable code of the HTTP contract.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::UnsupportedType { .. } => "unsupported_type",
            Self::EmptyFile => "empty_file",
            Self::UnreadableImage { .. } => "unreadable_image",
            Self::StorageUnavailable { .. } => "storage_unavailable",
            Self::Infected { .. } => "infected",
            Self::ScannerUnavailable { .. } => "scanner_unavailable",
            Self::Unscannable { .. } => "unscannable",
            Self::BatchClosed => "batch_closed",
            Self::NoFiles => "no_files",
            Self::Malformed { .. } => "bad_request",
        }
    }
}

/// Why a resumable upload did not go on. Nothing of it is lost, unless it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UploadTrouble {
    #[error("The upload is somewhere else. Ask for its offset and go on from there.")]
    Offset,
    #[error("Somebody is sending this upload right now. Try again in a moment.")]
    Busy,
    #[error("The bytes do not match their checksum. Send them again.")]
    Checksum,
    #[error("More bytes were sent than the upload was said to have.")]
    TooMuch,
    #[error("This upload is over. Begin a new one.")]
    Over,
    #[error("This upload is finished: the file is stored. Delete it on its own page.")]
    Finished,
}

impl UploadTrouble {
    pub fn code(self) -> &'static str {
        match self {
            Self::Offset => "offset_mismatch",
            Self::Busy => "upload_busy",
            Self::Checksum => "checksum_mismatch",
            Self::TooMuch => "too_large",
            Self::Over => "upload_over",
            Self::Finished => "upload_finished",
        }
    }
}

impl Error {
    /// The stable code that clients can rely on.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Unauthenticated => "unauthenticated",
            Self::SecondFactorNeeded => "two_factor_needed",
            Self::Forbidden => "forbidden",
            Self::Csrf => "csrf",
            Self::Conflict { code, .. } | Self::TooMany { code, .. } => code,
            Self::Invalid(_) => "invalid",
            Self::BadRequest(_) => "bad_request",
            Self::Refused(refusal) => refusal.code(),
            Self::Upload(trouble) => trouble.code(),
            Self::Throttled { .. } => "throttled",
            Self::Unavailable { .. } => "unavailable",
            Self::Maintenance => "maintenance",
            Self::Internal(_) => "internal",
        }
    }

    pub fn conflict(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Conflict { code, message: message.into() }
    }

    pub fn invalid(field: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid(vec![FieldError::new(field, message)])
    }

    /// The database does not answer right now.
    pub fn database_busy() -> Self {
        Self::database_trouble("The database does not answer. Nothing was lost; try again in a moment.")
    }

    /// The database answers, but cannot do what it is asked, for the reason given.
    pub fn database_trouble(message: &'static str) -> Self {
        Self::Unavailable { message: message.into(), retry_after: Duration::from_secs(2) }
    }

    pub fn internal(cause: impl Into<anyhow::Error>) -> Self {
        Self::Internal(cause.into())
    }
}

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        match error {
            diesel::result::Error::NotFound => Self::NotFound,
            other => Self::internal(other),
        }
    }
}
