//! The folder of a trial: where it is, who trains in it, and the epochs that `metrics.jsonl` in it tells of.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{FlockOperation, flock};
use ser_core::storage::{Storage, read_text};
use ser_core::{Error, ErrorKind, Result};
use ser_model::{EpochRecord, FitConfig, epochs};

use crate::Objective;

/// Where a trial is in the folder of its study.
pub(crate) fn relative(number: u64) -> String {
    format!("trials/{number:04}")
}

/// The folder of a trial.
pub(crate) fn path_of(study: &Path, number: u64) -> PathBuf {
    study.join(relative(number))
}

/// Rejects the folder of a new trial, to be trained on `splits` where these are several, in which something was trained
/// already.
///
/// # Errors
/// `Mismatch`, naming the folder.
pub(crate) fn check_unused(folder: &Path, splits: &[String]) -> Result<()> {
    let mut runs = std::iter::once(folder.to_owned()).chain(splits.iter().map(|split| folder.join(split)));
    if !runs.any(|run| run.join("config.toml").exists()) {
        return Ok(());
    }
    let what = "holds a run that is unknown to the journal of its study";
    Err(Error::new(ErrorKind::Mismatch, what)
        .at(folder)
        .help("put the journal it belongs to back, or move the folder of trials away"))
}

/// Takes the lock of a trial, which ends with the last process that holds it; `None` if it is held.
pub(crate) fn lock(folder: &Path) -> Result<Option<File>> {
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

/// The objective after `epoch`; NaN if it was not a number.
pub(crate) fn objective_of(epoch: &EpochRecord, objective: Objective) -> f64 {
    match objective {
        Objective::ValUar => epoch.val_uar,
        Objective::ValAccuracy => epoch.val_accuracy,
        Objective::ValLoss => epoch.val_loss,
    }
}

/// Whether a run by `config` ends with `epoch`, unless it runs out of patience before.
pub(crate) fn is_last(epoch: &EpochRecord, config: &FitConfig) -> bool {
    match config.steps {
        0 => epoch.epoch >= config.epochs,
        steps => epoch.steps >= u64::from(steps),
    }
}

/// How long `epochs` took, as far as that is known.
pub(crate) fn seconds_of<'a>(epochs: impl IntoIterator<Item = &'a EpochRecord>) -> f64 {
    epochs.into_iter().map(|epoch| epoch.seconds).filter(|seconds| !seconds.is_nan()).sum()
}

/// The epoch whose weights are in `best.pt`.
pub(crate) fn kept(epochs: &[EpochRecord]) -> Option<&EpochRecord> {
    epochs.iter().rev().find(|epoch| epoch.best).or(epochs.last())
}

/// Follows the file as it grows.
#[derive(Debug, Default)]
pub(crate) struct Follower {
    seen: Option<(u64, SystemTime)>,
    epochs: Vec<EpochRecord>,
}

impl Follower {
    /// All epochs in the run `folder` so far. The file is read only when it has changed.
    ///
    /// # Errors
    /// When it cannot be read, or is not what ser-fit writes.
    pub(crate) fn look(&mut self, folder: &Path) -> Result<&[EpochRecord]> {
        let path = epochs::path_in(folder);
        let Ok(metadata) = std::fs::metadata(&path) else { return Ok(&self.epochs) };
        let stamp = metadata.modified().ok().map(|time| (metadata.len(), time));
        if stamp.is_some() && stamp == self.seen {
            return Ok(&self.epochs);
        }
        let text = read_text(&path, "the epochs of a trial", epochs::MAX_BYTES)?;
        // A line without an end is still being written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        self.epochs = epochs::parse(whole).map_err(|error| error.at(&path))?;
        self.seen = stamp;
        Ok(&self.epochs)
    }
}
