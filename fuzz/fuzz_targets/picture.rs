//! See `stillage_fuzz::picture`.
#![no_main]

libfuzzer_sys::fuzz_target!(
    // libFuzzer ends with any panic. The child hears them out, so they are no findings here.
    init: { let _ = std::panic::take_hook(); },
    |data: &[u8]| stillage_fuzz::picture::check(data)
);
