//! What a file is: its name, a line end, its bytes.

use std::io::Cursor;

use stillage::domain::content::{self, HEAD};

use crate::parts;

/// A file is of a known type with sensible dimensions, or refused; reading it never fails for another reason.
///
/// # Panics
/// When that does not hold.
pub fn check(data: &[u8]) {
    let end = data.iter().position(|&byte| byte == b'\n').unwrap_or(data.len());
    let name = parts::lines(&data[..end]).concat();
    let bytes = data.get(end + 1..).unwrap_or_default();
    let all: Vec<&'static str> = content::extras().map(content::Type::key).collect();
    let Ok(kind) = content::claimed_by(&name, &all) else { return };
    assert!(content::extensions(&all).any(|extension| kind.extensions.contains(&extension)));
    if kind.check_head(&bytes[..bytes.len().min(HEAD)]).is_err() {
        return;
    }
    match kind.check_whole(Cursor::new(bytes)) {
        Ok(Some((width, height))) => {
            let pixels = u64::from(width) * u64::from(height);
            assert!((1..=100_000_000).contains(&pixels), "{width} x {height}");
        }
        Ok(None) => {}
        Err(stillage::error::Error::Refused(_)) => {}
        Err(error) => panic!("bytes in memory can be read: {error:?}"),
    }
}
