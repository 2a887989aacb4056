//! The socket of a connection as the kernel sees it. The HTTP server owns it and does not lend it, so it is named by
//! its descriptor; the kernel's cookie proves that the descriptor still means the same socket.

use std::{
    io,
    mem::{MaybeUninit, size_of},
    os::fd::{AsRawFd, RawFd},
};

use nix::libc;
use tokio::net::TcpStream;

/// Only used on the thread of the worker that owns the socket: nobody else closes it there between a check of the cookie
/// and the call that follows.
#[derive(Debug)]
pub struct Socket {
    descriptor: RawFd,
    cookie: u64,
}

/// How far the answers on a socket got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Bytes that the client has acknowledged since it connected.
    pub acknowledged: u64,
    /// Whether the kernel holds bytes that the client has not acknowledged.
    pub is_pending: bool,
}

impl Socket {
    pub fn of(stream: &TcpStream) -> io::Result<Self> {
        let descriptor = stream.as_raw_fd();
        Ok(Self { descriptor, cookie: cookie(descriptor)? })
    }

    /// How far answers got; `None` when the socket is closed.
    pub fn delivery(&self) -> Option<Delivery> {
        if !self.is_open() {
            return None;
        }
        let info: libc::tcp_info = option(self.descriptor, libc::IPPROTO_TCP, libc::TCP_INFO).ok()?;
        let is_pending = info.tcpi_unacked > 0 || info.tcpi_notsent_bytes > 0;
        Some(Delivery { acknowledged: info.tcpi_bytes_acked, is_pending })
    }

    /// Ends the connection at once. What was not delivered is dropped with it, so that a client which reads nothing
    /// does not keep it in the kernel. The server notices as if the client had gone.
    pub fn abort(&self) {
        if !self.is_open() {
            return;
        }
        let linger = libc::linger { l_onoff: 1, l_linger: 0 };
        // SAFETY: the pointer and the length are those of a live `linger`, which the kernel copies.
        unsafe {
            libc::setsockopt(
                self.descriptor,
                libc::SOL_SOCKET,
                libc::SO_LINGER,
                (&raw const linger).cast(),
                size_of::<libc::linger>() as libc::socklen_t,
            );
        }
        // SAFETY: takes no pointers; it only fails on a socket that is not connected any more.
        unsafe {
            libc::shutdown(self.descriptor, libc::SHUT_RDWR);
        }
    }

    fn is_open(&self) -> bool {
        cookie(self.descriptor).is_ok_and(|cookie| cookie == self.cookie)
    }
}

fn cookie(descriptor: RawFd) -> io::Result<u64> {
    option(descriptor, libc::SOL_SOCKET, libc::SO_COOKIE)
}

/// Reads a socket option that is a plain C value; what an older kernel does not fill in is zero.
fn option<T: Copy>(descriptor: RawFd, level: libc::c_int, name: libc::c_int) -> io::Result<T> {
    let mut value = MaybeUninit::<T>::zeroed();
    let mut length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, which is the size of `value`.
    let result =
        unsafe { libc::getsockopt(descriptor, level, name, value.as_mut_ptr().cast(), &raw mut length) };
    if result == 0 {
        // SAFETY: all bytes are initialised, and the only types asked for (`u64`, `tcp_info`) are integers.
        Ok(unsafe { value.assume_init() })
    } else {
        Err(io::Error::last_os_error())
    }
}
