//! Disks that can be broken: mounts in a mount namespace of this process and its servers, so that nothing of them is
//! left whatever ends the run.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// Runs a program to its end.
///
/// # Errors
/// What it printed, when it failed or is not installed.
pub fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let done =
        Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!("{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&done.stderr).trim()))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Something mounted in a folder of its own; unmounted when dropped.
pub struct Disk {
    folder: TempDir,
    kind: Kind,
}

enum Kind {
    /// An image with ext4, mounted through a loop device.
    Loop,
    /// Memory with these options.
    Memory,
}

impl Disk {
    /// An ext4 of so many MiB.
    ///
    /// # Errors
    /// This machine has no loop devices for us.
    pub fn ext4(megabytes: u64) -> Result<Self, String> {
        let folder = TempDir::with_prefix("stillage-faults-disk-").unwrap();
        let disk = Self { folder, kind: Kind::Loop };
        disk.open_to_all();
        fs::create_dir(disk.path()).unwrap();
        File::create(disk.image()).and_then(|image| image.set_len(megabytes << 20)).unwrap();
        run("mkfs.ext4", &["-q", "-F", text(&disk.image())])?;
        disk.mount()?;
        Ok(disk)
    }

    /// A tmpfs with these mount options, such as `size=20m`.
    ///
    /// # Errors
    /// We may not mount.
    pub fn memory(options: &str) -> Result<Self, String> {
        let disk =
            Self { folder: TempDir::with_prefix("stillage-faults-disk-").unwrap(), kind: Kind::Memory };
        disk.open_to_all();
        fs::create_dir(disk.path()).unwrap();
        run("mount", &["-t", "tmpfs", "-o", options, "tmpfs", text(&disk.path())])?;
        Ok(disk)
    }

    /// PostgreSQL may run as another user.
    fn open_to_all(&self) {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(self.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    pub fn mount(&self) -> Result<(), String> {
        run("mount", &["-o", "loop", text(&self.image()), text(&self.path())])
    }

    pub fn remount(&self, options: &str) -> Result<(), String> {
        run("mount", &["-o", &format!("remount,{options}"), text(&self.path())])
    }

    /// Tries for some seconds: whoever was killed may still hold it.
    pub fn unmount(&self) -> Result<(), String> {
        let mut last = Ok(());
        for _ in 0..200 {
            last = run("umount", &[text(&self.path())]);
            if last.is_ok() {
                return last;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        last
    }

    /// What a power cut does: from now on nothing reaches the disk, and what was not flushed never will.
    pub fn cut_power(&self) -> Result<(), String> {
        use std::os::fd::AsRawFd;
        /// `EXT4_GOING_FLAGS_NOLOGFLUSH`
        const NO_FLUSH: u32 = 2;
        // `EXT4_IOC_SHUTDOWN` is `_IOR('X', 125, __u32)`.
        nix::ioctl_read!(shutdown, b'X', 125, u32);
        let root = File::open(self.path()).map_err(|error| error.to_string())?;
        let mut flag = NO_FLUSH;
        // SAFETY: the descriptor is open and the flag lives.
        unsafe { shutdown(root.as_raw_fd(), &raw mut flag) }.map_err(|error| error.to_string())?;
        Ok(())
    }

    pub fn freeze(&self) -> Result<(), String> {
        run("fsfreeze", &["-f", text(&self.path())])
    }

    pub fn thaw(&self) -> Result<(), String> {
        run("fsfreeze", &["-u", text(&self.path())])
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if matches!(self.kind, Kind::Loop) {
            // A frozen disk cannot be unmounted; one that is not frozen says so.
            let _ = self.thaw();
        }
        // It may be unmounted already.
        let _ = run("umount", &["-l", text(&self.path())]);
    }
}

/// Mounts `from` over `over`; undone by [`uncover`].
pub fn cover(from: &Path, over: &Path) -> Result<(), String> {
    run("mount", &["--bind", text(from), text(over)])
}

pub fn uncover(over: &Path) -> Result<(), String> {
    run("umount", &["-l", text(over)])
}

/// Why disks cannot be mounted here, if so. The first call takes this process into a mount namespace of its own: it
/// must come before any thread begins.
pub fn prepare() -> Option<String> {
    use nix::sched::{CloneFlags, unshare};
    if !nix::unistd::geteuid().is_root() {
        return Some("needs root".to_owned());
    }
    if let Err(error) = unshare(CloneFlags::CLONE_NEWNS) {
        return Some(format!("no mount namespace of its own: {error}"));
    }
    run("mount", &["--make-rprivate", "/"]).err()
}
