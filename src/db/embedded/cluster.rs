//! Making the cluster, so that it is either whole or not there.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    process::{Command, Stdio},
};

use nix::sys::signal::Signal;

use super::{
    DATABASE, USER,
    error::{Doing, Error},
    place::{Place, sync_folder},
    programs::{Programs, detach, options},
};

/// The same on every machine, whatever locales are installed; `lc_messages` C lets us read the log.
/// Checksums tell a rotten disk from a wrong query.
const INITDB: [&str; 6] = [
    "--encoding=UTF8",
    "--locale=C",
    "--data-checksums",
    "--auth-local=trust", // the socket's folder is the guard, see `place`
    "--auth-host=reject",
    "--no-instructions",
];

/// Lower case beyond ASCII where the system has C.UTF-8 (glibc does since 2.35, musl always);
/// sorting stays bytewise, so that no upgrade of the C library ever breaks an index.
const LETTERS: [Option<&str>; 2] = [Some("--lc-ctype=C.UTF-8"), None];

/// The major version of an existing cluster; `None` when there is none yet.
pub fn version(place: &Place) -> Result<Option<u32>, Error> {
    let cluster = place.cluster();
    let file = cluster.join("PG_VERSION");
    match fs::read_to_string(&file) {
        Ok(text) => text.trim().parse().map(Some).map_err(|_| Error::Foreign(cluster)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).doing("read", &file),
    }
}

/// Makes the cluster and its database under another name and renames it into place when all of it
/// is on disk. What a crash in between leaves is thrown away here at the next start.
pub fn create(place: &Place, programs: &Programs, settings: &[(String, String)]) -> Result<(), Error> {
    let (cluster, unfinished) = (place.cluster(), place.unfinished());
    if cluster.read_dir().is_ok_and(|mut all| all.next().is_some()) {
        return Err(Error::Foreign(cluster));
    }
    place.prepare_home()?;
    initdb(place, programs, settings)?;
    create_database(place, programs, settings)?;
    fs::rename(&unfinished, &cluster).doing("rename into place", &unfinished)?;
    sync_folder(cluster.parent().unwrap_or(Path::new("/")))?;
    tracing::info!(cluster = %cluster.display(), "made a private PostgreSQL database");
    Ok(())
}

fn initdb(place: &Place, programs: &Programs, settings: &[(String, String)]) -> Result<(), Error> {
    let unfinished = place.unfinished();
    let unsynced = settings.iter().any(|(name, value)| name == "fsync" && value == "off");
    let mut made = Ok(());
    for letters in LETTERS {
        clear(&unfinished)?;
        place.private_folder(&unfinished)?;
        let mut initdb = programs.initdb(place.account.as_ref());
        initdb
            .arg("-D")
            .arg(&unfinished)
            .args(["-U", USER])
            .args(INITDB)
            .args(letters)
            .args(unsynced.then_some("--no-sync"));
        made = run("initdb", place, &mut initdb, "");
        if made.is_ok() {
            break;
        }
    }
    made
}

fn create_database(place: &Place, programs: &Programs, settings: &[(String, String)]) -> Result<(), Error> {
    let mut single = programs.postgres(place.account.as_ref());
    single
        .arg("--single")
        .arg("-D")
        .arg(place.unfinished())
        .args(["-c", "exit_on_error=on", "-c", "log_checkpoints=off"])
        .args(options(settings))
        .arg("postgres");
    let statement = format!("CREATE DATABASE {DATABASE}\n");
    run("postgres --single", place, &mut single, &statement)
}

fn clear(unfinished: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(unfinished) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.doing("remove", unfinished),
    }
}

/// Runs a program to its end. Should we die, it dies at once: `initdb` would clean up behind itself
/// on a milder signal, perhaps in the folder of the next attempt.
fn run(program: &'static str, place: &Place, command: &mut Command, input: &str) -> Result<(), Error> {
    detach(command, Some(Signal::SIGKILL));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .doing("run", Path::new(program))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ends without reading says why on stderr.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().doing("run", Path::new(program))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Init {
        program,
        cluster: place.cluster(),
        output: one_line(&output.stderr, output.status.to_string()),
    })
}

fn one_line(stderr: &[u8], status: String) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    match lines.join("; ") {
        nothing if nothing.is_empty() => status,
        said => said,
    }
}
