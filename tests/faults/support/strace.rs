//! System calls that fail, wait or kill, injected by `strace`.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// Why there is no strace that can attach here.
pub fn missing() -> Option<String> {
    match Command::new("strace").args(["-qq", "-e", "trace=none", "true"]).output() {
        Ok(done) if done.status.success() => None,
        Ok(done) => Some(format!("strace: {}", String::from_utf8_lossy(&done.stderr).trim())),
        Err(error) => Some(format!("strace: {error}")),
    }
}

/// What goes before a program so that its `n`th `call` (of any one thread) kills it.
pub fn killing(call: &str, n: usize) -> Vec<String> {
    let rule = format!("inject={call}:signal=KILL:when={n}");
    let words = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &rule];
    words.map(str::to_owned).to_vec()
}

/// A strace attached to a running server and its threads; detached when dropped.
pub struct Strace(Child);

impl Strace {
    /// `rule` is what `-e inject=` takes; `more` are further options, such as `-P PATH`.
    pub fn attach(pid: Pid, rule: &str, more: &[&str]) -> Self {
        let call = rule.split(':').next().unwrap();
        let mut strace = Command::new("strace")
            .args(["-f", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &format!("inject={rule}")])
            .args(more)
            .args(["-p", &pid.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(strace.stderr.take().unwrap()).lines().map_while(Result::ok);
        let attached = lines.by_ref().any(|line| line.contains("attached"));
        assert!(attached, "strace did not attach");
        std::thread::spawn(move || lines.for_each(drop));
        // It says so before the last thread is in its hands.
        std::thread::sleep(Duration::from_millis(100));
        Self(strace)
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        // Asked so it lets go of everything; it may have ended with the server.
        let _ = kill(Pid::from_raw(self.0.id() as i32), Signal::SIGINT);
        let until = Instant::now() + Duration::from_secs(20);
        while self.0.try_wait().unwrap().is_none() {
            if Instant::now() > until {
                let _ = self.0.kill();
                let _ = self.0.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
