//! A server process in a folder of its own.

use std::{
    fs::{self, Permissions},
    io::{BufRead, BufReader},
    net::TcpListener,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

use nix::{
    sys::{
        prctl,
        signal::{Signal, kill},
    },
    unistd::Pid,
};
use tempfile::TempDir;

use super::{Answer, Person};

/// How long a start may take, on a machine that does other things, too.
pub const START: Duration = Duration::from_secs(120);
pub const PASSWORD: &str = "correct horse battery";

/// The program: the one that cargo built for these tests, or `STILLAGE_BIN`.
#[expect(clippy::disallowed_methods, reason = "the variable is for these tests alone")]
pub fn program() -> PathBuf {
    std::env::var("STILLAGE_BIN").map_or_else(|_| env!("CARGO_BIN_EXE_stillage").into(), PathBuf::from)
}

/// How a server is started.
#[derive(Clone, Default)]
pub struct Options {
    env: Vec<(String, String)>,
    /// Put before the program, such as `strace -f`; whatever it is runs the program as itself or as a child.
    pub wrapper: Vec<String>,
    uploads: Option<PathBuf>,
    data: Option<PathBuf>,
    is_new: bool,
}

impl Options {
    /// A variable of its environment; the last one of a name counts.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// What is put before the program, such as `strace -f`.
    pub fn wrapped(mut self, wrapper: &[impl AsRef<str>]) -> Self {
        self.wrapper = wrapper.iter().map(|word| word.as_ref().to_owned()).collect();
        self
    }

    /// The storage is here instead of in the site's folder, such as on a mount.
    pub fn uploads_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.uploads = Some(folder.into());
        self
    }

    /// The private database is here.
    pub fn data_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data = Some(folder.into());
        self
    }

    /// Without anything that was there before: the first start makes the database. There is no `person` then.
    pub fn without_template(mut self) -> Self {
        self.is_new = true;
        self
    }
}

/// A site: its folder, and the server while one runs. Dropping it kills the server.
pub struct Site {
    folder: TempDir,
    pub options: Options,
    port: u16,
    server: Option<Child>,
    log: Arc<Mutex<Vec<String>>>,
    /// Instead of the template's.
    session: Option<(String, String)>,
}

impl Site {
    /// A copy of a store with one admin who is signed in, started and ready.
    pub fn start() -> Self {
        Self::start_with(Options::default())
    }

    pub fn start_with(options: Options) -> Self {
        let mut site = Self::prepare(options);
        site.start_first();
        site
    }

    /// The first start of a site that was prepared.
    pub fn start_first(&mut self) {
        self.begin();
        self.wait_ready(START).unwrap_or_else(|| panic!("the server did not start:\n{}", self.log_text()));
    }

    /// The same, not started yet.
    pub fn prepare(options: Options) -> Self {
        let site = Self::empty(options);
        if !site.options.is_new {
            let template = template();
            copy(&template.folder.join("uploads"), &site.uploads());
            // A database that is elsewhere has to be filled by who runs it.
            if !site.options.env.iter().any(|(name, _)| name == "DATABASE_URL") {
                copy(&template.folder.join("data"), &site.data());
            }
        }
        site
    }

    fn empty(options: Options) -> Self {
        let folder = TempDir::with_prefix("stillage-faults-").unwrap();
        // PostgreSQL may run as another user.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        Self { folder, options, port: free_port(), server: None, log: Arc::default(), session: None }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn uploads(&self) -> PathBuf {
        self.options.uploads.clone().unwrap_or_else(|| self.folder().join("uploads"))
    }

    pub fn data(&self) -> PathBuf {
        self.options.data.clone().unwrap_or_else(|| self.folder().join("data"))
    }

    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The admin of the template, who is signed in.
    pub fn person(&self) -> Person {
        if let Some((cookie, token)) = &self.session {
            return Person::with_session(&self.base(), cookie, token);
        }
        Person::with_session(&self.base(), &template().cookie, &template().token)
    }

    /// From now on [`person`](Self::person) is somebody else, such as the admin after another sign-in.
    pub fn is_used_by(&mut self, person: &Person) {
        self.session = Some(person.session());
    }

