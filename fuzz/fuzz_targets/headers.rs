//! See `stillage_fuzz::headers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stillage_fuzz::headers::check(data));
