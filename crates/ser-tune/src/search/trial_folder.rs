//! The folder of a trial: where it is, who trains in it, and the epochs that `metrics.jsonl` in it tells of.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{FlockOperation, flock};
use ser_core::storage::{Storage, read_text};
use ser_core::{Error, ErrorKind, Result};
use ser_model::FitConfig;
use serde::Deserialize;

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

/// Largest `metrics.jsonl` that is read, bytes.
const MAX_BYTES: u64 = 64 << 20;

/// A line of `metrics.jsonl`. Values that were not numbers are `None` here.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct EpochLine {
    /// Its number, from 1.
    pub(crate) epoch: u64,
    /// Steps up to its end.
    #[serde(default)]
    steps: Option<u64>,
    #[serde(default)]
    val_loss: Option<f64>,
    #[serde(default)]
    val_accuracy: Option<f64>,
    #[serde(default)]
    val_uar: Option<f64>,
    /// How long it took.
    #[serde(default)]
    pub(crate) seconds: Option<f64>,
    /// Whether its weights were kept.
    #[serde(default)]
    pub(crate) best: bool,
}

impl EpochLine {
    /// The objective after it; NaN if it was not a number.
    pub(crate) fn objective(&self, objective: Objective) -> f64 {
        let value = match objective {
            Objective::ValUar => self.val_uar,
            Objective::ValAccuracy => self.val_accuracy,
            Objective::ValLoss => self.val_loss,
        };
        value.unwrap_or(f64::NAN)
    }
}

impl EpochLine {
    /// Whether a run by `config` ends with it, unless it runs out of patience before.
    pub(crate) fn is_last(&self, config: &FitConfig) -> bool {
        match config.steps {
            0 => self.epoch >= u64::from(config.epochs),
            steps => self.steps.is_some_and(|done| done >= u64::from(steps)),
        }
    }
}

/// The epoch whose weights are in `best.pt`.
pub(crate) fn kept(epochs: &[EpochLine]) -> Option<&EpochLine> {
    epochs.iter().rev().find(|epoch| epoch.best).or(epochs.last())
}

/// Follows the file as it grows.
#[derive(Debug, Default)]
pub(crate) struct Follower {
    seen: Option<(u64, SystemTime)>,
    epochs: Vec<EpochLine>,
}

impl Follower {
    /// All epochs in the run `folder` so far. The file is read only when it has changed.
    ///
    /// # Errors
    /// When it cannot be read, or is not what ser-fit writes.
    pub(crate) fn look(&mut self, folder: &Path) -> Result<&[EpochLine]> {
        let path = folder.join("metrics.jsonl");
        let Ok(metadata) = std::fs::metadata(&path) else { return Ok(&self.epochs) };
        let stamp = metadata.modified().ok().map(|time| (metadata.len(), time));
        if stamp.is_some() && stamp == self.seen {
            return Ok(&self.epochs);
        }
        let text = read_text(&path, "the epochs of a trial", MAX_BYTES)?;
        // A line without an end is still being written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let parse = |line: &str| {
            serde_json::from_str(line).map_err(|error| {
                Error::new(ErrorKind::Damaged, format!("holds a line that is not an epoch: {error}"))
                    .at(&path)
            })
        };
        self.epochs = whole.lines().map(parse).collect::<Result<_>>()?;
        self.seen = stamp;
        Ok(&self.epochs)
    }
}
