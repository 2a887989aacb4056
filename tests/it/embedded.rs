//! The private PostgreSQL, with real processes: starting, sharing, being killed. Each test has a
//! data folder of its own.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, geteuid},
};
use stillage::db::embedded::{Embedded, Error, Options, Owner};
use tempfile::TempDir;

/// A data folder that every user can reach: PostgreSQL may run as another one.
struct Data {
    _folder: TempDir,
    path: PathBuf,
}

impl Data {
    fn new() -> Self {
        Self::below("data")
    }

    fn below(name: &str) -> Self {
        let folder = TempDir::new().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self { path: folder.path().join(name), _folder: folder }
    }

    fn start(&self, owner: Owner) -> Embedded {
        self.try_start(owner).unwrap()
    }

    fn try_start(&self, owner: Owner) -> Result<Embedded, Error> {
        Embedded::start(&options(&self.path), owner)
    }

    /// The postmaster that runs, if any.
    fn postmaster(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.path.join("postgres/postmaster.pid")).ok()?;
        let pid = Pid::from_raw(text.lines().next()?.parse().ok()?);
        kill(pid, None).is_ok().then_some(pid)
    }
}

fn options(data_path: &Path) -> Options {
    Options { data_path: data_path.to_owned(), settings: vec![("fsync".into(), "off".into())] }
}

fn sql(url: &str, statement: &str) -> Result<String, String> {
    let output =
        Command::new("psql").args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement, url]).output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < until, "never: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Another process that uses the database until it is told to end or killed.
struct Other {
    process: Child,
    input: Option<ChildStdin>,
    /// Kept, lest what it prints at the end finds a broken pipe.
    _output: BufReader<ChildStdout>,
    url: String,
}

