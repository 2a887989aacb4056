//! Starts the server, the driver and the browser, and ends exactly those.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader},
    net::{TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use thirtyfour::{common::capabilities::chromium::ChromiumLikeCapabilities, prelude::*};

/// The longest that anything may take.
const LIMIT: Duration = Duration::from_secs(10);
/// The longest that the driver may take to answer one command; a page that loads is one.
const DRIVER_LIMIT: Duration = Duration::from_secs(60);

/// A process that ends with this value.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(Some(_)) = self.0.try_wait() {
            return;
        }
        // The server needs the polite signal, so that it stops its PostgreSQL; both may be gone already.
        let pid = nix::unistd::Pid::from_raw(self.0.id() as i32);
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let limit = Instant::now() + LIMIT;
        while Instant::now() < limit {
            if let Ok(Some(_)) = self.0.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A fresh Stillage in a folder of its own.
pub struct Stillage {
    process: Option<Process>,
    pub folder: tempfile::TempDir,
    pub base: String,
    /// The one-time link of the first start.
    pub setup_link: String,
    environment: Vec<(String, String)>,
}

impl Stillage {
    /// Starts `stillage serve` with a limit of 1 MB per file and waits until it is ready.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let environment = vec![
            (
                "PATH".to_owned(),
                std::env::var_os("PATH").map(|path| path.to_string_lossy().into_owned()).unwrap_or_default(),
            ),
            ("BIND_ADDRESS".to_owned(), address.clone()),
            ("MAX_UPLOAD_SIZE_MB".to_owned(), "1".to_owned()),
        ];
        let (process, setup_link) = serve(&environment, folder.path());
        wait_for_port(&address);
        let base = format!("http://{address}");
        let setup_link = setup_link.recv_timeout(LIMIT).expect("the first start prints a link");
        Self { process: Some(process), folder, base, setup_link, environment }
    }

    /// Ends the server as a power cut would.
    pub fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.0.kill().unwrap();
        process.0.wait().unwrap();
    }

    /// Starts it again at the same address.
    pub fn start_again(&mut self) {
        let (process, _) = serve(&self.environment, self.folder.path());
        self.process = Some(process);
        wait_for_port(self.base.strip_prefix("http://").unwrap());
    }

    /// Runs a command beside the server, as an operator would, with `input` on standard input.
    pub fn command(&self, arguments: &[&str], input: &str) {
        use std::io::Write;
        let mut child = command(&self.environment, self.folder.path())
            .args(arguments)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "stillage {arguments:?}");
    }

    /// Runs a command beside the server and returns what it prints.
    pub fn output(&self, arguments: &[&str]) -> String {
        let output = command(&self.environment, self.folder.path()).args(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "stillage {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The running server, and its one-time link if it prints one.
fn serve(environment: &[(String, String)], folder: &Path) -> (Process, mpsc::Receiver<String>) {
    let mut child = command(environment, folder)
        .arg("serve")
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in lines.filter(|line| line.contains("/setup?token=")) {
            // Nobody listens any more once the link is known.
            let _ = sender.send(line.trim().to_owned());
        }
    });
    (Process(child), receiver)
}

fn command(environment: &[(String, String)], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stillage"));
    command.current_dir(folder).env_clear().envs(environment.iter().cloned());
    command
}

/// The group of processes that a driver leads. A test that fails quits nothing, and its Chromium would go on.
struct Group(nix::unistd::Pid);

impl Drop for Group {
    fn drop(&mut self) {
        // Gone already when the journey ended well.
        let _ = nix::sys::signal::killpg(self.0, nix::sys::signal::Signal::SIGKILL);
    }
}

/// A headless Chromium behind its driver.
pub struct Browser {
    pub driver: WebDriver,
    _process: Process,
    _group: Group,
    _home: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // After a failure the session would be ended by a request that blocks the very thread whose runtime has to
        // send it, and that is given up after `DRIVER_LIMIT` only. The processes are killed here anyway. The answer
        // says that the session was ended before, when the journey ended well.
        let _ = self.driver.clone().leak();
    }
}

impl Browser {
    pub async fn start() -> Self {
        Self::with(true).await
    }

    /// One whose pages run no scripts.
    pub async fn without_scripts() -> Self {
        Self::with(false).await
    }

    async fn with(scripts: bool) -> Self {
        let port = free_port();
        let program = find(&["chromedriver"]);
        let home = tempfile::tempdir().unwrap();
        // What the driver and the browser need, whatever the tests were started with: programs, a folder for what
        // they keep, and a locale in which file names are UTF-8.
        let child = Command::new(program)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home.path())
            .env("LC_ALL", "C.UTF-8")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let group = Group(nix::unistd::Pid::from_raw(child.id() as i32));
        let process = Process(child);
        wait_for_port(&format!("127.0.0.1:{port}"));

