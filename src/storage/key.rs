//! Every name and path in the store is made here.

use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

use crate::characters;

/// Folder of published files.
pub const BATCHES: &str = "batches";
/// Folder of uploads on their way in.
pub const STAGING: &str = ".staging";
/// Folder of unknown files that were moved aside.
pub const TRASH: &str = ".trash";
/// Folder of pictures that were made from files and can be made again.
pub const PREVIEWS: &str = "previews";
/// Folder of files that are at home in the bucket.
pub const CACHE: &str = ".cache";
/// Beginning of the objects that a test of the connection puts into the bucket and deletes.
pub const PROBE: &str = ".stillage-probe-";
/// Ending of a staged upload.
pub const PART: &str = "part";
/// Ending of the staged file of a resumable upload, which outlives requests and restarts.
pub const RESUMABLE: &str = "upload";

/// What one name may take on every filesystem we know, in bytes.
const NAME_MAX: usize = 255;
/// A longer "extension" is part of the name, not a type.
const EXTENSION_MAX: usize = 16;

/// The name under which a file is kept: `{uuid}_{name}`.
///
/// The name is NFC-normalised, without separators and what [`characters::is_unsafe`] names, and cut on
/// a character boundary so that the whole fits 255 bytes with its extension kept. A name with nothing left
/// becomes `file`.
pub fn stored_name(id: Uuid, original: &str) -> String {
    let clean = sanitise(original);
    let room = NAME_MAX - uuid::fmt::Hyphenated::LENGTH - 1;
    format!("{}_{}", id.hyphenated(), cut(&clean, room))
}

/// Whether `name` has the form that [`stored_name`] makes. Anything else in `batches/` is not ours.
pub fn is_stored_name(name: &str) -> bool {
    let id_length = uuid::fmt::Hyphenated::LENGTH;
    name.len() <= NAME_MAX
        && name.is_char_boundary(id_length)
        && name.get(..id_length).is_some_and(|id| Uuid::try_parse(id).is_ok())
        && name[id_length..].starts_with('_')
        && !name.contains(is_unwanted)
}

/// The extension in lower case, without its dot; `None` when there is none.
pub fn extension(name: &str) -> Option<String> {
    let (stem, extension) = name.rsplit_once('.')?;
    (!stem.is_empty() && !extension.is_empty() && extension.len() <= EXTENSION_MAX)
        .then(|| extension.to_lowercase())
}

pub(crate) fn published(root: &Path, stored_name: &str) -> PathBuf {
    root.join(BATCHES).join(stored_name)
}

pub(crate) fn cached(root: &Path, stored_name: &str) -> PathBuf {
    root.join(CACHE).join(stored_name)
}

/// The key of a published file in the bucket. `Path::from` would percent-encode it.
pub(crate) fn object(stored_name: &str) -> Result<object_store::path::Path, object_store::path::Error> {
    object_store::path::Path::parse(format!("{BATCHES}/{stored_name}"))
}

/// The key of a head of the audit trail.
pub(crate) fn audit_head(seal: i64) -> object_store::path::Path {
    object_store::path::Path::from(format!("audit/head-{seal:012}.json"))
}

/// Where an object goes that nobody knows.
pub(crate) fn object_aside(stored_name: &str) -> Result<object_store::path::Path, object_store::path::Error> {
    object_store::path::Path::parse(format!("{TRASH}/{stored_name}"))
}

pub(crate) fn staged(root: &Path, id: Uuid) -> PathBuf {
    root.join(STAGING).join(format!("{}.{PART}", id.hyphenated()))
}

pub(crate) fn resumable(root: &Path, upload: Uuid) -> PathBuf {
    root.join(STAGING).join(format!("{}.{RESUMABLE}", upload.hyphenated()))
}

/// The upload whose staged file has this name; `None` for any other file.
pub(crate) fn resumable_id(name: &str) -> Option<Uuid> {
    let (id, ending) = name.rsplit_once('.')?;
    (ending == RESUMABLE).then(|| Uuid::try_parse(id).ok()).flatten()
}

pub(crate) fn trashed(root: &Path, stored_name: &str) -> PathBuf {
    root.join(TRASH).join(stored_name)
}

