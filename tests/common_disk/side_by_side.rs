//! Many runs at once.

use std::sync::Mutex;

/// Calls `run` for each of `items`, on a thread for each processor.
///
/// They are not rayon's threads: one of those which waits for a run's own pool would begin another run meanwhile, and one
/// within that, until its stack is full.
pub(crate) fn side_by_side<T: Send>(
    items: impl IntoIterator<Item = T, IntoIter: Send>,
    run: impl Fn(T) + Sync,
) {
    let items = Mutex::new(items.into_iter());
    let next = || items.lock().unwrap().next();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..processors {
            scope.spawn(|| {
                while let Some(item) = next() {
                    run(item);
                }
            });
        }
    });
}
