//! A running PostgreSQL: one that we spawned, or one that we found running and adopted.
//!
//! What it is doing is read from the last line of its `postmaster.pid`, which it rewrites as it
//! goes; no client is needed. That file outlives a crash, so its process id is only believed when
//! that process is a `postgres` of this cluster.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    os::unix::{ffi::OsStrExt, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    PORT, SOCKET,
    error::{Doing, Error},
    patience::Patience,
    place::{Place, file_options},
    programs::{Programs, detach, options},
};

/// Over these, `Options::settings` have the last word.
const SETTINGS: [(&str, &str); 13] = [
    ("listen_addresses", ""),
    ("port", PORT),
    ("unix_socket_permissions", "0700"),
    ("max_connections", "100"),
    ("shared_buffers", "64MB"),
    ("dynamic_shared_memory_type", "posix"),
    ("jit", "off"), // short queries only: compiling costs more than it saves
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    ("log_destination", "stderr"),
    ("logging_collector", "off"),
    ("log_checkpoints", "off"),
    ("log_min_error_statement", "panic"), // statements hold what people typed
];

/// A log this long is put aside as `postgres.log.1` at a start.
const LOG_AT_START: u64 = 1 << 20;
/// A log that grows to this length is begun anew.
const LOG_RUNNING: u64 = 16 << 20;

const GRACE: Duration = Duration::from_secs(30);
const LAST_GRACE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);
/// Until this old, an empty lock file may be one that is being written.
const BEING_WRITTEN: Duration = Duration::from_secs(2);

/// What it says when a predecessor is not quite gone.
const BUSY: [&str; 2] = ["pre-existing shared memory block", "FATAL:  lock file"];

pub struct Postmaster {
    pid: Pid,
    cluster: PathBuf,
    /// `None` when adopted: then there is nobody to ask but `/proc`.
    child: Option<Child>,
    since: Instant,
}

impl Postmaster {
    /// Starts PostgreSQL and waits until it takes connections. With `death`, the kernel sends it
    /// that signal when the calling thread ends. `None`: what is left of a killed predecessor still
    /// uses its shared memory; try again.
    pub fn spawn(
        place: &Place,
        programs: &Programs,
        settings: &[(String, String)],
        socket_folder: &Path,
        death: Option<Signal>,
        patience: &Patience<'_>,
    ) -> Result<Option<Self>, Error> {
        let mut log = open_log(&place.log())?;
        let begin = log.seek(SeekFrom::End(0)).doing("read", &place.log())?;
        let mut command = programs.postgres(place.account.as_ref());
        command
            .arg("-D")
            .arg(place.cluster())
            .arg("-k")
            .arg(socket_folder)
            .args(options(&SETTINGS))
            .args(options(settings))
            .stdout(log.try_clone().doing("open", &place.log())?)
            .stderr(log.try_clone().doing("open", &place.log())?);
        detach(&mut command, death);
        let child = command.spawn().doing("run", Path::new("postgres"))?;
        let mut postmaster = Self {
            pid: Pid::from_raw(child.id().cast_signed()),
            cluster: place.cluster(),
            child: Some(child),
            since: Instant::now(),
        };
        match postmaster.becomes_ready(place, patience) {
            Ok(None) => Ok(Some(postmaster)),
            Ok(Some(status)) => Self::explain(&mut log, begin, status, place),
            Err(error) => {
                postmaster.stop();
                Err(error)
            }
        }
    }

    /// Waits until it takes connections, or has ended instead.
    fn becomes_ready(&mut self, place: &Place, patience: &Patience<'_>) -> Result<Option<ExitStatus>, Error> {
        loop {
            if let Some(status) = self.ended() {
                return Ok(Some(status));
            }
            if Running::find(place)?.is_some_and(|found| found.pid == self.pid && found.ready()) {
                return Ok(None);
            }
            patience.pause()?;
        }
    }

    /// Takes charge of one that someone else spawned.
    pub fn adopt(running: Running) -> Self {
        tracing::info!(pid = %running.pid, "took over a running PostgreSQL");
        Self { pid: running.pid, cluster: running.cluster, child: None, since: Instant::now() }
    }

    pub fn pid(&self) -> Pid {
        self.pid
    }

    pub fn age(&self) -> Duration {
        self.since.elapsed()
    }

    pub fn alive(&mut self) -> bool {
        match self.child {
            Some(_) => self.ended().is_none(),
            None => is_postmaster(self.pid, &self.cluster),
        }
    }

    /// Stops it in good order ("fast": open transactions are rolled back), then less so
    /// ("immediate": the next start recovers from the log). Nothing that was committed is lost
    /// either way.
    pub fn stop(&mut self) {
        for (signal, grace) in [(Signal::SIGINT, GRACE), (Signal::SIGQUIT, LAST_GRACE)] {
            if !self.alive() {
                return;
            }
            tracing::info!(pid = %self.pid, %signal, "stopping PostgreSQL");
            if let Err(error) = kill(self.pid, signal) {
                tracing::warn!(pid = %self.pid, %error, "could not signal PostgreSQL");
            }
            let until = Instant::now() + grace;
            while Instant::now() < until {
                if !self.alive() {
                    return;
                }
                thread::sleep(POLL);
            }
            tracing::warn!(pid = %self.pid, "PostgreSQL did not stop within {} s", grace.as_secs());
        }
        tracing::error!(pid = %self.pid, "PostgreSQL is left running, to be found by the next start");
    }

