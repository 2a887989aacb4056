//! Whether the bytes of a file that go out are those that came in: hashed while they are read, compared before the last
//! of them is sent. A file that changed on the disk breaks its answer off, so that nobody takes it for whole.

use std::{pin::Pin, sync::Arc};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{app::App, domain::copies};

/// What happens to a damaged file before its answer breaks off.
pub type Report = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A file on its way out, from its first byte on.
pub struct Check {
    app: Arc<App>,
    id: Uuid,
    sha256: Vec<u8>,
    hash: Sha256,
}

impl Check {
    /// Of the file `id`, whose bytes should have this hash.
    pub fn new(app: &Arc<App>, id: Uuid, sha256: Vec<u8>) -> Self {
        Self { app: Arc::clone(app), id, sha256, hash: Sha256::new() }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
    }

    /// After the last byte: nothing when the file is what it was, otherwise what has its copies checked and healed.
    pub fn finish(self) -> Option<Report> {
        let Self { app, id, sha256, hash } = self;
        if hash.finalize().as_slice() == sha256 {
            return None;
        }
        Some(Box::pin(async move { copies::report_damage(&app, id).await }))
    }
}
