//! How the allocator of glibc keeps memory. By default each thread may get an arena of its own, and a block above 128 KiB
//! that was freed once raises the size up to which freed blocks are kept: after a storm of transfers hundreds of
//! megabytes stay resident. `docs/architecture.md` has the measurements.

/// Two arenas, one for each core of a small machine; what is above 128 KiB goes back to the kernel when it is freed.
/// To be called before there are threads. Other C libraries keep their own ways.
pub fn tune() {
    #[cfg(target_env = "gnu")]
    {
        use nix::libc::{M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, mallopt};
        const KIB: i32 = 1024;
        for (option, value) in
            [(M_ARENA_MAX, 2), (M_MMAP_THRESHOLD, 128 * KIB), (M_TRIM_THRESHOLD, 128 * KIB)]
        {
            // SAFETY: sets a number in the allocator, and there are no other threads yet. A refused one changes nothing.
            unsafe {
                mallopt(option, value);
            }
        }
    }
}
