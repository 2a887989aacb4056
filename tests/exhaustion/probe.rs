//! Somebody who looks at the server while it is attacked.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{client, server::Server};

const PAUSE: Duration = Duration::from_millis(100);

#[derive(Default)]
pub struct Seen {
    pub answers: usize,
    pub slowest: Duration,
    /// MiB that are resident.
    pub peak_memory: u64,
    /// File descriptors that were open at once.
    pub descriptors: usize,
    pub problems: Vec<String>,
}

pub struct Probe {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

impl Probe {
    pub fn start(server: &Server) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, address, process) = (Arc::clone(&stop), server.address, server.process());
        let thread = thread::spawn(move || {
            let mut seen = Seen::default();
            while !stopped.load(Ordering::Relaxed) {
                for path in ["/health/live", "/login"] {
                    let begun = Instant::now();
                    let request =
                        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
                    match client::exchange(address, request.as_bytes()) {
                        Ok(answer) if client::status(&answer) == 200 => seen.answers += 1,
                        Ok(answer) => {
                            seen.problems
                                .push(format!("{path}: {}", answer.lines().next().unwrap_or_default()));
                        }
                        Err(error) => seen.problems.push(format!("{path}: {error}")),
                    }
                    seen.slowest = seen.slowest.max(begun.elapsed());
                }
                seen.peak_memory = seen.peak_memory.max(process.memory());
                seen.descriptors = seen.descriptors.max(process.descriptors());
                thread::sleep(PAUSE);
            }
            seen
        });
        Self { stop, thread }
    }

    pub fn end(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
