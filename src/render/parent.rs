//! The server's side: starts a child, hears it out within bounds, and tells what became of it.

use std::{
    fs::File,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use nix::libc::{SIGHUP, SIGINT, SIGTERM, SIGXCPU};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, ChildStdout, Command},
    time::{Instant, timeout, timeout_at},
};

use super::{
    BODY_MAX, PAGES, Reason, TEXT_MAX, THUMBNAILS, TOTAL_MAX,
    frame::{self, HEAD_MAX, Head, PREFIX},
};
use crate::{
    error::{Error, Result},
    storage::key::Preview,
};

/// A child that has not ended after this long is killed. Its own bound on processor time comes first, unless the
/// machine or the disk is very busy.
const PATIENCE: Duration = Duration::from_secs(90);
/// A child that said its last word, or closed its output, ends at once.
const ENDING: Duration = Duration::from_secs(5);

/// Starts children.
#[derive(Clone, Debug)]
pub struct Renderer {
    program: PathBuf,
}

/// What a child has made.
#[derive(Debug)]
pub enum Piece {
    /// Pages in the document.
    Pages(u32),
    Picture {
        what: Preview,
        width: u32,
        height: u32,
        jpeg: Vec<u8>,
    },
    Text(String),
}

/// A running child. Dropping it kills it.
pub struct Rendering {
    child: Child,
    out: ChildStdout,
    until: Instant,
    left: usize,
    heard: Heard,
}

/// How the talk stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    More,
    Done,
    Stopped(Reason),
    /// Its output ended without a last word.
    Silence,
}

impl Renderer {
    /// Children run this program's `render` command.
    pub fn new(program: PathBuf) -> Self {
        Self { program }
    }

    /// Starts a child on a file of a media type that [`handles`](super::handles) knows. Must be called on a thread
    /// that stays, for the child ends with it.
    ///
    /// # Errors
    /// No process can be started.
    pub fn start(&self, file: File, media_type: &str) -> Result<Rendering> {
        let mut child = Command::new(&self.program)
            .arg0("stillage")
            .args(["render", media_type])
            .env_clear()
            .current_dir("/")
            // Ctrl-C on the server's terminal is for the server, which lets jobs end.
            .process_group(0)
            .stdin(file)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(Error::internal)?;
        let out =
            child.stdout.take().ok_or_else(|| Error::Internal(anyhow::anyhow!("the child has no output")))?;
        Ok(Rendering { child, out, until: Instant::now() + PATIENCE, left: TOTAL_MAX, heard: Heard::More })
    }
}

impl Rendering {
    /// The next thing that was made; `None` when there is no more.
    ///
    /// # Errors
    /// The pipe cannot be read.
    pub async fn next(&mut self) -> Result<Option<Piece>> {
        if self.heard != Heard::More {
            return Ok(None);
        }
        let Ok(read) = timeout_at(self.until, read(&mut self.out, self.left)).await else {
            self.heard = Heard::Stopped(Reason::TooLong);
            return Ok(None);
        };
        let (piece, length) = match read {
            Read::Piece(piece, length) => (piece, length),
            Read::Last(heard) => {
                self.heard = heard;
                return Ok(None);
            }
        };
        self.left -= length;
        Ok(Some(piece))
    }

    /// What became of it: `None` when all was made.
    ///
    /// # Errors
    /// The child did not get to work or was ended from outside: trying again may help.
    pub async fn end(mut self) -> Result<Option<Reason>> {
        let ended = match self.heard {
            // It may run on for ever.
            Heard::Stopped(Reason::TooLong) | Heard::More => None,
            _ => timeout(ENDING, self.child.wait()).await.ok(),
        };
        let status = match ended {
            Some(status) => status.map_err(Error::internal)?,
            None => {
                self.child.kill().await.map_err(Error::internal)?;
                return Ok(match self.heard {
                    Heard::Done => None,
                    Heard::Stopped(reason) => Some(reason),
                    Heard::More | Heard::Silence => Some(Reason::TooLong),
                });
            }
        };
        match self.heard {
            Heard::Done => Ok(None),
            Heard::Stopped(reason) => Ok(Some(reason)),
            Heard::More | Heard::Silence => crashed(status).map(Some),
        }
    }
}

/// What an end without a last word means.
fn crashed(status: ExitStatus) -> Result<Reason> {
    match (status.signal(), status.code()) {
        (Some(SIGXCPU), _) => Ok(Reason::TooLong),
        // Somebody stops the machine or the service.
        (Some(SIGTERM | SIGINT | SIGHUP), _) | (_, Some(2)) => {
            Err(Error::Internal(anyhow::anyhow!("the renderer was ended from outside: {status}")))
        }
        // Memory refused, memory short, or the stack overflown.
        (Some(_), _) => Ok(Reason::TooMuch),
        (None, _) => Ok(Reason::Broken),
    }
}

/// One frame.
pub enum Read {
    /// With its length in bytes.
    Piece(Piece, usize),
    Last(Heard),
}

