//! See `stillage_fuzz::tus`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stillage_fuzz::tus::check(data));
