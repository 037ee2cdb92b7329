//! The folder of a run: `config.toml`, `best.pt`, `last.pt` and the one before it, `previous.pt`, `metrics.jsonl` and
//! events for TensorBoard.

mod still_rising;
pub mod summary;
mod tensorboard;
pub(crate) mod trained_longer;

pub use still_rising::StillRising;
pub use summary::FitSummary;

use std::path::{Path, PathBuf};

use ser_core::remedy::{Action, Setting};
use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_distributed::Ranks;
use ser_model::checkpoint::Checkpoint;
use ser_model::{EpochRecord, FitConfig, epochs};

use crate::state::Origin;

/// A run's folder.
#[derive(Debug, Clone)]
pub struct RunFolder {
    folder: PathBuf,
    /// A second place where the best checkpoint is kept.
    published: Option<PathBuf>,
    storage: Storage,
    /// Whether this process is the one that writes; the other ranks only read.
    writes: bool,
}

/// A checkpoint to continue from.
pub(crate) struct ResumePoint {
    pub(crate) path: PathBuf,
    pub(crate) checkpoint: Checkpoint,
    /// What is wrong with newer ones.
    pub(crate) skipped: Vec<Error>,
}

impl RunFolder {
    /// Makes the folder and writes the recipe into it.
    ///
    /// # Errors
    /// When a run is there already, or the folder cannot be written.
    pub fn create(storage: &Storage, folder: &Path, config: &FitConfig) -> Result<Self> {
        let run = Self::at(storage, folder, config);
        if run.config_path().exists() {
            return Err(Error::new(ErrorKind::Usage, "holds a run already").at(folder).help(remedy![
                Action::Resume(folder.to_owned()),
                ", or choose another folder with ",
                Setting::Run
            ]));
        }
        storage.make_folder(folder)?;
        run.save_config(config)?;
        Ok(run)
    }

    /// The same where `ranks` train together: the first makes the folder, and the others read what it writes.
    ///
    /// # Errors
    /// Those of [`Self::create`], on all ranks.
    pub fn create_for(ranks: &Ranks, storage: &Storage, folder: &Path, config: &FitConfig) -> Result<Self> {
        ranks.together(match ranks.is_first() {
            true => Self::create(storage, folder, config),
            false => Ok(Self { writes: false, ..Self::at(storage, folder, config) }),
        })
    }

    /// Opens the folder of an earlier run where `ranks` train together: the first writes, and the others read.
    ///
    /// # Errors
    /// Those of [`Self::open`], on all ranks.
    pub fn open_for(ranks: &Ranks, storage: &Storage, folder: &Path) -> Result<(Self, FitConfig)> {
        ranks.together(match ranks.is_first() {
            true => Self::open(storage, folder),
            false => read_config(folder)
                .map(|config| (Self { writes: false, ..Self::at(storage, folder, &config) }, config)),
        })
    }

    /// Opens the folder of an earlier run.
    ///
    /// # Errors
    /// When there is none, or its recipe cannot be read.
    pub fn open(storage: &Storage, folder: &Path) -> Result<(Self, FitConfig)> {
        let config = read_config(folder)?;
        // What was being written when the run was killed.
        storage.clear_scratch(folder)?;
        Ok((Self::at(storage, folder, &config), config))
    }

    /// Removes the folder if it holds nothing but recipes, so that a run which was refused before its first step can be
    /// begun again in the same place.
    ///
    /// # Errors
    /// When it cannot be read or removed.
    pub fn remove_if_unstarted(&self) -> Result<()> {
        if !self.writes {
            return Ok(());
        }
        match holds_recipes_alone(&self.folder, true) {
            Ok(true) => self.storage.remove(&self.folder),
            Ok(false) => Ok(()),
            Err(error) => Err(Error::io("cannot be listed", &self.folder, error)),
        }
    }