impl Other {
    fn start(data: &Data, owner: Owner) -> Self {
        let here = module_path!();
        let test = match here.split_once("::") {
            Some((_, module)) => format!("{module}::another_process"),
            None => "another_process".into(),
        };
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["--exact", &test, "--nocapture"])
            .env("STILLAGE_TEST_DATA", &data.path)
            .env("STILLAGE_TEST_OWNER", format!("{owner:?}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let url = output
            .by_ref()
            .lines()
            .map_while(Result::ok)
            .find_map(|line| Some(line.split_once("started ")?.1.to_owned()))
            .expect("the other process could not start the database");
        Self { input: process.stdin.take(), _output: output, process, url }
    }

    fn end(mut self) {
        self.input = None;
        assert!(self.process.wait().unwrap().success());
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Not a test of its own: what [`Other`] runs as a process of its own. Without its environment it does nothing.
#[test]
fn another_process() {
    let Some(data_path) = env::var_os("STILLAGE_TEST_DATA") else {
        return;
    };
    let owner = match env::var_os("STILLAGE_TEST_OWNER") {
        Some(owner) if owner == "Server" => Owner::Server,
        _ => Owner::Command,
    };
    let embedded = Embedded::start(&options(Path::new(&data_path)), owner).unwrap();
    println!("started {}", embedded.url());
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    embedded.stop();
}

#[test]
fn the_first_start_makes_a_database_and_later_ones_find_it() {
    let data = Data::new();
    let begin = Instant::now();
    let first = data.start(Owner::Server);
    assert!(begin.elapsed() < Duration::from_secs(8));
    sql(first.url(), "CREATE TABLE kept AS SELECT 'Zürich' AS place").unwrap();
    let settings = "SELECT concat_ws(' ', current_database(), current_user, \
        current_setting('server_encoding'), current_setting('data_checksums'), \
        current_setting('timezone'), current_setting('shared_buffers'), \
        current_setting('listen_addresses') = '', (SELECT datcollate FROM pg_database \
        WHERE datname = current_database()))";
    assert_eq!(sql(first.url(), settings).unwrap(), "stillage stillage UTF8 on UTC 64MB t C");
    let url = first.url().to_owned();
    first.stop();
    assert_eq!(data.postmaster(), None);
    assert!(sql(&url, "SELECT 1").is_err());

    let begin = Instant::now();
    let second = data.start(Owner::Server);
    assert!(begin.elapsed() < Duration::from_secs(1));
    assert_eq!(second.url(), url);
    assert_eq!(sql(&url, "SELECT place FROM kept").unwrap(), "Zürich");
}

#[test]
fn only_one_user_gets_to_the_socket() {
    let data = Data::new();
    let embedded = data.start(Owner::Command);
    let run = fs::metadata(data.path.join("run")).unwrap();
    assert_eq!(run.permissions().mode() & 0o7777, 0o700);
    assert!(embedded.url().contains("/run&port=5432&"));
}

#[test]
fn a_killed_postmaster_comes_back() {
    let data = Data::new();
    let server = data.start(Owner::Server);
    sql(server.url(), "CREATE TABLE kept AS SELECT 1 AS one").unwrap();
    // A backend that is busy when its postmaster is killed outlives it: the new one has to wait for
    // that.
    let url = server.url().to_owned();
    let busy = thread::spawn(move || {
        let spin = "DO $$ BEGIN WHILE clock_timestamp() < now() + interval '1 s' LOOP END LOOP; END $$";
        sql(&url, spin)
    });
    thread::sleep(Duration::from_millis(300));
    let killed = data.postmaster().unwrap();
    kill(killed, Signal::SIGKILL).unwrap();
    eventually("the database is back", || {
        data.postmaster() != Some(killed)
            && sql(server.url(), "SELECT one FROM kept").is_ok_and(|one| one == "1")
    });
    busy.join().unwrap().ok();
    server.stop();
    assert_eq!(data.postmaster(), None);
}

#[test]
fn it_comes_back_each_time() {
    let data = Data::new();
    let server = data.start(Owner::Server);
    for _ in 0..3 {
        let killed = data.postmaster().unwrap();
        kill(killed, Signal::SIGKILL).unwrap();
        eventually("the database is back", || {
            data.postmaster().is_some_and(|pid| pid != killed) && sql(server.url(), "SELECT 1").is_ok()
        });
    }
}

#[test]
fn after_a_killed_server_the_next_start_is_clean() {
    let data = Data::new();
    let server = Other::start(&data, Owner::Server);
    sql(&server.url, "CREATE TABLE kept AS SELECT 1 AS one").unwrap();
    let orphan = data.postmaster().unwrap();
    server.kill();
    let next = data.start(Owner::Server);
    assert_eq!(sql(next.url(), "SELECT one FROM kept").unwrap(), "1");
    assert_ne!(data.postmaster(), Some(orphan), "the kernel has stopped it");
    thread::sleep(Duration::from_millis(300));
    assert_eq!(sql(next.url(), "SELECT one FROM kept").unwrap(), "1");
}

#[test]
fn after_a_killed_command_the_next_start_adopts_the_orphan() {
    let data = Data::new();
    let command = Other::start(&data, Owner::Command);
    let orphan = data.postmaster().unwrap();
    command.kill();
    assert_eq!(data.postmaster(), Some(orphan));
    let server = data.start(Owner::Server);
    assert_eq!(data.postmaster(), Some(orphan));
    assert_eq!(sql(server.url(), "SELECT 1").unwrap(), "1");
    server.stop();
    assert_eq!(data.postmaster(), None);
}

#[test]
fn after_everything_was_killed_the_next_start_is_clean() {
    let data = Data::new();
    let command = Other::start(&data, Owner::Command);
    sql(&command.url, "CREATE TABLE kept AS SELECT 1 AS one").unwrap();
    kill(Pid::from_raw(command.process.id().cast_signed()), Signal::SIGKILL).unwrap();
    kill(data.postmaster().unwrap(), Signal::SIGKILL).unwrap();
    command.kill();
    let next = data.start(Owner::Command);
    assert_eq!(sql(next.url(), "SELECT one FROM kept").unwrap(), "1");
}

#[test]
fn a_stale_pid_that_is_now_another_process_is_no_obstacle() {
    let data = Data::new();
    data.start(Owner::Command).stop();
    let file = data.path.join("postgres/postmaster.pid");
    // As PostgreSQL sees it, a living process of its own user: in a container ids soon come round
    // again.
    let mut other = Command::new("sleep");
    other.arg("60");
    if let Some(user) = postgres_user() {
        std::os::unix::process::CommandExt::uid(&mut other, user);
    }
    let mut other = other.spawn().unwrap();
    let cluster = data.path.join("postgres");
    let stale = format!("{}\n{}\n1700000000\n5432\n", other.id(), cluster.display());
    fs::write(&file, stale).unwrap();
    let next = data.try_start(Owner::Command);
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(sql(next.unwrap().url(), "SELECT 1").unwrap(), "1");
}

fn postgres_user() -> Option<u32> {
    let user = nix::unistd::User::from_name("postgres").unwrap()?;
    geteuid().is_root().then_some(user.uid.as_raw())
}

#[test]
fn a_command_beside_a_server_leaves_it_alone() {
    let data = Data::new();
    let server = data.start(Owner::Server);
    let postmaster = data.postmaster();
    let command = data.start(Owner::Command);
    assert_eq!(command.url(), server.url());
    command.stop();
    assert_eq!(data.postmaster(), postmaster);
    assert_eq!(sql(server.url(), "SELECT 1").unwrap(), "1");
}

#[test]
fn the_last_of_two_commands_stops_it() {
    let data = Data::new();
    let first = Other::start(&data, Owner::Command);
    let second = data.start(Owner::Command);
    let postmaster = data.postmaster();
    first.end();
    assert_eq!(data.postmaster(), postmaster);
    assert_eq!(sql(second.url(), "SELECT 1").unwrap(), "1");
    second.stop();
    assert_eq!(data.postmaster(), None);
}

#[test]
fn many_commands_at_once_make_one_database() {
    let data = Data::new();
    thread::scope(|threads| {
        for _ in 0..6 {
            threads.spawn(|| {
                let command = data.start(Owner::Command);
                assert_eq!(sql(command.url(), "SELECT 1").unwrap(), "1");
            });
        }
    });
    assert_eq!(data.postmaster(), None);
}

#[test]
fn a_server_takes_over_from_a_command() {
    let data = Data::new();
    let command = Other::start(&data, Owner::Command);
    let server = data.start(Owner::Server);
    let postmaster = data.postmaster().unwrap();
    command.end();
    assert_eq!(data.postmaster(), Some(postmaster));
    assert_eq!(sql(server.url(), "SELECT 1").unwrap(), "1");
    // Now it is the server that revives it.
    kill(postmaster, Signal::SIGKILL).unwrap();
    eventually("the database is back", || {
        data.postmaster().is_some_and(|pid| pid != postmaster) && sql(server.url(), "SELECT 1").is_ok()
    });
    server.stop();
    assert_eq!(data.postmaster(), None);
}

#[test]
fn a_command_outlives_the_server() {
    let data = Data::new();
    let server = Other::start(&data, Owner::Server);
    let command = data.start(Owner::Command);
    let servers = data.postmaster();
    server.end();
    // The server's own one may answer for a moment more while it stops.
    eventually("the command starts it for itself", || {
        data.postmaster().is_some_and(|pid| Some(pid) != servers) && sql(command.url(), "SELECT 1").is_ok()
    });
    let next = data.start(Owner::Server);
    command.stop();
    assert_eq!(sql(next.url(), "SELECT 1").unwrap(), "1");
}

#[test]
fn a_second_server_is_refused_and_names_the_first() {
    let data = Data::new();
    let server = data.start(Owner::Server);
    let error = data.try_start(Owner::Server).unwrap_err().to_string();
    assert!(error.contains(&format!("process {}", std::process::id())));
    assert!(!error.contains('\n'));
    assert_eq!(sql(server.url(), "SELECT 1").unwrap(), "1");
}

#[test]
fn a_half_made_database_is_made_again() {
    let data = Data::new();
    let unfinished = data.path.join("postgres.new");
    fs::create_dir_all(unfinished.join("base")).unwrap();
    fs::write(unfinished.join("PG_VERSION"), "15\n").unwrap();
    let embedded = data.start(Owner::Command);
    assert_eq!(sql(embedded.url(), "SELECT 1").unwrap(), "1");
    assert!(!unfinished.exists());
}

#[test]
fn what_is_not_ours_is_not_touched() {
    let data = Data::new();
    let file = data.path.join("postgres/precious.txt");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "precious").unwrap();
    let error = data.try_start(Owner::Command).unwrap_err().to_string();
    assert!(error.contains("move it away"), "{error}");
    assert_eq!(fs::read_to_string(file).unwrap(), "precious");
}

#[test]
fn a_database_of_a_version_that_is_not_installed() {
    let data = Data::new();
    let cluster = data.path.join("postgres");
    fs::create_dir_all(&cluster).unwrap();
    fs::write(cluster.join("PG_VERSION"), "9\n").unwrap();
    let error = data.try_start(Owner::Server).unwrap_err().to_string();
    assert!(error.contains("made by PostgreSQL 9,"), "{error}");
    assert!(error.contains("DATABASE_URL") && !error.contains('\n'), "{error}");
}

#[test]
fn a_setting_that_postgresql_refuses_is_named() {
    let data = Data::new();
    let mut options = options(&data.path);
    data.start(Owner::Command).stop();
    options.settings.push(("max_connections".into(), "many".into()));
    let error = Embedded::start(&options, Owner::Server).unwrap_err().to_string();
    assert!(error.contains("max_connections") && error.contains("postgres.log"), "{error}");
}

#[test]
fn a_long_or_odd_path_gets_a_short_socket() {
    for name in ["long/".repeat(30), "Größe, \"1\" & so".into()] {
        let data = Data::below(&name);
        let embedded = data.start(Owner::Server);
        assert_eq!(sql(embedded.url(), "SELECT 1").unwrap(), "1");
        let (_, rest) = embedded.url().split_once("host=").unwrap();
        let folder = PathBuf::from(rest.split_once('&').unwrap().0);
        assert!(!folder.starts_with(&data.path));
        let mode = fs::metadata(&folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o700);
        embedded.stop();
        fs::remove_dir_all(folder).unwrap();
    }
}

#[test]
fn a_folder_above_that_bars_postgres_moves_the_database() {
    if !geteuid().is_root() {
        return; // Only root runs it as someone else.
    }
    let data = Data::below("home/data");
    fs::create_dir(data.path.parent().unwrap()).unwrap();
    let bar = fs::Permissions::from_mode(0o700);
    fs::set_permissions(data.path.parent().unwrap(), bar).unwrap();
    let embedded = data.start(Owner::Server);
    sql(embedded.url(), "CREATE TABLE kept AS SELECT 1 AS one").unwrap();
    embedded.stop();
    let note = fs::read_to_string(data.path.join("postgres.place")).unwrap();
    let home = Path::new(note.trim());
    assert!(home.starts_with("/var/lib"), "{}", home.display());
    assert!(!data.path.join("postgres").exists());

    let again = data.start(Owner::Command);
    assert_eq!(sql(again.url(), "SELECT one FROM kept").unwrap(), "1");
    again.stop();

    fs::remove_dir_all(home).unwrap();
    let error = data.try_start(Owner::Server).unwrap_err().to_string();
    assert!(error.contains("the database was in"), "{error}");
}
