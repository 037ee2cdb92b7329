//! Third-party code that is fed with untrusted bytes may panic: that costs one file, not the process.
//!
//! The standard library prints a panic through one process-wide hook before it unwinds. The first call therefore puts a
//! hook in front of the one it finds, which keeps quiet exactly while the panicking thread is inside [`caught`] and
//! passes on everything else; panics of other code and other threads are reported as usual. A program that installs a
//! hook of its own later merely sees these panics too.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    static TEXT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `work`, whatever it was changing being thrown away where it panics.
///
/// # Errors
/// The text of the panic, where there was one.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    install_hook();
    INSIDE.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    INSIDE.set(false);
    outcome.map_err(|_| TEXT.take().unwrap_or_else(|| "panic".into()))
}

fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |info| {
            if INSIDE.try_with(Cell::get).unwrap_or(false) {
                let _ = TEXT.try_with(|text| text.replace(Some(info.to_string())));
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
    fn a_panic_becomes_its_text() {
        let text = caught(|| -> u8 { panic!("index out of bounds in some codec") }).unwrap_err();
        assert!(text.contains("index out of bounds in some codec"), "{text}");
        assert_eq!(caught(|| 7), Ok(7));
    }
}
