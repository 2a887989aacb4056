//! Stillage as people use it: the real server behind a real Chromium.

mod harness;
mod journeys;
mod pages;
mod people;
mod samples;
