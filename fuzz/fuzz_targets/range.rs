//! See `stillage_fuzz::range`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stillage_fuzz::range::check(data));
