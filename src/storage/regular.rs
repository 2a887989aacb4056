//! Opening files of a folder that others can write to, too.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use nix::{errno::Errno, fcntl::OFlag};

/// Opens a regular file for reading. Symlinks are not followed, and a pipe does not make the caller wait for a writer
/// (`O_NONBLOCK` has no effect on regular files).
///
/// # Errors
/// [`NotFound`](io::ErrorKind::NotFound) when nothing is there, or something that is not a regular file: a folder, a
/// symlink, a pipe, a socket or a device.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path);
    let is_no_file = [Errno::ELOOP as i32, Errno::ENXIO as i32];
    match opened {
        Ok(file) if file.metadata()?.is_file() => Ok(file),
        Ok(_) => Err(no_file(path)),
        Err(error) if error.raw_os_error().is_some_and(|code| is_no_file.contains(&code)) => {
            Err(no_file(path))
        }
        Err(error) => Err(error),
    }
}

fn no_file(path: &Path) -> io::Error {
    tracing::error!(
        ?path,
        "not a regular file, so it is not read: move it away, then run stillage verify --heal"
    );
    io::Error::new(io::ErrorKind::NotFound, "not a regular file")
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix};

    use nix::{sys::stat::Mode, unistd::mkfifo};

    use super::*;

    #[test]
    fn folder_symlink_pipe_and_socket_count_as_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("file"), b"bytes").unwrap();
        fs::create_dir(path("folder")).unwrap();
        unix::fs::symlink(path("file"), path("symlink")).unwrap();
        mkfifo(&path("pipe"), Mode::S_IRWXU).unwrap();
        let _socket = unix::net::UnixListener::bind(path("socket")).unwrap();
        assert!(open_regular(&path("file")).is_ok());
        for name in ["folder", "symlink", "pipe", "socket", "nothing"] {
            let error = open_regular(&path(name)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{name}");
        }
    }
}
