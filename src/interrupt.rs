//! Ctrl-C: once to stop cleanly, twice to stop at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ser_core::{Error, ErrorKind, Result};

use crate::output::say;

/// A flag that the first Ctrl-C raises, saying `notice`; the second ends the process at once.
///
/// # Errors
/// When the system does not let this process watch for it.
pub fn stop_on_interrupt(notice: &'static str) -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if raised.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        say(&format!("{notice}; press again to stop at once"));
    })
    .map_err(|error| Error::new(ErrorKind::Io, format!("cannot watch for Ctrl-C: {error}")))?;
    Ok(stop)
}
