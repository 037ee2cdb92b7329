//! The epochs of a training, as its run's `metrics.jsonl` has them.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};

/// Largest `metrics.jsonl` that is read, bytes.
const MAX_HISTORY_BYTES: u64 = 64 << 20;
/// Most folders of runs that are searched for the history of a checkpoint.
const MAX_RUNS_SEARCHED: usize = 1000;

/// What is known of the epochs of a training.
#[derive(Debug, Clone, PartialEq)]
pub enum History {
    /// All of them, in order.
    Epochs(Vec<EpochHistory>),
    /// Nothing, for this reason.
    Unknown(String),
}

/// A line of `metrics.jsonl`. Values that were not numbers are `None` here.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct EpochHistory {
    /// Its number, from 1.
    pub epoch: u32,
    /// Mean cross-entropy over the training side while it was being learnt, nats.
    #[serde(deserialize_with = "number_or_nan")]
    pub train_loss: f64,
    /// Correct / all over the training side, likewise.
    #[serde(deserialize_with = "number_or_nan")]
    pub train_accuracy: f64,
    /// Mean cross-entropy over the validation side after the epoch, nats.
    #[serde(deserialize_with = "number_or_nan")]
    pub val_loss: f64,
    /// Correct / all over the validation side.
    #[serde(deserialize_with = "number_or_nan")]
    pub val_accuracy: f64,
    /// Mean recall over classes on the validation side.
    #[serde(deserialize_with = "number_or_nan")]
    pub val_uar: f64,
    /// When it ended, seconds since 1970: no two runs share it.
    #[serde(deserialize_with = "number_or_nan")]
    pub finished: f64,
}

fn number_or_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

impl History {
    /// The history of the run that `checkpoint` came out of. It is searched for beside the checkpoint and, since a
    /// training leaves a copy of its best checkpoint in the folder it was called from, in `runs/*/` beside it. A file belongs to
    /// the checkpoint if it holds its epoch, told by the moment it `finished`.
    pub fn find(checkpoint: &Path, epoch: u32, finished: f64) -> Self {
        let folder = match checkpoint.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        let belongs =
            |epochs: &[EpochHistory]| epochs.iter().any(|e| e.epoch == epoch && e.finished == finished);
        let mut reason =
            "no metrics.jsonl is next to the checkpoint, nor in a folder of runs/ there".to_owned();
        let runs = std::fs::read_dir(folder.join("runs")).into_iter().flatten().flatten();
        let mut folders: Vec<PathBuf> = runs.take(MAX_RUNS_SEARCHED).map(|entry| entry.path()).collect();
        folders.sort();
        folders.push(folder);
        for folder in folders.iter().rev() {
            let path = folder.join("metrics.jsonl");
            match read_history(&path) {
                Some(Ok(epochs)) if belongs(&epochs) => return Self::Epochs(epochs),
                Some(Ok(_)) => reason = "the metrics.jsonl found is that of another run".to_owned(),
                Some(Err(what)) => reason = format!("{} cannot be used: {what}", path.display()),
                None => {}
            }
        }
        Self::Unknown(reason)
    }
}

/// None if there is no such file.
fn read_history(path: &Path) -> Option<Result<Vec<EpochHistory>, String>> {
    let size = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?.len();
    if size > MAX_HISTORY_BYTES {
        return Some(Err(format!("{size} bytes are too many")));
    }
    let parse = |text: String| -> Result<Vec<EpochHistory>, String> {
        let mut epochs: Vec<EpochHistory> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let epoch: EpochHistory =
                serde_json::from_str(line).map_err(|error| format!("line {}: {error}", number + 1))?;
            if epoch.epoch == 0 || epochs.last().is_some_and(|before| before.epoch >= epoch.epoch) {
                return Err(format!("line {}: epoch {} is out of order", number + 1, epoch.epoch));
            }
            epochs.push(epoch);
        }
        Ok(epochs)
    };
    Some(std::fs::read_to_string(path).map_err(|error| error.to_string()).and_then(parse))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "{\"epoch\":1,\"train_loss\":1.5,\"train_accuracy\":0.5,\"val_loss\":null,\"val_accuracy\":0.25,\
                        \"val_uar\":0.25,\"seconds\":1.0,\"finished\":12.5,\"best\":true}\n";

    #[test]
    fn the_history_is_that_of_the_checkpoint_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = folder.path().join("best.pt");
        let reason = |history| match history {
            History::Unknown(reason) => reason,
            History::Epochs(_) => panic!("a history was found"),
        };
        assert!(reason(History::find(&checkpoint, 1, 12.5)).starts_with("no metrics.jsonl"));
        let run = folder.path().join("runs/2026");
        std::fs::create_dir_all(&run).unwrap();
        std::fs::write(run.join("metrics.jsonl"), LINE).unwrap();
        let History::Epochs(epochs) = History::find(&checkpoint, 1, 12.5) else { panic!("there is one") };
        assert!(epochs.len() == 1 && epochs[0].val_loss.is_nan());
        assert!(reason(History::find(&checkpoint, 1, 13.0)).contains("another run"));
        std::fs::write(run.join("metrics.jsonl"), [LINE, LINE].concat()).unwrap();
        assert!(reason(History::find(&checkpoint, 1, 12.5)).contains("line 2: epoch 1 is out of order"));
    }
}