/// Reads one frame, of at most `left` bytes. Whatever is not as it should be ends the talk.
pub async fn read(out: &mut (impl AsyncRead + Unpin), left: usize) -> Read {
    let mut prefix = [0; PREFIX];
    if out.read_exact(&mut prefix).await.is_err() {
        return Read::Last(Heard::Silence);
    }
    let (head_length, body_length) = frame::lengths(prefix);
    let length = PREFIX + head_length + body_length;
    let nonsense = Read::Last(Heard::Stopped(Reason::Broken));
    if head_length > HEAD_MAX || body_length > BODY_MAX {
        return nonsense;
    }
    if length > left {
        return Read::Last(Heard::Stopped(Reason::TooLarge));
    }
    let (mut head, mut body) = (vec![0; head_length], vec![0; body_length]);
    if out.read_exact(&mut head).await.is_err() || out.read_exact(&mut body).await.is_err() {
        return Read::Last(Heard::Silence);
    }
    match frame::head(&head) {
        Some(Head::Done) => Read::Last(Heard::Done),
        Some(Head::Stopped(reason)) => Read::Last(Heard::Stopped(reason)),
        Some(Head::Pages(pages)) => Read::Piece(Piece::Pages(pages), length),
        Some(Head::Picture { what, width, height })
            if is_expected(what) && body.starts_with(&[0xFF, 0xD8]) =>
        {
            Read::Piece(Piece::Picture { what, width, height, jpeg: body }, length)
        }
        Some(Head::Text) if body.len() <= TEXT_MAX => match String::from_utf8(body) {
            Ok(text) if !text.contains(char::is_control) => Read::Piece(Piece::Text(text), length),
            _ => nonsense,
        },
        _ => nonsense,
    }
}

fn is_expected(what: Preview) -> bool {
    match what {
        Preview::Thumbnail(edge) => THUMBNAILS.contains(&edge),
        Preview::Large => true,
        Preview::Page(number) => (1..=PAGES).contains(&number),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(head: &Head, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        frame::write(&mut bytes, head, body).unwrap();
        bytes
    }

    async fn heard(bytes: &[u8]) -> Option<Heard> {
        match read(&mut &*bytes, TOTAL_MAX).await {
            Read::Piece(..) => None,
            Read::Last(heard) => Some(heard),
        }
    }

    #[tokio::test]
    async fn what_a_child_says_is_not_simply_believed() {
        let picture = |what| Head::Picture { what, width: 1, height: 1 };
        let jpeg = [0xFF, 0xD8, 1, 2];
        let broken = Some(Heard::Stopped(Reason::Broken));
        let table: Vec<(Vec<u8>, Option<Heard>)> = vec![
            (frame(&Head::Pages(3), b""), None),
            (frame(&picture(Preview::Thumbnail(320)), &jpeg), None),
            (frame(&picture(Preview::Page(20)), &jpeg), None),
            (frame(&Head::Text, "Größe".as_bytes()), None),
            (frame(&Head::Done, b""), Some(Heard::Done)),
            (frame(&Head::Stopped(Reason::TooLarge), b""), Some(Heard::Stopped(Reason::TooLarge))),
            (frame(&picture(Preview::Thumbnail(9999)), &jpeg), broken),
            (frame(&picture(Preview::Page(0)), &jpeg), broken),
            (frame(&picture(Preview::Page(21)), &jpeg), broken),
            (frame(&picture(Preview::Large), b"<html>"), broken),
            (frame(&Head::Text, b"\xFF"), broken),
            (frame(&Head::Text, b"a\0b"), broken),
            (frame(&Head::Text, &vec![b'x'; TEXT_MAX + 1]), broken),
            (vec![0xFF; 100], broken),
            (frame(&Head::Pages(3), b"")[..9].to_vec(), Some(Heard::Silence)),
            (Vec::new(), Some(Heard::Silence)),
        ];
        for (bytes, expected) in table {
            assert_eq!(heard(&bytes).await, expected, "{:?}", &bytes[..bytes.len().min(60)]);
        }
        let large = frame(&Head::Text, &[b'x'; 1000]);
        let last = read(&mut &*large, 500).await;
        assert!(matches!(last, Read::Last(Heard::Stopped(Reason::TooLarge))), "the whole is bounded");
    }

    #[test]
    fn an_end_without_a_word_has_its_meaning() {
        let by = |raw| crashed(ExitStatus::from_raw(raw)).ok();
        assert_eq!(by(SIGXCPU), Some(Reason::TooLong));
        assert_eq!(by(nix::libc::SIGABRT), Some(Reason::TooMuch));
        assert_eq!(by(nix::libc::SIGKILL), Some(Reason::TooMuch));
        assert_eq!(by(SIGTERM), None, "tried again");
        assert_eq!(by(2 << 8), None, "tried again");
        assert_eq!(by(1 << 8), Some(Reason::Broken));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parent_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(heard(&bytes));
        }
    }
}
