//! A decoder that panics or takes too long costs one file, not the run.
//!
//! The decoders are third-party code fed with untrusted bytes, and arithmetic overflow is checked
//! in every build of this crate. Such a panic is caught and becomes an error with the panic's text as its cause.
//!
//! The standard library prints a panic through one process-wide hook before it unwinds. The first decode
//! therefore puts a hook in front of the one it finds, which keeps quiet exactly while the panicking thread is
//! inside a decoder and passes on everything else; panics of other code and other threads are reported as
//! usual. A program that installs a hook of its own later merely sees the decoders' panics too.
//!
//! What counts as time is the processor time of a decoder's thread, where the system tells it: then the answer depends
//! neither on what else the machine has to do nor on whether the process was stopped for a while.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;
use std::time::Duration;

use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};

use crate::Limits;

thread_local! {
    static INSIDE_DECODER: Cell<bool> = const { Cell::new(false) };
    static PANIC_TEXT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `work` and turns its panic into an error of kind `Damaged`.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    install_hook();
    INSIDE_DECODER.set(true);
    // Whatever `work` was changing is thrown away with the file.
    let outcome = catch_unwind(AssertUnwindSafe(work));
    INSIDE_DECODER.set(false);
    outcome.unwrap_or_else(|_| {
        let text = PANIC_TEXT.take().unwrap_or_else(|| "panic".into());
        Err(Error::new(ErrorKind::Damaged, "makes its decoder fail, so it must be damaged")
            .help("copy it again from its source, or convert it to WAV")
            .caused_by(text))
    })
}

fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |info| {
            if INSIDE_DECODER.try_with(Cell::get).unwrap_or(false) {
                let _ = PANIC_TEXT.try_with(|text| text.replace(Some(info.to_string())));
            } else {
                previous(info);
            }
        }));
    });
}

/// A limit on the time that passes after it is created.
pub(super) struct Deadline {
    limits: Limits,
    ends: Duration,
}

impl Deadline {
    /// The clock runs from here, for this thread.
    pub(super) fn new(limits: &Limits) -> Self {
        Self { limits: *limits, ends: thread_time().saturating_add(Self::limit(limits)) }
    }

    /// What [`Limits::max_decoding_s`] says.
    pub(super) fn limit(limits: &Limits) -> Duration {
        // Anything that is not a duration sets no limit: options are checked where they are parsed.
        Duration::try_from_secs_f64(limits.max_decoding_s).unwrap_or(Duration::MAX)
    }

    /// Returns an error once the time is up; `done_s` seconds of audio have been decoded.
    pub(super) fn check(&self, done_s: f64) -> Result<()> {
        if thread_time() <= self.ends {
            return Ok(());
        }
        Err(too_slow(&self.limits, &format!("{done_s:.3} s of audio were decoded by then")))
    }
}

/// The error for a file that takes too long to decode.
pub(super) fn too_slow(limits: &Limits, how: &str) -> Error {
    let limit = limits.max_decoding_s;
    Error::new(ErrorKind::Limit, format!("takes more than the limit of {limit} s to decode: {how}"))
        .help(remedy!["convert it to WAV, or raise the limit with ", Setting::FileTimeout])
}

#[cfg(unix)]
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanoseconds.unwrap_or(0))
}

#[cfg(not(unix))]
fn thread_time() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_that_keeps_its_text() {
        let error = guarded::<()>(|| panic!("index out of bounds in some codec")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged);
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("index out of bounds in some codec"), "{cause}");
        assert_eq!(guarded(|| Ok(7)).unwrap(), 7);
    }
}
