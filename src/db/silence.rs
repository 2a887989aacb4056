//! A bound on how long PostgreSQL may stay silent.
//!
//! `statement_timeout` is kept by PostgreSQL, keepalives and `tcp_user_timeout` by the kernel. None of them ends the
//! wait for a server, or for something between, that takes bytes and never answers: libpq would wait for ever, and a
//! thread of the pool with it. So every connection counts the seconds since its last sign of life while it is in use,
//! and one thread of the process shuts the socket of a connection that shows none for [`LIMIT`] seconds. Seconds are
//! counted, not read from a clock: a process that was stopped and continued does not blame its connections.
//!
//! diesel does not hand out libpq's socket. It is found by its TCP user timeout, which is set to a value of its own
//! for each connection.
//!
//! Limits: TCP on Linux only. Over a Unix socket the server is a process of the same machine: when it dies the socket
//! closes, and while it is stopped nothing else could serve either.

use std::{
    sync::{
        Arc, Mutex, Once, PoisonError, Weak,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use diesel::connection::{Instrumentation, InstrumentationEvent};

/// Seconds without a sign of life: above the statement timeout, which a healthy server keeps by itself.
const LIMIT: u32 = 20;
const SECOND: Duration = Duration::from_secs(1);
/// User timeouts in milliseconds, one for each living connection.
const FIRST_MARK: u32 = 20_000;
const MARKS: u32 = 10_000;

static LINES: Mutex<Vec<Weak<Line>>> = Mutex::new(Vec::new());
static NEXT_MARK: AtomicU32 = AtomicU32::new(0);
static WATCH: Once = Once::new();

/// What is known of one connection.
pub(super) struct Line {
    /// Its TCP user timeout in milliseconds.
    mark: u32,
    /// 0 while it is not in use, else one more than the seconds since the last sign of life.
    silent: AtomicU32,
}

impl Line {
    /// Registers a connection that is about to be made.
    pub fn new() -> Arc<Self> {
        WATCH.call_once(|| {
            // Without the thread the kernel's limits still hold.
            if let Err(error) = thread::Builder::new().name("db-silence".into()).spawn(watch) {
                tracing::error!(%error, "silent database connections will not be ended");
            }
        });
        let mark = FIRST_MARK + NEXT_MARK.fetch_add(1, Relaxed) % MARKS;
        let line = Arc::new(Self { mark, silent: AtomicU32::new(0) });
        let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
        lines.retain(|line| line.strong_count() > 0);
        lines.push(Arc::downgrade(&line));
        line
    }

    /// The TCP user timeout that the connection must be made with, in milliseconds.
    pub fn mark(&self) -> u32 {
        self.mark
    }

    /// Counts from now on, until the answer is dropped.
    pub fn in_use(self: &Arc<Self>) -> InUse {
        self.silent.store(1, Relaxed);
        InUse(Arc::clone(self))
    }

    fn shows_life(&self) {
        if self.silent.load(Relaxed) > 0 {
            self.silent.store(1, Relaxed);
        }
    }

    /// Whether the limit is reached with this second; once per silence.
    fn is_over(&self) -> bool {
        match self.silent.load(Relaxed) {
            0 => false,
            seconds => {
                self.silent.store(seconds.saturating_add(1), Relaxed);
                seconds == LIMIT
            }
        }
    }
}

/// A use of a connection.
pub(super) struct InUse(Arc<Line>);

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.silent.store(0, Relaxed);
    }
}

/// Every event of a connection is a sign of life: a statement begins only when the one before has ended.
pub(super) struct Pulse(pub Arc<Line>);

impl Instrumentation for Pulse {
    fn on_connection_event(&mut self, _: InstrumentationEvent<'_>) {
        self.0.shows_life();
    }
}

fn watch() {
    loop {
        thread::sleep(SECOND);
        let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for line in lines.iter().filter_map(Weak::upgrade).filter(|line| line.is_over()) {
            if end(line.mark) {
                tracing::error!(
                    seconds = LIMIT,
                    "PostgreSQL was silent for too long; the connection was ended: look at its load and at the network between"
                );
            } else {
                tracing::error!(seconds = LIMIT, "PostgreSQL is silent: is its process stopped?");
            }
        }
    }
}

/// Shuts the socket with this user timeout, and says whether there was one.
#[cfg(target_os = "linux")]
fn end(mark: u32) -> bool {
    use std::os::fd::BorrowedFd;

    use nix::sys::socket::{Shutdown, getsockopt, shutdown, sockopt::TcpUserTimeout};

    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return false };
    let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut ended = false;
    for number in numbers {
        // SAFETY: the number is of a descriptor that was open a moment ago. If it is closed meanwhile the call
        // fails; if it is another one by now, its option tells.
        let socket = unsafe { BorrowedFd::borrow_raw(number) };
        if getsockopt(&socket, TcpUserTimeout).is_ok_and(|timeout| timeout == mark) {
            ended |= shutdown(number, Shutdown::Both).is_ok();
        }
    }
    ended
}

#[cfg(not(target_os = "linux"))]
fn end(_: u32) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_connection_in_use_and_without_a_sign_of_life_is_over_and_once() {
        let line = Line::new();
        assert!((0..2 * LIMIT).all(|_| !line.is_over()), "not in use");
        let in_use = line.in_use();
        assert!((1..LIMIT).all(|_| !line.is_over()));
        line.shows_life();
        assert!((1..LIMIT).all(|_| !line.is_over()));
        assert!(line.is_over());
        assert!((0..2 * LIMIT).all(|_| !line.is_over()), "once");
        drop(in_use);
        assert!((0..2 * LIMIT).all(|_| !line.is_over()));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_socket_with_the_mark_is_shut_and_no_other() {
        use std::{
            io::Read,
            net::{TcpListener, TcpStream},
            os::fd::AsFd,
        };

        use nix::sys::socket::{setsockopt, sockopt::TcpUserTimeout};

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connect = || TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut marked, other) = (connect(), connect());
        let line = Line::new();
        setsockopt(&marked.as_fd(), TcpUserTimeout, &line.mark()).unwrap();
        assert!(end(line.mark()));
        assert_eq!(marked.read(&mut [0; 1]).unwrap(), 0, "shut");
        other.set_nonblocking(true).unwrap();
        assert!(
            (&other).read(&mut [0; 1]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
        );
    }
}
