//! How many file descriptors this process may open.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Below this many, the server holds few connections, and the log says so.
const LOW: u64 = 1024;

/// The soft limit, which is the one that counts. Unknown limits are taken for the usual 1024.
pub fn limit() -> u64 {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(LOW, |(soft, _)| soft)
}

/// Raises the soft limit to the hard one: the low default exists for programs that use `select(2)`.
pub fn raise() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        if soft < hard { setrlimit(Resource::RLIMIT_NOFILE, hard, hard) } else { Ok(()) }
    });
    let limit = limit();
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
}
