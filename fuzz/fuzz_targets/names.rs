//! See `stillage_fuzz::names`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stillage_fuzz::names::check(data));
