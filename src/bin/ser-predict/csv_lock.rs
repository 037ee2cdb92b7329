//! One run at a time writes a CSV file.

use std::fs::File;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::{Errno, retry_on_intr};
use ser_core::{Error, ErrorKind, Result};

/// Locks `file` at `path` until it is closed; the operating system closes it when the process ends, however it ends. A file
/// system that cannot lock is written all the same.
///
/// # Errors
/// When another run holds the lock.
pub(crate) fn lock(file: &File, path: &Path) -> Result<()> {
    match retry_on_intr(|| flock(file, FlockOperation::NonBlockingLockExclusive)) {
        Err(Errno::WOULDBLOCK) => {
            let error = Error::new(ErrorKind::Io, "another run is writing it").at(path);
            Err(error.help("wait for it to end, or name another file"))
        }
        _ => Ok(()),
    }
}