    /// Every variable of the server's environment but `PATH`.
    pub fn environment(&self) -> Vec<(String, String)> {
        let own = [
            ("BIND_ADDRESS", format!("127.0.0.1:{}", self.port)),
            ("UPLOAD_STORAGE_PATH", self.uploads().display().to_string()),
            ("STILLAGE_DATA_PATH", self.data().display().to_string()),
            ("ADMIN_USERNAME", "ann".to_owned()),
            ("ADMIN_PASSWORD", PASSWORD.to_owned()),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value));
        own.into_iter().chain(self.options.env.clone()).collect()
    }

    /// The program with arguments, in this site's environment.
    pub fn command(&self, wrapper: &[String], arguments: &[&str]) -> Command {
        let program = program();
        let mut command = match wrapper.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
            None => Command::new(program),
        };
        command
            .args(arguments)
            .current_dir(self.folder())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(self.environment())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command such as `doctor`, beside the server or without one, to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(&[], arguments).output().unwrap()
    }

    /// What `stillage doctor` prints.
    pub fn doctor(&self) -> String {
        String::from_utf8_lossy(&self.run(&["doctor"]).stdout).into_owned()
    }

    /// Starts the server without waiting for it.
    pub fn begin(&mut self) {
        assert!(self.server.is_none(), "one at a time");
        let mut command = self.command(&self.options.wrapper.clone(), &["serve"]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        // SAFETY: prctl is safe between fork and exec; a run that is killed leaves no server behind. The thread that
        // starts one lives as long as the run.
        unsafe {
            command.pre_exec(|| prctl::set_pdeathsig(Signal::SIGKILL).map_err(Into::into));
        }
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let log = Arc::clone(&self.log);
        std::thread::spawn(move || lines.for_each(|line| log.lock().unwrap().push(line)));
        self.server = Some(child);
    }

    /// Starts the server again after it died or was stopped, and returns how long it took to be ready.
    #[track_caller]
    pub fn start_again(&mut self) -> Duration {
        self.begin();
        self.wait_ready(START)
            .unwrap_or_else(|| panic!("the server did not start again:\n{}", self.log_text()))
    }

    /// Waits until `/health/ready` says 200, and returns how long that took; `None` when it did not within `limit`
    /// or the server ended.
    pub fn wait_ready(&mut self, limit: Duration) -> Option<Duration> {
        let begun = Instant::now();
        while begun.elapsed() < limit {
            if self.ready().0 == 200 {
                return Some(begun.elapsed());
            }
            if self.has_ended() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }

    /// What `/health/ready` answers, within five seconds; status 0 when nothing does.
    pub fn ready(&self) -> (u16, String) {
        self.ask("/health/ready", Duration::from_secs(5))
    }

    /// A GET by nobody, outside any runtime.
    pub fn ask(&self, path: &str, limit: Duration) -> (u16, String) {
        use std::{
            io::{Read, Write},
            net::TcpStream,
        };
        let ask = || -> std::io::Result<String> {
            let address = format!("127.0.0.1:{}", self.port);
            let mut stream = TcpStream::connect_timeout(&address.parse().unwrap(), limit)?;
            stream.set_read_timeout(Some(limit))?;
            write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
            let mut answer = Vec::new();
            stream.take(1 << 20).read_to_end(&mut answer)?;
            Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        let Ok(answer) = ask() else { return (0, String::new()) };
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, body.to_owned())
    }

    pub fn has_ended(&mut self) -> bool {
        self.server.as_mut().is_none_or(|server| server.try_wait().unwrap().is_some())
    }

    /// The process id of the server itself, below whatever wraps it.
    pub fn pid(&self) -> Pid {
        program_below(self.server.as_ref().expect("a server"))
    }

    /// Sends the server a signal.
    pub fn signal(&self, signal: Signal) {
        // It may be gone.
        let _ = kill(self.pid(), signal);
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        self.wait_end();
    }

    /// The processes of the private PostgreSQL.
    pub fn postgres(&self) -> Vec<Pid> {
        let text = fs::read_to_string(self.data().join("postgres/postmaster.pid")).unwrap_or_default();
        let Some(postmaster) = text.lines().next().and_then(|pid| pid.trim().parse().ok()) else {
            return Vec::new();
        };
        descendants(postmaster).into_iter().map(Pid::from_raw).collect()
    }

    /// Kills these processes, and waits until they are gone.
    pub fn kill_postgres(&self, processes: &[Pid]) {
        for &pid in processes {
            // It may have ended with the server.
            let _ = kill(pid, Signal::SIGKILL);
        }
        let until = Instant::now() + Duration::from_secs(20);
        while processes.iter().any(|&pid| kill(pid, None).is_ok()) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asks it to stop, and waits until it did.
    pub fn stop(&mut self) -> Option<ExitStatus> {
        self.signal(Signal::SIGTERM);
        self.wait_end()
    }

    /// Waits until the server ended by itself, for a minute at most; then it is killed.
    pub fn wait_end(&mut self) -> Option<ExitStatus> {
        let mut server = self.server.take()?;
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = server.try_wait().unwrap() {
                return Some(status);
            }
            if Instant::now() > until {
                end(&mut server);
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The log so far, as lines; see also [`log_mark`](Self::log_mark).
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    pub fn log_text(&self) -> String {
        self.log().join("\n")
    }

    /// How many lines there are: what comes later is asked of with [`logged_since`](Self::logged_since).
    pub fn log_mark(&self) -> usize {
        self.log.lock().unwrap().len()
    }

    /// Whether a line after `mark` contains `text`.
    pub fn logged_since(&self, mark: usize, text: &str) -> bool {
        self.log.lock().unwrap().iter().skip(mark).any(|line| line.contains(text))
    }

    /// Fails unless a line after `mark` contains `text`, now or within ten seconds.
    #[track_caller]
    pub fn must_log(&self, mark: usize, text: &str) {
        let until = Instant::now() + Duration::from_secs(10);
        while !self.logged_since(mark, text) {
            assert!(Instant::now() < until, "no line says {text:?}:\n{}", self.log_text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What the banner of the pages says to an admin, with everything around it.
    pub async fn page(&self, path: &str) -> String {
        match self.person().get(path).await {
            Answer::Is { body, .. } => String::from_utf8_lossy(&body).into_owned(),
            Answer::Lost(_) => String::new(),
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            eprintln!("the last lines of the log:\n{}", log[log.len().saturating_sub(40)..].join("\n"));
        }
        if let Some(mut server) = self.server.take() {
            let _ = kill(program_below(&server), Signal::SIGKILL);
            end(&mut server);
        }
        wait_for_postgres(&self.data());
    }
}

/// The program that a process is, or has started.
fn program_below(process: &Child) -> Pid {
    let own = process.id() as i32;
    descendants(own).into_iter().find(|&pid| is_program(pid)).map_or(Pid::from_raw(own), Pid::from_raw)
}

fn end(server: &mut Child) {
    let _ = server.kill();
    let _ = server.wait();
}

/// The private PostgreSQL ends soon after its server; its folder must not be removed before.
pub fn wait_for_postgres(data: &Path) {
    let until = Instant::now() + Duration::from_secs(20);
    while data.join("postgres/postmaster.pid").exists() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A process and all that it and its children have started, itself first.
pub fn descendants(pid: i32) -> Vec<i32> {
    let mut found = vec![pid];
    let mut at = 0;
    while at < found.len() {
        let children =
            fs::read_to_string(format!("/proc/{0}/task/{0}/children", found[at])).unwrap_or_default();
        found.extend(children.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
        at += 1;
    }
    found
}

fn is_program(pid: i32) -> bool {
    let exe = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    exe.file_name().is_some_and(|name| name.to_string_lossy().starts_with("stillage"))
}

/// Ports below those that the kernel gives to clients, so that nobody takes one while its server is down.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 110) as u16 * 100;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed) % 100;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Copies a folder with owners, modes and times.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::create_dir_all(to).unwrap();
    let done = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().unwrap();
    assert!(done.success(), "cp {} {}", from.display(), to.display());
}

/// A store that is made once and copied for every site: an admin, and a session of theirs.
struct Template {
    folder: PathBuf,
    cookie: String,
    token: String,
}

static TEMPLATE: Mutex<Option<Arc<Template>>> = Mutex::new(None);

fn template() -> Arc<Template> {
    let mut template = TEMPLATE.lock().unwrap();
    Arc::clone(template.get_or_insert_with(|| {
        let mut site = Site::empty(Options::default().without_template());
        site.begin();
        let ready = site.wait_ready(START);
        assert!(ready.is_some(), "the server did not start:\n{}", site.log_text());
        let base = site.base();
        let signed_in = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { Person::sign_in(&base, "ann", PASSWORD).await.unwrap().session() })
        });
        let (cookie, token) = signed_in.join().unwrap();
        site.stop();
        wait_for_postgres(&site.data());
        let kept = TempDir::with_prefix("stillage-faults-template-").unwrap().keep();
        fs::set_permissions(&kept, Permissions::from_mode(0o755)).unwrap();
        copy(site.folder(), &kept);
        Arc::new(Template { folder: kept, cookie, token })
    }))
}

/// At the end of the run.
pub fn remove_template() {
    if let Some(template) = TEMPLATE.lock().unwrap().take() {
        let _ = fs::remove_dir_all(&template.folder);
    }
}
