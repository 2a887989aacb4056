//! What the drawing child says to the server.

use stillage::render::{self, Piece, parent};

/// The server hears any bytes out without taking more than it was told to, and believes in no impossible picture or
/// text.
///
/// # Panics
/// When that does not hold.
pub fn check(data: &[u8]) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else { return };
    runtime.block_on(async {
        let (mut rest, mut left) = (data, 1024 * 1024);
        while let parent::Read::Piece(piece, length) = parent::read(&mut rest, left).await {
            assert!(length > 0 && length <= left, "{length} of {left}");
            left -= length;
            match piece {
                Piece::Pages(_) => {}
                Piece::Picture { jpeg, .. } => assert!(jpeg.starts_with(&[0xFF, 0xD8])),
                Piece::Text(text) => {
                    assert!(text.len() <= render::TEXT_MAX && !text.contains(char::is_control));
                }
            }
        }
    });
}
