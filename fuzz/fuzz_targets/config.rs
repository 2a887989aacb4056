//! See `stillage_fuzz::config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stillage_fuzz::config::check(data));
