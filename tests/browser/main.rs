//! Stillage as people use it: the real server behind a real Chromium.

mod harness;
mod journeys;
mod many;
mod pages;
mod people;
mod samples;
mod uploads;
