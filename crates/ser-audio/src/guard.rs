//! A decoder that panics costs one file, not the run.
//!
//! The decoders are third-party code fed with untrusted bytes, and arithmetic overflow is checked
//! in every build of this crate. Such a panic is caught and becomes an error with the panic's text as its cause.
//!
//! The standard library prints a panic through one process-wide hook before it unwinds. The first decode
//! therefore puts a hook in front of the one it finds, which keeps quiet exactly while the panicking thread is
//! inside a decoder and passes on everything else; panics of other code and other threads are reported as
//! usual. A program that installs a hook of its own later merely sees the decoders' panics too.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use ser_core::{Error, ErrorKind, Result};

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
