//! The epochs of a training, as its run's `metrics.jsonl` has them.

use std::path::{Path, PathBuf};

use ser_model::{EpochRecord, epochs};

/// Most folders of runs that are searched for the history of a checkpoint.
const MAX_RUNS_SEARCHED: usize = 1000;

/// What is known of the epochs of a training.
#[derive(Debug, Clone, PartialEq)]
pub enum History {
    /// All of them, in order.
    Epochs(Vec<EpochRecord>),
    /// Nothing, for this reason.
    Unknown(String),
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
            |epochs: &[EpochRecord]| epochs.iter().any(|e| e.epoch == epoch && e.finished == finished);
        let mut reason =
            "no metrics.jsonl is next to the checkpoint, nor in a folder of runs/ there".to_owned();
        let runs = std::fs::read_dir(folder.join("runs")).into_iter().flatten().flatten();
        let mut folders: Vec<PathBuf> = runs.take(MAX_RUNS_SEARCHED).map(|entry| entry.path()).collect();
        folders.sort();
        folders.push(folder);
        for folder in folders.iter().rev() {
            match epochs::read(folder) {
                Ok(Some(epochs)) if belongs(&epochs) => return Self::Epochs(epochs),
                Ok(Some(_)) => reason = "the metrics.jsonl found is that of another run".to_owned(),
                Ok(None) => {}
                Err(error) => {
                    // What its help says to do is for those who name a file, which nobody did here.
                    reason =
                        format!("{} cannot be used: it {}", epochs::path_in(folder).display(), error.what());
                }
            }
        }
        Self::Unknown(reason)
    }
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
        std::fs::create_dir(run.join("metrics.jsonl")).unwrap();
        assert!(reason(History::find(&checkpoint, 1, 12.5)).starts_with("no metrics.jsonl"));
        std::fs::remove_dir(run.join("metrics.jsonl")).unwrap();
        std::fs::write(run.join("metrics.jsonl"), LINE).unwrap();
        let History::Epochs(epochs) = History::find(&checkpoint, 1, 12.5) else { panic!("there is one") };
        assert!(epochs.len() == 1 && epochs[0].val_loss.is_nan());
        assert!(reason(History::find(&checkpoint, 1, 13.0)).contains("another run"));
        std::fs::write(run.join("metrics.jsonl"), [LINE, LINE].concat()).unwrap();
        let unusable =
            |why: &str| format!("{} cannot be used: it {why}", run.join("metrics.jsonl").display());
        let out_of_order = unusable("is not a list of epochs: line 2: epoch 1 is out of order");
        assert_eq!(reason(History::find(&checkpoint, 1, 12.5)), out_of_order);
        std::fs::write(run.join("metrics.jsonl"), b"\xff").unwrap();
        let not_text = unusable("cannot be read as the epochs of a run: byte 0 is not UTF-8");
        assert_eq!(reason(History::find(&checkpoint, 1, 12.5)), not_text);
    }
}
