//! A decoder that panics or takes too long costs one file, not the run.
//!
//! The decoders are third-party code fed with untrusted bytes, and arithmetic overflow is checked
//! in every build of this crate. Such a panic is caught and becomes an error with the panic's text as its cause.
//!
//! What counts as time is the processor time of a decoder's thread: so the answer depends neither on what else the machine has
//! to do nor on whether the process was stopped for a while.

use std::time::Duration;

use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, caught, remedy};

use crate::Limits;

/// Runs `work` and turns its panic into an error of kind `Damaged`.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    caught(work).unwrap_or_else(|text| {
        Err(Error::new(ErrorKind::Damaged, "makes its decoder fail, so it must be damaged")
            .help("copy it again from its source, or convert it to WAV")
            .caused_by(text))
    })
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

/// The processor time of this thread.
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanoseconds.unwrap_or(0))
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
