//! How a file is looked at: in lists and on its own page.

/// What stands in a file's place in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thumb {
    /// A picture.
    Ready,
    /// An icon until there is a picture.
    Pending,
    /// An icon.
    None,
}

/// What `/attachments/{id}/preview` gives to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// A picture of this size in pixels.
    Picture(u32, u32),
    /// A PDF for the browser's own viewer, and pictures of its first pages, of which the first has this size.
    Pdf { shown: u32, size: Option<(u32, u32)> },
    /// A picture that is being made.
    Pending,
    /// Nothing.
    None,
}

impl Thumb {
    pub fn is_ready(self) -> bool {
        self == Self::Ready
    }

    pub fn is_pending(self) -> bool {
        self == Self::Pending
    }
}
