//! PostgreSQL's programs: where they are, which version, and how they are run.

use std::{
    env,
    ffi::OsString,
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nix::{sys::signal::Signal, unistd};

use super::{error::Error, place::Account};

/// Where packagers put versions beside each other: a folder, what precedes the version in an
/// entry's name, what follows.
const FAMILIES: [(&str, &str, &str); 6] = [
    ("/usr/lib/postgresql", "", "bin"),          // Debian, Ubuntu
    ("/usr", "pgsql-", "bin"),                   // PGDG on Red Hat, SUSE
    ("/usr/libexec", "postgresql", ""),          // Alpine
    ("/opt/homebrew/opt", "postgresql@", "bin"), // Homebrew on Apple silicon
    ("/usr/local/opt", "postgresql@", "bin"),    // Homebrew on Intel
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql@", "bin"),
];

/// What is passed on of our environment. Nothing else: it may hold secrets, and the programs may
/// run as another user.
const ENVIRONMENT: [&str; 4] = ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR"];

/// One installed version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    folder: PathBuf,
    major: u32,
}

impl Programs {
    /// The programs for a new cluster (`wanted` is `None`: those in `PATH`, else the newest),
    /// or for one of a given major version.
    pub fn find(wanted: Option<u32>, cluster: &Path, account: Option<&Account>) -> Result<Self, Error> {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = env::split_paths(&path)
            .filter(|folder| folder.is_absolute())
            .chain(FAMILIES.into_iter().flat_map(versions));
        let installed = folders.filter_map(|folder| Self::in_folder(&folder, account));
        choose(installed, wanted, cluster)
    }

    /// Runs `postgres --version` rather than trusting a folder's name; also proof that `account`
    /// may run it at all.
    fn in_folder(folder: &Path, account: Option<&Account>) -> Option<Self> {
        let program = folder.join("postgres").canonicalize().ok()?;
        // PATH may hold links to the programs: what else is needed lies where they really are.
        let folder =
            [program.parent()?, folder].into_iter().find(|folder| folder.join("initdb").is_file())?;
        let output = command(&program, account).arg("--version").output().ok()?;
        Some(Self { folder: folder.to_owned(), major: major(&String::from_utf8_lossy(&output.stdout))? })
    }

    pub fn initdb(&self, account: Option<&Account>) -> Command {
        command(&self.folder.join("initdb"), account)
    }

    pub fn postgres(&self, account: Option<&Account>) -> Command {
        command(&self.folder.join("postgres"), account)
    }
}

fn choose(
    installed: impl Iterator<Item = Programs>,
    wanted: Option<u32>,
    cluster: &Path,
) -> Result<Programs, Error> {
    let mut others: Vec<u32> = Vec::new();
    for programs in installed {
        match wanted {
            Some(wanted) if wanted != programs.major => others.push(programs.major),
            _ => return Ok(programs),
        }
    }
    others.sort_unstable();
    others.dedup();
    match wanted {
        Some(wanted) if !others.is_empty() => Err(Error::OtherVersion {
            cluster: cluster.to_owned(),
            wanted,
            found: others.iter().map(u32::to_string).collect::<Vec<_>>().join(", "),
        }),
        _ => Err(Error::NoPrograms),
    }
}

/// The folders of one family, newest version first.
fn versions((parent, prefix, suffix): (&str, &str, &str)) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = Path::new(parent)
        .read_dir()
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix(prefix)?.parse().ok()?;
            Some((version, entry.path().join(suffix)))
        })
        .collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, folder)| folder).collect()
}

/// `postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)` is 15; `17beta1` is 17.
fn major(version: &str) -> Option<u32> {
    let number = version.split_whitespace().nth(2)?;
    let end = number.find(|c: char| !c.is_ascii_digit());
    number[..end.unwrap_or(number.len())].parse().ok()
}

/// A program run as `account`, in a folder that every user can enter.
///
/// When root sets a uid, std clears the supplementary groups too.
fn command(program: &Path, account: Option<&Account>) -> Command {
    let kept = ENVIRONMENT.into_iter().filter_map(|name| {
        let value: OsString = env::var_os(name)?;
        Some((name, value))
    });
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(kept)
        .env("LC_ALL", "C")
        .env("TZ", "UTC") // lest initdb compares every time zone there is with the system's: 0.5 s
        .current_dir("/")
        .stdin(Stdio::null());
    if let Some(account) = account {
        command.uid(account.uid.as_raw()).gid(account.gid.as_raw());
    }
    command
}

/// Settings as PostgreSQL's programs take them.
pub fn options<S: AsRef<str>>(settings: &[(S, S)]) -> impl Iterator<Item = String> {
    settings.iter().flat_map(|(name, value)| {
        let setting = format!("{}={}", name.as_ref(), value.as_ref());
        ["-c".to_owned(), setting]
    })
}

/// Gives the command a session of its own, so that Ctrl-C at a terminal reaches Stillage alone,
/// which then stops PostgreSQL in good order; and, with `death`, has the kernel send that signal
/// when the *thread* that spawns it ends.
pub fn detach(command: &mut Command, death: Option<Signal>) {
    let parent = unistd::getpid();
    let prepare = move || -> io::Result<()> {
        unistd::setsid()?;
        #[cfg(target_os = "linux")]
        if let Some(signal) = death {
            nix::sys::prctl::set_pdeathsig(signal)?;
            // A parent that died before that call sends nothing any more.
            if unistd::getppid() != parent {
                return Err(nix::errno::Errno::ESRCH.into());
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (parent, death);
        Ok(())
    };
    // SAFETY: between fork and exec only async-signal-safe calls are allowed; these are three plain
    // system calls that allocate nothing. std runs this after the change of uid, which would clear
    // the death signal.
    unsafe {
        command.pre_exec(prepare);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs(major: u32) -> Programs {
        Programs { folder: format!("/pg/{major}").into(), major }
    }

    fn message(found: &[u32], wanted: Option<u32>) -> String {
        let installed = found.iter().map(|&major| programs(major));
        match choose(installed, wanted, Path::new("/data/postgres")) {
            Ok(programs) => format!("chose {}", programs.major),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_new_cluster_takes_the_first_and_an_old_one_its_own() {
        assert_eq!(message(&[15, 17, 16], None), "chose 15");
        assert_eq!(message(&[15, 17, 16], Some(16)), "chose 16");
    }

    #[test]
    fn what_is_missing_is_said_in_one_line() {
        for wanted in [None, Some(15)] {
            let text = message(&[], wanted);
            assert!(text.contains("apt-get install postgresql"), "{text}");
            assert!(text.contains("DATABASE_URL") && !text.contains('\n'));
        }
        let text = message(&[17, 16, 17], Some(14));
        assert!(text.contains("PostgreSQL 14"), "{text}");
        assert!(text.contains("16, 17") && text.contains("postgresql-14"), "{text}");
    }

    #[test]
    fn major_versions() {
        let debian = "postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)\n";
        assert_eq!(major(debian), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 17beta1"), Some(17));
        assert_eq!(major("sh: not found"), None);
    }
}
