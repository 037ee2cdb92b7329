//! Memory counted at every allocation, so that a size taken from a header shows at once, also where the system would
//! hand out pages only as they are touched.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes that are allocated now, and how many may be.
static LIVE: AtomicUsize = AtomicUsize::new(0);
static CEILING: AtomicUsize = AtomicUsize::new(usize::MAX);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs `work`, which may have `bytes` more allocated at any time than there are now. More is reported as a crash.
pub fn bounded<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    CEILING.store(LIVE.load(Relaxed).saturating_add(bytes), Relaxed);
    let done = work();
    CEILING.store(usize::MAX, Relaxed);
    done
}

fn grow(bytes: usize) {
    let live = LIVE.fetch_add(bytes, Relaxed).saturating_add(bytes);
    let ceiling = CEILING.load(Relaxed);
    if live > ceiling {
        // Reporting may allocate.
        CEILING.store(usize::MAX, Relaxed);
        eprintln!("\nAn allocation of {bytes} bytes makes {live} in all, more than {ceiling}:");
        eprintln!("{}", std::backtrace::Backtrace::force_capture());
        std::process::abort();
    }
}

// SAFETY: everything is forwarded to the system's allocator; only sizes are recorded.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // The old and the new place may both be there for a moment.
        grow(new_size);
        LIVE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}
