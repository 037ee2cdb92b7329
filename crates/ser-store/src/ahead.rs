//! Whole objects that are fetched before they are asked for, several at once, in bounded memory.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use ser_core::Result;
use ser_core::storage::objects::Object;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many objects are fetched at once.
const AT_ONCE: usize = 16;

/// So much of them may lie in memory, KiB. Larger objects than a quarter of it are not fetched ahead.
const MOST_KIB: u32 = 128 << 10;

/// Objects on their way, by their paths.
#[derive(Debug)]
pub(crate) struct Ahead {
    expected: Mutex<HashMap<String, Arc<Expected>>>,
    at_once: Arc<Semaphore>,
    memory: Arc<Semaphore>,
}

/// One object on its way.
#[derive(Debug)]
struct Expected {
    object: Object,
    state: Mutex<State>,
    came: Condvar,
}

#[derive(Debug)]
enum State {
    /// Nobody has asked the store for it yet.
    Waiting,
    /// The store was asked.
    Asked,
    /// It is here, and takes memory until it is taken.
    Here { fetched: Result<Vec<u8>>, _memory: OwnedSemaphorePermit },
    /// Somebody took it, or fetches it without us.
    Taken,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Ahead {
    fn default() -> Self {
        Self {
            expected: Mutex::default(),
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
            memory: Arc::new(Semaphore::new(MOST_KIB as usize)),
        }
    }
}

/// What fetches an object.
pub(crate) trait Fetch: Send + Sync + 'static {
    /// All of its bytes.
    fn fetch(&self, object: &Object) -> impl Future<Output = Result<Vec<u8>>> + Send;
}

impl Ahead {
    /// Begins to fetch `objects` that are not on their way already, in their order.
    pub(crate) fn begin(
        &self,
        fetch: &Arc<impl Fetch>,
        objects: &[&Object],
        runtime: &tokio::runtime::Runtime,
    ) {
        for object in objects {
            let kib = u32::try_from(object.size.div_ceil(1024)).unwrap_or(u32::MAX).max(1);
            if kib > MOST_KIB / 4 {
                continue;
            }
            let expected = Arc::new(Expected {
                object: (*object).clone(),
                state: Mutex::new(State::Waiting),
                came: Condvar::new(),
            });
            {
                let mut all = locked(&self.expected);
                if all.contains_key(&object.path) {
                    continue;
                }
                all.insert(object.path.clone(), expected.clone());
            }
            let (at_once, memory, fetch) = (self.at_once.clone(), self.memory.clone(), fetch.clone());
            runtime.spawn(async move {
                // Semaphores are never closed. Memory comes first, so that who waits for it holds up nobody's request.
                let Ok(held) = memory.acquire_many_owned(kib).await else { return };
                let Ok(_turn) = at_once.acquire_owned().await else { return };
                {
                    let mut state = locked(&expected.state);
                    if !matches!(*state, State::Waiting) {
                        return;
                    }
                    *state = State::Asked;
                }
                let fetched = fetch.fetch(&expected.object).await;
                *locked(&expected.state) = State::Here { fetched, _memory: held };
                expected.came.notify_all();
            });
        }
    }

    /// The bytes of an object that is on its way, waiting for them; nothing where it is not, and the caller fetches it.
    pub(crate) fn take(&self, object: &Object) -> Option<Result<Vec<u8>>> {
        let expected = locked(&self.expected).remove(&object.path)?;
        let mut state = locked(&expected.state);
        if matches!(*state, State::Asked) {
            state = expected
                .came
                .wait_while(state, |state| matches!(state, State::Asked))
                .unwrap_or_else(PoisonError::into_inner);
        }
        match std::mem::replace(&mut *state, State::Taken) {
            State::Here { fetched, .. } if expected.object == *object => Some(fetched),
            _ => None,
        }
    }
}
