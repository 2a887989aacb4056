//! Pictures made from files. They are no records: whatever is lost of them is made again, so that nothing here is
//! made durable, and what is not whole counts as not there.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
};

use uuid::Uuid;

use super::{
    LocalStore, Result, StorageError,
    key::{self, Preview},
    open_regular,
};

/// The first and the last bytes of a JPEG: a file that a crash left empty or cut has not both.
const BEGIN: [u8; 2] = [0xFF, 0xD8];
const END: [u8; 2] = [0xFF, 0xD9];

impl LocalStore {
    /// Keeps a picture, a JPEG, in the place of an earlier one.
    pub fn write_preview(&self, attachment: Uuid, preview: Preview, jpeg: &[u8]) -> Result<()> {
        let doing = "keep a preview";
        self.check()?;
        let folder = key::previews_of(self.root(), attachment);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(StorageError::io(doing))?;
        let name = preview.name();
        let temporary = folder.join(format!(".{}.{}", Uuid::new_v4(), key::PART));
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
            file.write_all(jpeg)?;
            fs::rename(&temporary, folder.join(name))
        };
        write().map_err(|error| {
            // It may not have come into being; a purge removes the folder whole.
            let _ = fs::remove_file(&temporary);
            StorageError::io(doing)(error)
        })
    }

    /// Opens a picture, together with its size; `None` when it is not there, or not whole.
    pub fn open_preview(&self, attachment: Uuid, preview: Preview) -> Result<Option<(File, u64)>> {
        let path = key::previews_of(self.root(), attachment).join(preview.name());
        let open = || -> io::Result<Option<(File, u64)>> {
            let file = open_regular(&path)?;
            let size = file.metadata()?.len();
            let (mut begin, mut end) = ([0; 2], [0; 2]);
            let is_whole = size >= 4
                && file.read_exact_at(&mut begin, 0).is_ok()
                && file.read_exact_at(&mut end, size - 2).is_ok()
                && (begin, end) == (BEGIN, END);
            Ok(is_whole.then_some((file, size)))
        };
        match open() {
            Ok(found) => Ok(found),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StorageError::io("read a preview")(error)),
        }
    }

    /// Removes everything that was made from a file.
    pub fn remove_previews(&self, attachment: Uuid) -> Result<()> {
        match fs::remove_dir_all(key::previews_of(self.root(), attachment)) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(StorageError::io("remove previews")(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::MarkerPolicy;

    #[test]
    fn a_picture_is_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let store = LocalStore::open(dir.path(), Uuid::new_v4(), MarkerPolicy::CreateIfMissing).unwrap();
        let (id, other) = (Uuid::now_v7(), Uuid::now_v7());
        let size = |id, preview| store.open_preview(id, preview).unwrap().map(|(_, size)| size);
        assert_eq!(size(id, Preview::Large), None);

        let whole = [&BEGIN[..], b"picture", &END].concat();
        store.write_preview(id, Preview::Large, &whole).unwrap();
        store.write_preview(id, Preview::Large, &whole).unwrap();
        store.write_preview(id, Preview::Page(2), &whole).unwrap();
        assert_eq!(size(id, Preview::Large), Some(11));
        assert_eq!((size(id, Preview::Page(1)), size(other, Preview::Large)), (None, None));
        let folder = key::previews_of(store.root(), id);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "no temporary file is left");

        for broken in [&whole[..10], b"", b"\xFF\xD8\0\0\0\0", b"no picture"] {
            fs::write(folder.join("large.jpg"), broken).unwrap();
            assert_eq!(size(id, Preview::Large), None, "{broken:?}");
        }
        store.remove_previews(id).unwrap();
        store.remove_previews(id).unwrap();
        assert!(!folder.exists());
    }

    #[test]
    fn a_store_that_is_not_there_takes_no_pictures() {
        let dir = tempfile::tempdir().unwrap();
        let store = LocalStore::open(dir.path(), Uuid::new_v4(), MarkerPolicy::CreateIfMissing).unwrap();
        fs::remove_file(dir.path().join(crate::storage::MARKER_FILE)).unwrap();
        assert!(store.write_preview(Uuid::now_v7(), Preview::Large, b"x").is_err());
        assert!(!dir.path().join(key::PREVIEWS).exists());
    }
}