    fn at(storage: &Storage, folder: &Path, config: &FitConfig) -> Self {
        let published = config.publish.clone();
        Self { folder: folder.to_owned(), published, storage: storage.clone(), writes: true }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Where the best checkpoint is to be found.
    pub fn best_path(&self) -> PathBuf {
        self.published.clone().unwrap_or_else(|| self.folder.join("best.pt"))
    }

    /// Where the newest checkpoint is.
    pub fn last_path(&self) -> PathBuf {
        self.folder.join("last.pt")
    }

    /// Where the checkpoint before the newest is.
    fn previous_path(&self) -> PathBuf {
        self.folder.join("previous.pt")
    }

    fn config_path(&self) -> PathBuf {
        self.folder.join("config.toml")
    }

    fn best_in_run(&self) -> PathBuf {
        self.folder.join("best.pt")
    }

    /// The newest intact checkpoint to continue from; `None` if the run was stopped before it had saved anything.
    ///
    /// # Errors
    /// When there are only damaged ones.
    pub(crate) fn newest(&self) -> Result<Option<ResumePoint>> {
        let mut skipped = Vec::new();
        for path in [self.last_path(), self.previous_path()] {
            if !path.exists() {
                continue;
            }
            match Checkpoint::read(&path) {
                Ok(checkpoint) => return Ok(Some(ResumePoint { path, checkpoint, skipped })),
                Err(error) => skipped.push(error),
            }
        }
        match skipped.into_iter().next() {
            Some(error) => Err(Error::new(error.kind(), error.reason())
                .at(self.last_path())
                .help("no earlier one is intact either, so start a new run")
                .caused_by(error)),
            None => self.check_untouched().map(|()| None),
        }
    }

    /// A run that was killed in its first epoch can start over with the same result. Not one that lost its
    /// state later: starting over would replace what it has found.
    fn check_untouched(&self) -> Result<()> {
        let best = self.best_in_run();
        if best.exists() && Origin::of(&Checkpoint::read(&best)?)?.epoch > 1 {
            return Err(Error::new(ErrorKind::Missing, "is missing, and the run cannot continue without it")
                .at(self.last_path())
                .help("start a new run; best.pt can still be reported on"));
        }
        Ok(())
    }

    /// Reads `config.toml`.
    ///
    /// # Errors
    /// When it cannot be read, or is not a recipe.
    pub(crate) fn config(&self) -> Result<FitConfig> {
        FitConfig::read(&self.config_path())
    }

    /// Writes `config.toml`.
    pub(crate) fn save_config(&self, config: &FitConfig) -> Result<()> {
        if !self.writes {
            return Ok(());
        }
        let text = toml::to_string(config)
            .map_err(|error| Error::new(ErrorKind::Usage, format!("cannot be written as TOML: {error}")))?;
        self.storage.replace_file(&self.config_path(), &[text.as_bytes()])
    }

    /// Keeps `checkpoint` as the best.
    pub(crate) fn save_best(&self, checkpoint: &Checkpoint) -> Result<()> {
        let path = self.best_in_run();
        let bytes = checkpoint.to_bytes().map_err(|error| error.at(&path))?;
        self.storage.replace_file(&path, &[&bytes])?;
        self.publish_best()
    }

    /// Brings the second place up to date, where another run may have left its best checkpoint meanwhile.
    pub(crate) fn publish_best(&self) -> Result<()> {
        let own = self.best_in_run();
        match &self.published {
            Some(path) if self.writes && own.exists() => {
                let bytes = std::fs::read(&own).map_err(|error| Error::io("cannot be read", &own, error))?;
                self.storage.replace_file(path, &[&bytes])
            }
            _ => Ok(()),
        }
    }

    /// Keeps `checkpoint` as the newest, and the one that was the newest as the one before it.
    pub(crate) fn save_last(&self, checkpoint: &Checkpoint) -> Result<()> {
        let path = self.last_path();
        let bytes = checkpoint.to_bytes().map_err(|error| error.at(&path))?;
        if path.exists() {
            self.storage.keep_as(&path, &self.previous_path())?;
        }
        self.storage.replace_file(&path, &[&bytes])
    }

    /// Puts an older checkpoint in the place of a damaged newer one, which would otherwise take the older one's place
    /// at the next save.
    pub(crate) fn restore_previous(&self, path: &Path) -> Result<()> {
        if path == self.last_path() || !self.writes {
            Ok(())
        } else {
            self.storage.keep_as(path, &self.last_path())
        }
    }

    /// The epochs in `metrics.jsonl`; none where that is missing.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub(crate) fn history(&self) -> Result<Vec<EpochRecord>> {
        Ok(epochs::read(&self.folder)?.unwrap_or_default())
    }

    /// The epoch of the best checkpoint; `None` where there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn best_epoch(&self) -> Result<Option<u32>> {
        let best = self.best_in_run();
        match best.exists() {
            true => Ok(Some(Origin::of(&Checkpoint::read(&best)?)?.epoch)),
            false => Ok(None),
        }
    }

    /// Writes `metrics.jsonl` and TensorBoard's events.
    pub(crate) fn save_metrics(&self, history: &[EpochRecord]) -> Result<()> {
        self.storage.replace_file(&epochs::path_in(&self.folder), &[&epochs::to_lines(history)?])?;
        tensorboard::write(&self.storage, &self.folder.join("events.out.tfevents.ser"), history)
    }
}

/// The recipe of the run in `folder`.
fn read_config(folder: &Path) -> Result<FitConfig> {
    let config = folder.join("config.toml");
    if !config.is_file() {
        return Err(Error::new(ErrorKind::Missing, "holds no run")
            .at(folder)
            .help("give the folder of a run, such as runs/<timestamp>"));
    }
    FitConfig::read(&config)
}

/// Whether nothing lies in `folder` but a recipe and, where there may be members, folders of theirs that hold no more.
fn holds_recipes_alone(folder: &Path, may_have_members: bool) -> std::io::Result<bool> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let is_member = may_have_members
            && entry.file_name().as_encoded_bytes().starts_with(b"member-")
            && entry.file_type()?.is_dir();
        if entry.file_name() != "config.toml" && !(is_member && holds_recipes_alone(&entry.path(), false)?) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_taken_back_unless_anything_but_recipes_lies_in_it() {
        let parent = tempfile::tempdir().unwrap();
        let (storage, folder) = (Storage::native(), parent.path().join("run"));
        let create = |folder: &Path| RunFolder::create(&storage, folder, &FitConfig::default());
        let run = create(&folder).unwrap();
        assert!(create(&folder).unwrap_err().to_string().contains("holds a run already"));
        create(&folder.join("member-1")).unwrap();
        run.remove_if_unstarted().unwrap();
        assert!(!folder.exists());
        for kept in ["last.pt", "notes.txt", "member-1/last.pt", "other/config.toml"] {
            let run = create(&folder).unwrap();
            std::fs::create_dir_all(folder.join(kept).parent().unwrap()).unwrap();
            std::fs::write(folder.join(kept), "").unwrap();
            run.remove_if_unstarted().unwrap();
            assert!(folder.join(kept).exists() && folder.join("config.toml").exists(), "{kept}");
            std::fs::remove_dir_all(&folder).unwrap();
        }
    }
}
