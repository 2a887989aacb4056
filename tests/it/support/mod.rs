//! What tests are written with: a whole Stillage per test, people who use it, and files to send.

mod answer;
mod app;
pub mod clamd;
mod client;
pub mod fake_clamd;
mod multipart;
mod postgres;
pub mod raw;
pub mod s3;
pub mod samples;
mod tus;

use std::{
    thread,
    time::{Duration, Instant},
};

pub use answer::Answer;
pub use app::TestApp;
pub use client::Client;
pub use multipart::Multipart;
pub use postgres::Database;
pub use tus::Tus;

/// The password of everybody.
pub const PASSWORD: &str = "correct horse battery";

/// Waits for what another thread or process is about to do; fails when it does not.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < until, "never: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
