//! How many file descriptors this process may open.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Below this many, the server holds few connections, and the log says so.
const LOW: u64 = 1024;

/// Raises the soft limit, which is the one that counts, to the hard one, and returns what it is then. The low default
/// exists for programs that use `select(2)`.
pub fn raise() -> u64 {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        if soft < hard { setrlimit(Resource::RLIMIT_NOFILE, hard, hard) } else { Ok(()) }
    });
    // One that cannot be read is taken for the usual one.
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(LOW, |(soft, _)| soft);
    if let Err(error) = raised {
        tracing::warn!(%error, limit, "the limit of open files could not be raised");
    }
    if limit < LOW {
        tracing::warn!(
            limit,
            "few files may be open at once, so few connections are served; raise the limit (LimitNOFILE in systemd, \
             ulimit -n in a shell)"
        );
    }
    limit
}
