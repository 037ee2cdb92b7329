//! What the allocator does with memory that was freed: a training wants it kept, a preparation wants it given back.
//!
//! With an allocator other than glibc's nothing here does anything.
#![cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "the settings of glibc's allocator, which are its functions")
)]

/// Blocks of this size, bytes, are mapped from the system one by one: a few megabytes are a buffer, and not what happens a
/// thousand times a second.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: i32 = 2 << 20;

/// Keeps large buffers that are freed instead of giving them back to the system. A training step allocates and frees hundreds of
/// megabytes, and faulting them in anew takes about a third of its time on a CPU.
pub fn keep_large_buffers() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `mallopt` takes two integers and touches the allocator's own settings alone.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
    }
}

/// Gives large buffers back to the system as soon as they are freed. Otherwise glibc learns from each that was freed to keep
/// others of its size, and the lists of a large corpus would leave as much memory unused as they once took.
pub fn give_back_large_buffers() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: as above.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        // As glibc has it beside that: what is not mapped is not worth cutting off after every recording.
        libc::mallopt(libc::M_TRIM_THRESHOLD, 2 * LARGE);
    }
}

/// Gives back what many small buffers have left between others that are still used.
pub fn give_back_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `malloc_trim` takes a number of bytes to keep, and gives back pages that nothing is in.
    unsafe {
        libc::malloc_trim(0);
    }
}
