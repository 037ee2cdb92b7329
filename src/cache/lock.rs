//! One writer at a time.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::{Error, ErrorKind, Result};

/// Held by the process that writes the cache. The operating system lets go of it when the process ends, however it
/// ends.
#[derive(Debug)]
pub(super) struct WriterLock {
    _file: File,
}

impl WriterLock {
    /// Takes the lock of the cache in `root`; with `wait`, once the other writer is done.
    ///
    /// # Errors
    /// When another process holds it and `wait` is not set, naming that process.
    pub(super) fn take(root: &Path, wait: bool) -> Result<Self> {
        let path = root.join(".lock");
        let io = |error| Error::io("cannot be locked", &path, error);
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = options.map_err(io)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) if wait => {
                flock(&file, FlockOperation::LockExclusive).map_err(|error| io(error.into()))?;
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                let _ = (&file).take(64).read_to_string(&mut holder);
                return Err(Error::new(
                    ErrorKind::Io,
                    format!("is being written by another process ({})", holder.trim()),
                )
                .at(root)
                .mend("wait until it is done, or say --wait"));
            }
            Err(error) => return Err(io(error.into())),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(io)?;
        writeln!(file, "process {}", std::process::id()).map_err(io)?;
        Ok(Self { _file: file })
    }
}
