//! The lock of those who read: while it is held, nothing of the cache is removed.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::{Errno, retry_on_intr};
use ser_core::{Error, ErrorKind, Result};

/// A `flock` on the cache's own folder: shared by readers, exclusive for a process that removes something. A folder can
/// be locked without being written, so this works on a read-only cache, and the operating system releases it
/// when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct ReadersLock {
    /// `None` where the file system cannot lock: a reader then continues without it.
    _folder: Option<OwnedFd>,
}

impl ReadersLock {
    /// Joins the readers of the cache in `root`; waits only while something is being removed.
    pub(super) fn share(root: &Path) -> Self {
        let folder = open(root).ok();
        let locks = |folder: &OwnedFd| retry_on_intr(|| flock(folder, FlockOperation::LockShared)).is_ok();
        Self { _folder: folder.filter(locks) }
    }

    /// Makes sure that no process reads the cache in `root`, and that none starts to; with `wait`, once the last
    /// reader is done.
    ///
    /// # Errors
    /// When it is being read and `wait` is not set, or the file system cannot say.
    pub(super) fn exclude(root: &Path, wait: bool) -> Result<Self> {
        let cannot_lock = |error: Errno| {
            Error::io("cannot be locked, so whether it is being read is not known", root, error.into())
                .help("make sure that nothing reads the cache, then copy it to a local file system")
        };
        let folder = open(root).map_err(cannot_lock)?;
        let operation = match wait {
            true => FlockOperation::LockExclusive,
            false => FlockOperation::NonBlockingLockExclusive,
        };
        match retry_on_intr(|| flock(&folder, operation)) {
            Ok(()) => Ok(Self { _folder: Some(folder) }),
            Err(Errno::WOULDBLOCK) => Err(Error::new(ErrorKind::Io, "is being read by another process")
                .at(root)
                .help("wait until it is done, or give --wait")),
            Err(error) => Err(cannot_lock(error)),
        }
    }
}

fn open(root: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::open(root, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}
