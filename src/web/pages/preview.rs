//! What became of a file's previews, as pages show it.

use super::view::preview::{Thumb, Viewer};
use crate::domain::previews::{self, PreviewRow};

/// What stands in a list for a file of this type, whose bytes can be read or not.
pub fn thumb(media_type: &str, is_readable: bool, preview: Option<&PreviewRow>) -> Thumb {
    match preview.map(|preview| preview.state.as_str()) {
        _ if !is_readable || !previews::handles(media_type) => Thumb::None,
        Some("made") => Thumb::Ready,
        Some("none") => Thumb::None,
        _ => Thumb::Pending,
    }
}

/// What its own page shows.
pub fn viewer(media_type: &str, is_readable: bool, preview: Option<&PreviewRow>) -> Viewer {
    let size = preview.and_then(|preview| {
        Some((u32::try_from(preview.width?).ok()?, u32::try_from(preview.height?).ok()?))
    });
    if is_readable && media_type == "application/pdf" {
        // The browser may open what could not be drawn here.
        let shown = preview.map_or(0, |preview| u32::try_from(preview.pages_shown).unwrap_or(0));
        return Viewer::Pdf { shown, size };
    }
    match (thumb(media_type, is_readable, preview), size) {
        (Thumb::Ready, Some((width, height))) => Viewer::Picture(width, height),
        (Thumb::Ready | Thumb::Pending, _) => Viewer::Pending,
        (Thumb::None, _) => Viewer::None,
    }
}

/// The size of a picture as it is seen: its header has it as the camera lay, its preview as it stands.
pub fn upright(pixels: (i64, i64), preview: Option<&PreviewRow>) -> (i64, i64) {
    let (width, height) = pixels;
    match preview.and_then(|preview| preview.width.zip(preview.height)) {
        Some((seen_width, seen_height))
            if (seen_width < seen_height) != (width < height) && width != height =>
        {
            (height, width)
        }
        _ => pixels,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn row(state: &str, size: Option<(i32, i32)>) -> PreviewRow {
        PreviewRow {
            attachment_id: Uuid::nil(),
            state: state.to_owned(),
            reason: String::new(),
            pages: None,
            pages_shown: 2,
            width: size.map(|(width, _)| width),
            height: size.map(|(_, height)| height),
            ended_at: None,
        }
    }

    #[test]
    fn lists_and_pages_show_what_there_is() {
        let (png, pdf) = ("image/png", "application/pdf");
        let made = row("made", Some((30, 20)));
        let pages = |shown, size| Viewer::Pdf { shown, size };
        let table = [
            (png, true, Some(made.clone()), Thumb::Ready, Viewer::Picture(30, 20)),
            (png, true, Some(row("pending", None)), Thumb::Pending, Viewer::Pending),
            (png, true, None, Thumb::Pending, Viewer::Pending),
            (png, true, Some(row("none", None)), Thumb::None, Viewer::None),
            (png, false, Some(made.clone()), Thumb::None, Viewer::None),
            (pdf, true, Some(made), Thumb::Ready, pages(2, Some((30, 20)))),
            (pdf, true, None, Thumb::Pending, pages(0, None)),
            (pdf, true, Some(row("none", None)), Thumb::None, pages(2, None)),
            (pdf, false, None, Thumb::None, Viewer::None),
            ("text/plain", true, None, Thumb::None, Viewer::None),
        ];
        for (media_type, is_readable, preview, expected_thumb, expected_viewer) in table {
            let preview = preview.as_ref();
            assert_eq!(thumb(media_type, is_readable, preview), expected_thumb, "{media_type} {preview:?}");
            assert_eq!(viewer(media_type, is_readable, preview), expected_viewer, "{media_type} {preview:?}");
        }
    }

    #[test]
    fn a_turned_picture_has_its_sides_as_they_are_seen() {
        let seen = |size| upright((4032, 3024), Some(&row("made", Some(size))));
        assert_eq!(seen((2048, 1536)), (4032, 3024));
        assert_eq!(seen((1536, 2048)), (3024, 4032));
        assert_eq!(upright((4032, 3024), None), (4032, 3024));
    }
}
