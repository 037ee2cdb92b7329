//! The folder of a trial: where it is, and who trains in it.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind, Result};

/// Where a trial is in the folder of its study.
pub(super) fn relative(number: u64) -> String {
    format!("trials/{number:04}")
}

/// The folder of a trial.
pub(super) fn path_of(study: &Path, number: u64) -> PathBuf {
    study.join(relative(number))
}

/// Rejects the folder of a new trial in which something was trained already.
///
/// # Errors
/// `Mismatch`, naming the folder.
pub(super) fn check_unused(folder: &Path) -> Result<()> {
    if !folder.join("config.toml").exists() {
        return Ok(());
    }
    let what = "holds a run that is unknown to the journal of its study";
    Err(Error::new(ErrorKind::Mismatch, what)
        .at(folder)
        .help("put the journal it belongs to back, or move the folder of trials away"))
}

/// Takes the lock of a trial, which ends with the last process that holds it; `None` if it is held.
pub(super) fn lock(folder: &Path) -> Result<Option<File>> {
    Storage::native().make_folder(folder)?;
    let path = folder.join("supervisor.lock");
    let file = OpenOptions::new().read(true).append(true).create(true).open(&path);
    let file = file.map_err(|error| Error::io("cannot be opened", &path, error))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(error) if error == rustix::io::Errno::WOULDBLOCK => Ok(None),
        Err(error) => Err(Error::io("cannot be locked", path, error.into())),
    }
}
