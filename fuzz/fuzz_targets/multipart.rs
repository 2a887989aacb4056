//! See `stillage_fuzz::multipart`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stillage_fuzz::multipart::check(data));
