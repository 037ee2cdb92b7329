//! A disk that refuses to do something.

use std::io::{Error, Result};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ser_core::storage::{Disk, NativeDisk, WritableFile};

/// What happens once an operation has failed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum After {
    /// Everything works again.
    Healthy,
    /// Nothing can be written any more, but things can be removed: a full disk.
    OnlyRemoving,
    /// Nothing can be done at all: a disk that is gone.
    Nothing,
}

/// How a disk fails.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Failure {
    /// Operations that succeed before.
    pub(crate) healthy: i64,
    /// The error's number.
    pub(crate) errno: i32,
    pub(crate) after: After,
}

/// Delegates to the operating system until it fails. A write that fails has written half its bytes.
#[derive(Debug, Clone)]
pub(crate) struct Failing {
    failure: Failure,
    left: Arc<AtomicI64>,
}

impl Failing {
    pub(crate) fn new(failure: Failure) -> Self {
        Self { failure, left: Arc::new(AtomicI64::new(failure.healthy)) }
    }

    /// Whether the failure was reached.
    pub(crate) fn has_failed(&self) -> bool {
        self.left.load(Ordering::SeqCst) < 0
    }

    fn may(&self, is_removal: bool) -> Result<()> {
        let left = self.left.fetch_sub(1, Ordering::SeqCst);
        let fails = match self.failure.after {
            After::Healthy => left == 0,
            After::OnlyRemoving => left == 0 || left < 0 && !is_removal,
            After::Nothing => left <= 0,
        };
        if fails { Err(Error::from_raw_os_error(self.failure.errno)) } else { Ok(()) }
    }
}

impl Disk for Failing {
    fn create(&self, path: &Path) -> Result<Box<dyn WritableFile>> {
        self.may(false)?;
        Ok(Box::new(FailingFile { disk: self.clone(), inner: NativeDisk.create(path)? }))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.may(false).and_then(|()| NativeDisk.rename(from, to))
    }

    fn hard_link(&self, file: &Path, name: &Path) -> Result<()> {
        self.may(false).and_then(|()| NativeDisk.hard_link(file, name))
    }

    fn symbolic_link(&self, target: &Path, link: &Path) -> Result<()> {
        self.may(false).and_then(|()| NativeDisk.symbolic_link(target, link))
    }

    fn remove_file(&self, path: &Path) -> Result<()> {
        self.may(true).and_then(|()| NativeDisk.remove_file(path))
    }

    fn remove_folder(&self, path: &Path) -> Result<()> {
        self.may(true).and_then(|()| NativeDisk.remove_folder(path))
    }

    fn make_folder(&self, path: &Path) -> Result<()> {
        self.may(false).and_then(|()| NativeDisk.make_folder(path))
    }

    fn sync_folder(&self, path: &Path) -> Result<()> {
        self.may(false).and_then(|()| NativeDisk.sync_folder(path))
    }
}

#[derive(Debug)]
struct FailingFile {
    disk: Failing,
    inner: Box<dyn WritableFile>,
}

impl WritableFile for FailingFile {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.disk.may(false).or_else(|error| {
            self.inner.write(&bytes[..bytes.len() / 2])?;
            Err(error)
        })?;
        self.inner.write(bytes)
    }

    fn sync(&mut self) -> Result<()> {
        self.disk.may(false).and_then(|()| self.inner.sync())
    }
}
