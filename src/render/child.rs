//! The child's side: gives up what it could do harm with, then works.

use std::{
    fs::File,
    io::{self, Read, Write},
    panic::{self, AssertUnwindSafe},
    process::ExitCode,
};

use nix::{
    sys::{
        resource::{Resource, setrlimit},
        signal::Signal,
    },
    unistd,
};

use super::{
    FILE_MAX, Reason,
    frame::{self, Head},
    jail, pdf, picture,
};

/// Address space, in bytes: 100 megapixels decoded and a preview beside them.
const MEMORY: u64 = 1024 * 1024 * 1024;
/// Time on a processor, in seconds.
const CPU_SECONDS: u64 = 20;
/// Lower than everything that people wait for.
const NICE: i32 = 10;

/// Why the work ends early.
#[derive(Debug)]
pub enum Stop {
    Because(Reason),
    /// Nobody listens any more.
    Unheard,
}

impl From<io::Error> for Stop {
    fn from(_: io::Error) -> Self {
        Self::Unheard
    }
}

/// `stillage render TYPE`: the file on standard input, frames on standard output.
pub fn main(media_type: &str) -> ExitCode {
    // Nobody reads it, and a backtrace would want to open files.
    panic::set_hook(Box::new(|_| {}));
    let Ok(mut out) = confine() else { return ExitCode::from(2) };
    let worked = panic::catch_unwind(AssertUnwindSafe(|| work(media_type, &mut out)));
    let last = match worked {
        Ok(Ok(())) => Head::Done,
        Ok(Err(Stop::Because(reason))) => Head::Stopped(reason),
        Ok(Err(Stop::Unheard)) => return ExitCode::FAILURE,
        Err(_panic) => Head::Stopped(Reason::Broken),
    };
    match frame::write(&mut out, &last, &[]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn work(media_type: &str, out: &mut impl Write) -> Result<(), Stop> {
    let mut bytes = Vec::new();
    let read = io::stdin().lock().take(FILE_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|_| Stop::Because(Reason::Broken))?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(Stop::Because(Reason::TooLarge));
    }
    match media_type {
        "application/pdf" => pdf::make(bytes, out),
        _ => picture::make(&bytes, media_type, out),
    }
}

/// Gives everything up that the work does not need, for good: memory and time beyond a bound, any file, socket or
/// process there is or to come, and a higher priority. Returns the one way out.
fn confine() -> io::Result<File> {
    // A parent that dies takes the child with it.
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    // Whatever was open in the server, or in what started it, and was not meant for this process.
    // SAFETY: nothing here has opened a descriptor yet.
    unsafe {
        nix::libc::syscall(nix::libc::SYS_close_range, 3u32, u32::MAX, 0u32);
    }
    // When memory is short, the kernel is to end this process and not the server. In some containers it cannot be
    // written; the bound on memory holds there too.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    // SAFETY: a plain system call on this process.
    unsafe {
        nix::libc::setpriority(nix::libc::PRIO_PROCESS, 0, NICE);
    }
    // Frames go through a descriptor of their own: what a library prints goes nowhere.
    let out = File::from(unistd::dup(io::stdout())?);
    unistd::dup2_stdout(io::stderr())?;
    let descriptors = u64::try_from(std::os::fd::AsRawFd::as_raw_fd(&out)).map_err(io::Error::other)? + 1;
    let limits = [
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_FSIZE, 0),
        (Resource::RLIMIT_NPROC, 0),
        (Resource::RLIMIT_NOFILE, descriptors),
        (Resource::RLIMIT_AS, MEMORY),
    ];
    for (resource, limit) in limits {
        setrlimit(resource, limit, limit)?;
    }
    // The first ends it with a signal of its own name, the second without asking.
    setrlimit(Resource::RLIMIT_CPU, CPU_SECONDS, CPU_SECONDS + 2)?;
    // Root is above some limits, and above none of this.
    jail::close()?;
    Ok(out)
}
