//! Work on the threads that libtorch computes with.
//!
//! Other threads would stand in the way of those: between two of libtorch's operations they wait for the next one busily, for
//! milliseconds, and leave no processor free.
#![expect(unsafe_code, reason = "the call of the OpenMP runtime, with the reason why it is sound")]

use std::any::Any;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

/// `void GOMP_parallel(void (*fn)(void*), void* data, unsigned threads, unsigned flags)`: runs `fn` once on each thread of a
/// team and waits for them. GCC's OpenMP runtime has it, and LLVM's under the same name.
type Parallel = unsafe extern "C" fn(extern "C" fn(*mut c_void), *mut c_void, u32, u32);

/// That of the runtime that libtorch has loaded, if it is built with one.
static PARALLEL: LazyLock<Option<Parallel>> = LazyLock::new(find_parallel);

fn find_parallel() -> Option<Parallel> {
    let program = libloading::os::unix::Library::this();
    // SAFETY: both runtimes that have a function of this name give it this type, which GCC's compiled programs rely on.
    let found = unsafe { program.get::<Parallel>(b"GOMP_parallel\0") };
    found.ok().map(|symbol| *symbol)
}

/// Whether [`in_parallel`] has libtorch's threads to work with; without them it works on the calling thread alone.
pub fn has_threads() -> bool {
    PARALLEL.is_some()
}

/// What the threads of a team share.
struct Team<'a> {
    work: &'a (dyn Fn(usize) + Sync),
    parts: usize,
    next: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// Calls `work` once for each number below `parts`, on as many threads as libtorch computes with ([`tch::get_num_threads`]),
/// and waits for all. A thread takes the next part when it has done one, so that parts need not be of one size.
///
/// A panic of `work` goes on in the caller.
pub fn in_parallel(parts: usize, work: impl Fn(usize) + Sync) {
    let threads = usize::try_from(tch::get_num_threads()).unwrap_or(1).min(parts);
    let team = Team { work: &work, parts, next: AtomicUsize::new(0), panic: Mutex::new(None) };
    match *PARALLEL {
        Some(parallel) if threads > 1 => {
            let data = (&raw const team).cast_mut().cast();
            // SAFETY: the call returns when every thread has, so `team` outlives them; it is only read, through shared
            // references to what is `Sync`.
            unsafe { parallel(take_part, data, threads as u32, 0) };
        }
        _ => team.work(),
    }
    if let Some(panic) = team.panic.into_inner().unwrap_or_else(PoisonError::into_inner) {
        resume_unwind(panic);
    }
}

/// What `work` makes of each of `values`, in their order, computed as [`in_parallel`] does.
pub fn map_in_parallel<T: Send, U: Send>(
    values: impl IntoIterator<Item = T>,
    work: impl Fn(T) -> U + Sync,
) -> Vec<U> {
    type Place<T> = Mutex<Option<T>>;
    let places: Vec<(Place<T>, Place<U>)> =
        values.into_iter().map(|value| (Mutex::new(Some(value)), Mutex::new(None))).collect();
    in_parallel(places.len(), |part| {
        let (value, result) = &places[part];
        let value = value.lock().unwrap_or_else(PoisonError::into_inner).take();
        let made = value.map(&work);
        *result.lock().unwrap_or_else(PoisonError::into_inner) = made;
    });
    // Every part has been done, or its panic has gone on.
    let results = places.into_iter().map(|(_, result)| result.into_inner());
    results.filter_map(|result| result.unwrap_or_else(PoisonError::into_inner)).collect()
}

/// Calls `work` with the number of each chunk of `size` of `values`, and that chunk, as [`in_parallel`] does. What is left over
/// at the end is in none.
pub fn for_each_chunk_in_parallel<T: Send>(
    values: &mut [T],
    size: usize,
    work: impl Fn(usize, &mut [T]) + Sync,
) {
    if size == 0 {
        return;
    }
    let chunks: Vec<Mutex<&mut [T]>> = values.chunks_exact_mut(size).map(Mutex::new).collect();
    in_parallel(chunks.len(), |part| {
        work(part, &mut chunks[part].lock().unwrap_or_else(PoisonError::into_inner));
    });
}

extern "C" fn take_part(team: *mut c_void) {
    // SAFETY: `in_parallel` passes a pointer to a team that outlives this call, and of which only the parts that are meant
    // for several threads change.
    let team = unsafe { &*team.cast_const().cast::<Team<'_>>() };
    team.work();
}

impl Team<'_> {
    fn work(&self) {
        // Nothing may unwind into the runtime.
        let worked = catch_unwind(AssertUnwindSafe(|| {
            loop {
                let part = self.next.fetch_add(1, Ordering::Relaxed);
                if part >= self.parts {
                    return;
                }
                (self.work)(part);
            }
        }));
        if let Err(panic) = worked {
            self.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(panic);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_part_is_done_once() {
        for parts in [0, 1, 2, 3, 1_000] {
            let done: Vec<AtomicUsize> = (0..parts).map(|_| AtomicUsize::new(0)).collect();
            in_parallel(parts, |part| _ = done[part].fetch_add(1, Ordering::Relaxed));
            assert!(done.iter().all(|times| times.load(Ordering::Relaxed) == 1), "{parts}");
        }
    }

    #[test]
    fn several_threads_share_the_work() {
        assert!(cfg!(not(target_os = "linux")) || has_threads(), "libtorch has no OpenMP runtime");
        let threads = Mutex::new(HashSet::new());
        in_parallel(64, |_| {
            thread::sleep(Duration::from_millis(2));
            threads.lock().unwrap().insert(thread::current().id());
        });
        let expected = if has_threads() { tch::get_num_threads() as usize } else { 1 };
        assert_eq!(threads.lock().unwrap().len(), expected.min(64));
    }

    #[test]
    fn results_and_chunks_keep_their_order() {
        assert_eq!(map_in_parallel(0..5, |part| part * part), [0, 1, 4, 9, 16]);
        let mut values = [0; 7];
        for_each_chunk_in_parallel(&mut values, 3, |part, chunk| chunk.fill(part + 1));
        assert_eq!(values, [1, 1, 1, 2, 2, 2, 0]);
        for_each_chunk_in_parallel(&mut values, 0, |_, chunk| chunk.fill(9));
        assert_eq!(values, [1, 1, 1, 2, 2, 2, 0]);
    }

    #[test]
    fn a_panic_goes_on_in_the_caller() {
        let panic =
            catch_unwind(|| in_parallel(8, |part| assert!(part != 5, "part {part} fails"))).unwrap_err();
        assert_eq!(panic.downcast_ref::<String>().unwrap(), "part 5 fails");
    }
}