        let mut chrome = DesiredCapabilities::chrome();
        chrome
            .set_binary(&find(&["chromium", "chromium-browser", "google-chrome"]).to_string_lossy())
            .unwrap();
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1280,1000",
        ];
        for argument in arguments {
            chrome.add_arg(argument).unwrap();
        }
        chrome.add_arg(&format!("--user-data-dir={}", home.path().join("profile").display())).unwrap();
        chrome.set_browser_log_level(thirtyfour::LoggingPrefsLogLevel::All).unwrap();
        if !scripts {
            let preferences = serde_json::json!({ "profile.managed_default_content_settings.javascript": 2 });
            chrome.add_experimental_option("prefs", preferences).unwrap();
        }
        let driver = WebDriver::builder(format!("http://127.0.0.1:{port}"), chrome)
            .request_timeout(DRIVER_LIMIT)
            .await
            .unwrap();
        Self { driver, _process: process, _group: group, _home: home }
    }

    /// Gives pages so much width, as a screen of this size would, and one of the two themes.
    pub async fn dress(&self, (width, height): (u32, u32), theme: &str) {
        let cdp = self.driver.cdp();
        let size =
            serde_json::json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        cdp.send_raw("Emulation.setDeviceMetricsOverride", size).await.unwrap();
        // Without motion, colours are there at once.
        let features = [("prefers-color-scheme", theme), ("prefers-reduced-motion", "reduce")];
        let features = features.map(|(name, value)| serde_json::json!({ "name": name, "value": value }));
        let media = serde_json::json!({ "features": features });
        cdp.send_raw("Emulation.setEmulatedMedia", media).await.unwrap();
    }

    pub async fn open(&self, url: &str) {
        self.driver.goto(url).await.unwrap();
    }

    /// Waits for an element and returns it.
    pub async fn find(&self, css: &str) -> WebElement {
        let query = self.driver.query(By::Css(css)).wait(LIMIT, Duration::from_millis(50));
        query.first().await.unwrap_or_else(|error| panic!("no {css}: {error}"))
    }

    pub async fn click(&self, css: &str) {
        let element = self.find(css).await;
        element.wait_until().wait(LIMIT, Duration::from_millis(50)).clickable().await.unwrap();
        element.click().await.unwrap();
    }

    /// Replaces what stands in a field.
    pub async fn fill(&self, css: &str, text: &str) {
        let field = self.find(css).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    pub async fn text(&self, css: &str) -> String {
        self.find(css).await.text().await.unwrap()
    }

    /// Waits until the text of the page holds `words`.
    pub async fn sees(&self, words: &str) {
        self.sees_within(LIMIT, words).await;
    }

    pub async fn sees_within(&self, limit: Duration, words: &str) {
        let limit = Instant::now() + limit;
        loop {
            // The element is stale while a page changes: then the next look counts.
            let text = match self.driver.find(By::Tag("body")).await {
                Ok(body) => body.text().await.unwrap_or_default(),
                Err(_) => String::new(),
            };
            if text.contains(words) {
                return;
            }
            assert!(Instant::now() < limit, "{words:?} never came; the page says:\n{text}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Lets no more than so many bytes per second out; -1 for as many as there are.
    pub async fn limit_uploads(&self, bytes_per_second: i64) {
        let cdp = self.driver.cdp();
        cdp.send_raw("Network.enable", serde_json::json!({})).await.unwrap();
        let conditions = serde_json::json!({
            "offline": false, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_second,
        });
        cdp.send_raw("Network.emulateNetworkConditions", conditions).await.unwrap();
    }

    /// Takes what the console says, which may be nothing but failed requests.
    pub async fn forgive_the_network(&self) {
        let log = self.driver.browser_log().await.unwrap();
        assert!(log.iter().all(|entry| entry.source.as_deref() == Some("network")), "{log:?}");
    }

    pub async fn path(&self) -> String {
        self.driver.current_url().await.unwrap().path().to_owned()
    }

    /// The session's cookie, as a header for a plain HTTP client.
    pub async fn cookie(&self) -> String {
        let cookies = self.driver.get_all_cookies().await.unwrap();
        let pairs: Vec<String> =
            cookies.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        pairs.join("; ")
    }

    /// Ends the journey; nothing may have been said on the console.
    pub async fn finish(self) {
        let log = self.driver.browser_log().await.unwrap();
        let said: Vec<_> = log.iter().map(|entry| format!("{}: {}", entry.level, entry.message)).collect();
        assert!(said.is_empty(), "the console says:\n{}", said.join("\n"));
        self.driver.clone().quit().await.unwrap();
    }
}

fn find(programs: &[&str]) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/lib/chromium")]);
    folders
        .flat_map(|folder| programs.iter().map(move |program| folder.join(OsStr::new(program))))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| panic!("{} is not installed; run `make test`, which installs it", programs[0]))
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn wait_for_port(address: &str) {
    let limit = Instant::now() + LIMIT;
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < limit, "nothing listens on {address}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