/// A picture that is made from a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preview {
    /// At most this many pixels on its longest edge.
    Thumbnail(u32),
    /// A picture as its page shows it.
    Large,
    /// A page of a document, from 1.
    Page(u32),
}

impl Preview {
    /// The name of its file; another one for each.
    pub fn name(self) -> String {
        match self {
            Self::Thumbnail(edge) => format!("{edge}.jpg"),
            Self::Large => "large.jpg".to_owned(),
            Self::Page(number) => format!("page-{number}.jpg"),
        }
    }
}

/// The folder of everything that was made from one file. The last two digits of an id are random, so that no
/// folder grows large.
pub fn previews_of(root: &Path, attachment: Uuid) -> PathBuf {
    let id = attachment.simple().to_string();
    root.join(PREVIEWS).join(&id[id.len() - 2..]).join(id)
}

fn sanitise(original: &str) -> String {
    let kept: String = original.nfc().filter(|&c| !is_unwanted(c) && !characters::is_hidden(c)).collect();
    let trimmed = kept.trim();
    if trimmed.is_empty() { "file".to_owned() } else { trimmed.to_owned() }
}

/// Names of earlier versions have hidden characters, and are still ours.
fn is_unwanted(c: char) -> bool {
    matches!(c, '/' | '\\') || characters::turns_or_breaks(c)
}

/// At most `room` bytes of `name`, its extension kept.
fn cut(name: &str, room: usize) -> String {
    if name.len() <= room {
        return name.to_owned();
    }
    let tail = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && (1..=EXTENSION_MAX).contains(&extension.len()) => {
            &name[stem.len()..]
        }
        _ => "",
    };
    let end = name.floor_char_boundary(room - tail.len());
    format!("{}{tail}", &name[..end])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name_of(original: &str) -> String {
        stored_name(Uuid::nil(), original)[37..].to_owned()
    }

    #[test]
    fn names_are_cleaned_not_mangled() {
        let cases = [
            ("Zertifikat März 2026.pdf", "Zertifikat März 2026.pdf"),
            ("../../etc/passwd", "....etcpasswd"),
            ("C:\\fakepath\\IMG 1.JPG", "C:fakepathIMG 1.JPG"),
            ("cafe\u{301}.png", "café.png"),
            ("ann\u{202E}gpj.exe", "anngpj.exe"),
            ("a\r\nb\0.pdf", "ab.pdf"),
            ("\"quoted\" 'name'.png", "\"quoted\" 'name'.png"),
            ("👩‍🔬 Labor.jpg", "👩‍🔬 Labor.jpg"),
            ("", "file"),
            ("///", "file"),
            (".hidden", ".hidden"),
        ];
        for (original, expected) in cases {
            assert_eq!(name_of(original), expected, "{original:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_extension() {
        let name = name_of(&format!("{}.pdf", "ü".repeat(300)));
        assert!(name.ends_with("ü.pdf"));
        assert!(name.len() <= 255 - 37);
    }

    #[test]
    fn extensions() {
        let cases = [
            ("a.PDF", Some("pdf")),
            ("a.tar.gz", Some("gz")),
            ("a", None),
            (".png", None),
            ("a.", None),
            ("a.veryveryverylongextension", None),
        ];
        for (name, expected) in cases {
            assert_eq!(extension(name).as_deref(), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_name_gives_a_safe_one(original in "\\PC*|.*", id in any::<u128>()) {
            let name = stored_name(Uuid::from_u128(id), &original);
            prop_assert!(name.len() <= 255);
            prop_assert!(is_stored_name(&name));
            let whole = format!("{BATCHES}/{name}");
            let key = object(&name).unwrap();
            prop_assert_eq!(key.as_ref(), whole);
            let path = Path::new(&name);
            prop_assert_eq!(path.components().count(), 1);
            prop_assert_eq!(path.file_name().and_then(|n| n.to_str()), Some(name.as_str()));
        }

        #[test]
        fn a_kept_extension_stays_what_it_was(stem in "\\PC{1,400}", extension in "[a-z]{1,5}") {
            let original = format!("{stem}.{extension}");
            let ending = format!(".{extension}");
            prop_assert!(name_of(&original).ends_with(&ending));
        }
    }
}
