//! The folder of a run: `config.toml`, `best.pt`, `last.pt`, `metrics.jsonl` and events for TensorBoard.

use std::path::{Path, PathBuf};

use super::checkpoint::Checkpoint;
use super::config::FitConfig;
use super::state::EpochRecord;
use super::tensorboard;
use crate::{Error, ErrorKind, Result, storage};

/// A run's folder.
#[derive(Debug, Clone)]
pub struct RunFolder {
    folder: PathBuf,
    /// A second place where the best checkpoint is kept.
    published: Option<PathBuf>,
}

impl RunFolder {
    /// Makes the folder and writes the recipe into it.
    ///
    /// # Errors
    /// When a run is there already, or the folder cannot be written.
    pub fn create(folder: &Path, config: &FitConfig) -> Result<Self> {
        let run = Self::at(folder, config);
        if run.config_path().exists() {
            return Err(Error::new(ErrorKind::Usage, "holds a run already").at(folder).mend(format!(
                "continue it with --resume {}, or choose another folder with --run",
                folder.display()
            )));
        }
        storage::make_folder(folder)?;
        run.save_config(config)?;
        Ok(run)
    }

    /// Opens the folder of an earlier run.
    ///
    /// # Errors
    /// When there is none, or its recipe cannot be read.
    pub fn open(folder: &Path) -> Result<(Self, FitConfig)> {
        let config = folder.join("config.toml");
        if !config.is_file() {
            return Err(Error::new(ErrorKind::Missing, "holds no run")
                .at(folder)
                .mend("give the folder of a run, such as runs/<timestamp>"));
        }
        let config = FitConfig::read(&config)?;
        Ok((Self::at(folder, &config), config))
    }

    fn at(folder: &Path, config: &FitConfig) -> Self {
        let published = (!config.publish.as_os_str().is_empty()).then(|| config.publish.clone());
        Self { folder: folder.to_owned(), published }
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

    fn config_path(&self) -> PathBuf {
        self.folder.join("config.toml")
    }

    fn own_best_path(&self) -> PathBuf {
        self.folder.join("best.pt")
    }

    /// Whether the run has saved nothing yet.
    pub(super) fn is_untouched(&self) -> bool {
        !self.last_path().exists() && !self.own_best_path().exists()
    }

    /// Writes `config.toml`.
    pub(super) fn save_config(&self, config: &FitConfig) -> Result<()> {
        let text = toml::to_string(config)
            .map_err(|error| Error::new(ErrorKind::Usage, format!("cannot be written as TOML: {error}")))?;
        storage::replace_file(&self.config_path(), &[text.as_bytes()])
    }

    /// Keeps `checkpoint` as the best.
    pub(super) fn save_best(&self, checkpoint: &Checkpoint) -> Result<()> {
        storage::replace_file(&self.own_best_path(), &[&checkpoint.to_bytes()?])?;
        self.publish_best()
    }

    /// Brings the second place up to date, where another run may have left its best checkpoint meanwhile.
    pub(super) fn publish_best(&self) -> Result<()> {
        let own = self.own_best_path();
        match &self.published {
            Some(path) if own.exists() => {
                let bytes = std::fs::read(&own).map_err(|error| Error::io("cannot be read", &own, error))?;
                storage::replace_file(path, &[&bytes])
            }
            _ => Ok(()),
        }
    }

    /// Keeps `checkpoint` as the newest.
    pub(super) fn save_last(&self, checkpoint: &Checkpoint) -> Result<()> {
        storage::replace_file(&self.last_path(), &[&checkpoint.to_bytes()?])
    }

    /// Writes `metrics.jsonl` and TensorBoard's events.
    pub(super) fn save_metrics(&self, history: &[EpochRecord]) -> Result<()> {
        let mut lines = Vec::new();
        for record in history {
            serde_json::to_writer(&mut lines, record)
                .map_err(|error| Error::new(ErrorKind::Io, format!("metrics cannot be written: {error}")))?;
            lines.push(b'\n');
        }
        storage::replace_file(&self.folder.join("metrics.jsonl"), &[&lines])?;
        tensorboard::write(&self.folder.join("events.out.tfevents.ser"), history)
    }
}
