//! What the workers of a search share, and the trial that each has.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::{Journal, Operation, Search, SearchEvent, Study, Trial};

/// What the workers share.
pub(crate) struct WorkerShared<'a> {
    pub(crate) search: &'a Search<'a>,
    pub(crate) study: Study,
    pub(crate) journal: Mutex<Journal>,
    /// Numbers of the trials that this process trains.
    pub(super) ours: Mutex<BTreeSet<u64>>,
    pub(super) tally: Mutex<Tally>,
    /// Set when a worker cannot continue, so that the others stop too.
    pub(super) halt: AtomicBool,
    pub(super) deadline: Option<Instant>,
    pub(super) on_event: &'a (dyn Fn(&SearchEvent<'_>) + Sync),
}

/// The trials of this process that failed.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) failed: usize,
    pub(super) first_error: Option<String>,
}

/// A trial that is this worker's.
pub(crate) struct Task {
    pub(crate) trial: Trial,
    pub(crate) folder: PathBuf,
    /// Held as long as the trial is trained.
    pub(crate) lock: File,
    pub(super) resumed: bool,
}

impl<'a> WorkerShared<'a> {
    /// What the workers of `search` share in the beginning.
    pub(crate) fn new(
        search: &'a Search<'a>,
        study: Study,
        journal: Journal,
        on_event: &'a (dyn Fn(&SearchEvent<'_>) + Sync),
    ) -> Self {
        Self {
            search,
            study,
            journal: Mutex::new(journal),
            ours: Mutex::new(BTreeSet::new()),
            tally: Mutex::new(Tally::default()),
            halt: AtomicBool::new(false),
            deadline: search.timeout.map(|timeout| Instant::now() + timeout),
            on_event,
        }
    }

    pub(crate) fn is_to_stop(&self) -> bool {
        self.search.stop.load(Ordering::Relaxed) || self.halt.load(Ordering::Relaxed)
    }
}

/// Locks a mutex; a poisoned one only means that another worker ended unexpectedly.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A remark on a trial.
pub(crate) fn remark(trial: &Trial, key: &str, value: serde_json::Value) -> Operation {
    Operation::SetTrialUserAttr { trial_id: trial.id, key: key.to_owned(), value }
}
