//! Stillage as people use it: the real server behind a real Chromium.

mod harness;
mod journeys;
mod samples;
mod uploads;
