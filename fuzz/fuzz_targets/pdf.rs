//! See `stillage_fuzz::pdf`.
#![no_main]

libfuzzer_sys::fuzz_target!(
    // libFuzzer ends with any panic. The child hears them out, so they are no findings here.
    init: std::panic::set_hook(Box::new(|_| {})),
    |data: &[u8]| stillage_fuzz::pdf::check(data)
);
