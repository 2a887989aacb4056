//! See `stillage_fuzz::content`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stillage_fuzz::content::check(data));
