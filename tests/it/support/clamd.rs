//! A real clamd with one signature of its own, which finds the EICAR test string anywhere in a file.

use std::{
    fs,
    os::unix::{net::UnixStream, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use nix::sys::{prctl, signal::Signal};
use tempfile::TempDir;

use super::eventually;

/// The name that clamd gives to what it finds; what comes from a local database ends so.
pub const FOUND: &str = "Stillage.Test.EICAR.UNOFFICIAL";

/// Files above this are not scanned, in bytes.
pub const LIMIT: usize = 2 * 1024 * 1024;

pub struct Clamd {
    process: Child,
    folder: TempDir,
}

impl Clamd {
    /// One that says when a file exceeds `LIMIT`.
    pub fn start() -> Self {
        Self::with(&settings(LIMIT, true))
    }

    /// One with these further lines in its settings.
    pub fn with(settings: &str) -> Self {
        let folder = TempDir::with_prefix("stillage-clamd-").unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("signatures")).unwrap();
        let signature = format!("Stillage.Test.EICAR:0:*:{}\n", hex::encode(eicar()));
        fs::write(path("signatures").join("test.ndb"), signature).unwrap();
        let process = spawn(&folder, settings);
        let clamd = Self { process, folder };
        clamd.wait();
        clamd
    }

    /// Ends it and starts it with other settings at the same address.
    pub fn start_again(&mut self, settings: &str) {
        self.stop();
        // What is left of the old one would look like the new one.
        let _ = fs::remove_file(self.socket());
        self.process = spawn(&self.folder, settings);
        self.wait();
    }

    fn wait(&self) {
        eventually("clamd listens", || UnixStream::connect(self.socket()).is_ok());
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("clamd.sock")
    }

    /// What `CLAMAV_ADDRESS` is set to.
    pub fn address(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    pub fn stop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        self.process.wait().unwrap();
    }
}

impl Drop for Clamd {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The lines of `clamd.conf` for a limit of so many bytes, which is reported or not (clamd's own default).
pub fn settings(limit: usize, is_reported: bool) -> String {
    let alert = if is_reported { "yes" } else { "no" };
    format!("StreamMaxLength 100M\nMaxFileSize {limit}\nMaxScanSize {limit}\nAlertExceedsMax {alert}\n")
}

fn spawn(folder: &TempDir, settings: &str) -> Child {
    let path = |name: &str| folder.path().join(name);
    // Without a `User` it stays who started it, root or not.
    let settings = format!(
        "Foreground yes\nDatabaseDirectory {}\nLocalSocket {}\nTemporaryDirectory {}\nMaxThreads 4\n{settings}",
        path("signatures").display(),
        path("clamd.sock").display(),
        folder.path().display(),
    );
    fs::write(path("clamd.conf"), settings).unwrap();
    let mut command = Command::new(program());
    command.arg("--config-file").arg(path("clamd.conf"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // SAFETY: prctl is safe between fork and exec; a test that is killed leaves no clamd behind.
    unsafe {
        command.pre_exec(|| prctl::set_pdeathsig(Signal::SIGKILL).map_err(Into::into));
    }
    command.spawn().expect("clamd; see .ci/setup")
}

/// The string that every scanner is to find, put together so that this file is not found itself.
pub fn eicar() -> Vec<u8> {
    [r"X5O!P%@AP[4\PZX54(P^)7CC)7}", "$EICAR-STANDARD-ANTIVIRUS", "-TEST-FILE!$H+H*"].concat().into_bytes()
}

/// Debian keeps it where an ordinary user's `PATH` does not look.
fn program() -> &'static Path {
    let known = ["/usr/sbin/clamd", "/usr/bin/clamd", "/usr/local/sbin/clamd", "/opt/homebrew/sbin/clamd"];
    known.into_iter().map(Path::new).find(|path| path.exists()).unwrap_or(Path::new("clamd"))
}
