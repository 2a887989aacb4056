//! A `stillage serve` with few file descriptors and little address space to spare.

use std::{
    ffi::OsString,
    fs,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::client::Client;

/// File descriptors that the server may open.
const DESCRIPTORS: u32 = 256;
const PASSWORD: &str = "correct horse battery";
const STOP: Duration = Duration::from_secs(40);

/// The program under test.
fn program() -> OsString {
    std::env::var_os("STILLAGE_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_stillage").into())
}

pub fn is_release() -> bool {
    std::env::var_os("STILLAGE_BIN").is_some()
}

pub struct Server {
    child: Child,
    pub address: SocketAddr,
    folder: tempfile::TempDir,
}

/// What the kernel says about the server.
#[derive(Clone, Copy)]
pub struct Process(u32);

impl Process {
    /// MiB that are resident.
    pub fn memory(self) -> u64 {
        self.status("VmRSS:") / 1024
    }

    pub fn descriptors(self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.0)).map_or(0, Iterator::count)
    }

    /// A figure of `/proc/PID/status`, in KiB; 0 when the process has ended.
    fn status(self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
    }
}

impl Server {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut limited = Command::new("sh");
        limited.arg("-c").arg(format!("ulimit -n {DESCRIPTORS}; exec \"$0\" serve")).arg(program());
        let mut child = environment(&mut limited, folder.path(), address)
            .env("ADMIN_USERNAME", "ann")
            .env("ADMIN_PASSWORD", PASSWORD)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Ready is a line of the log; reading on afterwards keeps the pipe from filling.
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut seen = Vec::new();
        let ready =
            lines.by_ref().inspect(|line| seen.push(line.clone())).any(|line| line.contains(" ready "));
        assert!(ready, "the server did not start:\n{}", seen.join("\n"));
        thread::spawn(move || lines.for_each(drop));
        Self { child, address, folder }
    }

    pub fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// MiB that are resident.
    pub fn memory(&self) -> u64 {
        self.process().memory()
    }

    /// Adds an account and signs in with it.
    pub fn add_staff(&self, name: &str) -> Client {
        let mut command = Command::new(program());
        command.args(["user", "add", name, "--role", "staff", "--password-stdin"]).stdin(Stdio::piped());
        let mut child = environment(&mut command, self.folder.path(), self.address)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
        Client::sign_in(self.address, name, PASSWORD)
    }

    /// From now on, the server gets so many MiB of address space more than it has.
    pub fn spare_address_space(&self, mib: u64) {
        let limit = (self.process().status("VmSize:") + mib * 1024) * 1024;
        let pid = self.child.id().to_string();
        let done = Command::new("prlimit").args(["--pid", &pid, &format!("--as={limit}")]).status().unwrap();
        assert!(done.success());
    }
}

/// Nothing but what the server needs.
fn environment<'a>(command: &'a mut Command, folder: &Path, address: SocketAddr) -> &'a mut Command {
    command
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("BIND_ADDRESS", address.to_string())
}

impl Drop for Server {
    fn drop(&mut self) {
        // The polite signal, so that it stops its PostgreSQL; it may be gone already.
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let limit = Instant::now() + STOP;
        while Instant::now() < limit {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
