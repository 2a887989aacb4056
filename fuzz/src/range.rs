//! Conditions and ranges of a download. The first two bytes are the size of the file.

use actix_web::http::header::{EntityTag, HttpDate};
use stillage::web::transfer::download::{Wanted, evaluate};

use crate::parts;

/// The part that is sent lies within the file and is not empty.
///
/// # Panics
/// When that does not hold.
pub fn check(data: &[u8]) {
    let [high, low, rest @ ..] = data else { return };
    let size = u64::from(u16::from_be_bytes([*high, *low]));
    let request = parts::request(&parts::headers(rest));
    let etag = EntityTag::new_strong("abc".to_owned());
    let modified = HttpDate::from(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000));
    match evaluate(&request, &etag, modified, size) {
        Wanted::Part { start, length } => {
            assert!(length > 0 && start.checked_add(length).is_some_and(|end| end <= size));
        }
        Wanted::Whole | Wanted::Nothing | Wanted::Refused | Wanted::Unsatisfiable => {}
    }
}