    /// The exit status of a child; a child that cannot be waited for counts as running.
    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().ok().flatten()
    }

    fn explain(log: &mut File, begin: u64, status: ExitStatus, place: &Place) -> Result<Option<Self>, Error> {
        let mut said = Vec::new();
        log.seek(SeekFrom::Start(begin))
            .and_then(|_| log.read_to_end(&mut said))
            .doing("read", &place.log())?;
        let said = String::from_utf8_lossy(&said);
        if BUSY.iter().any(|busy| said.contains(busy)) {
            return Ok(None);
        }
        let fatal = said.lines().rev().find(|line| line.contains("FATAL:"));
        Err(Error::Start {
            reason: fatal.or(said.lines().last()).map_or_else(|| status.to_string(), str::to_owned),
            log: place.log(),
        })
    }
}

/// What `postmaster.pid` says of a postmaster that really runs.
#[derive(Debug)]
pub struct Running {
    pub pid: Pid,
    pub socket_folder: PathBuf,
    cluster: PathBuf,
    status: String,
}

impl Running {
    pub fn find(place: &Place) -> Result<Option<Self>, Error> {
        let cluster = place.cluster();
        Ok(read(&pid_file(&cluster))?.and_then(|lines| Self::parse(&lines, cluster)))
    }

    fn parse(text: &str, cluster: PathBuf) -> Option<Self> {
        let lines: Vec<&str> = text.lines().collect();
        let pid = pid(text)?;
        is_postmaster(pid, &cluster).then(|| Self {
            pid,
            socket_folder: lines.get(4).copied().unwrap_or_default().into(),
            cluster,
            status: lines.get(7).copied().unwrap_or_default().trim().to_owned(),
        })
    }

    /// Whether it says that it takes connections, and does.
    pub fn ready(&self) -> bool {
        let socket = self.socket_folder.join(SOCKET);
        self.status == "ready" && UnixStream::connect(socket).is_ok()
    }
}

/// Removes lock files that keep PostgreSQL from starting although no postmaster runs: empty after a
/// power cut, or naming what is now another process, as happens in a container, where ids start
/// from 1 each time. Only for who holds the keeper's lock. Should backends of a killed postmaster
/// still run, the shared memory that PostgreSQL finds by the folder's inode bars the start all the
/// same.
pub fn clear_stale(place: &Place, socket_folder: &Path) -> Result<(), Error> {
    let cluster = place.cluster();
    let socket_lock = socket_folder.join(format!("{SOCKET}.lock"));
    for file in [pid_file(&cluster), socket_lock] {
        if is_stale(&file, &cluster)? {
            tracing::warn!(file = %file.display(), "removing what a crashed PostgreSQL has left");
            fs::remove_file(&file).doing("remove", &file)?;
        }
    }
    Ok(())
}

fn is_stale(file: &Path, cluster: &Path) -> Result<bool, Error> {
    let Some(text) = read(file)? else {
        return Ok(false);
    };
    Ok(match pid(&text) {
        Some(pid) => kill(pid, None).is_ok() && !is_postmaster(pid, cluster),
        None => file
            .metadata()
            .and_then(|found| found.modified())
            .is_ok_and(|written| written.elapsed().is_ok_and(|age| age > BEING_WRITTEN)),
    })
}

/// Keeps the log of a long run within bounds.
pub fn trim_log(path: &Path) {
    if path.metadata().is_ok_and(|log| log.len() > LOG_RUNNING) {
        // PostgreSQL appends, so that it goes on at the new end.
        let cut = file_options().write(true).open(path).and_then(|log| log.set_len(0));
        tracing::warn!(log = %path.display(), cut = cut.is_ok(), "PostgreSQL's log has grown too long");
    }
}

fn open_log(path: &Path) -> Result<File, Error> {
    if path.metadata().is_ok_and(|log| log.len() > LOG_AT_START) {
        fs::rename(path, path.with_extension("log.1")).doing("put aside", path)?;
    }
    file_options().read(true).append(true).create(true).open(path).doing("open", path)
}

fn pid_file(cluster: &Path) -> PathBuf {
    cluster.join("postmaster.pid")
}

fn read(file: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).doing("read", file),
    }
}

/// The process id in the first line of `postmaster.pid`; negative there in single-user mode.
fn pid(text: &str) -> Option<Pid> {
    let pid = text.lines().next()?.parse().ok().filter(|&pid: &i32| pid > 1)?;
    Some(Pid::from_raw(pid))
}

/// Whether a process is a living `postgres` of this cluster: it works in that folder. In a
/// container root may not see that of a process of another user; then its arguments, which everyone
/// sees, must name it. (Zombies have neither.)
#[cfg(target_os = "linux")]
fn is_postmaster(pid: Pid, cluster: &Path) -> bool {
    let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else {
        return false;
    };
    let mut arguments = line.split(|&byte| byte == 0).map(OsStr::from_bytes);
    let program = arguments.next().map(Path::new).and_then(Path::file_name);
    if program != Some(OsStr::new("postgres")) {
        return false;
    }
    match fs::read_link(format!("/proc/{pid}/cwd")) {
        Ok(folder) => folder == cluster,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            arguments.any(|argument| argument == cluster)
        }
        Err(_) => false,
    }
}

/// Without `/proc` a process is believed to be what the file says it is.
#[cfg(not(target_os = "linux"))]
fn is_postmaster(pid: Pid, _cluster: &Path) -> bool {
    kill(pid, None).is_ok()
}
