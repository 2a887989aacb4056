//! See `stillage_fuzz::frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stillage_fuzz::frames::check(data));
