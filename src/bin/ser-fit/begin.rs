//! What a command begins or continues with: its recipe, and the folder of its run.

use std::path::{Path, PathBuf};

use ser_core::storage::Storage;
use ser_core::{Error, ErrorKind, Result};
use ser_distributed::Ranks;
use ser_model::FitConfig;
use ser_train::run::RunFolder;
use ser_train::{device, finetune};

use crate::Arguments;

/// What a run begins or continues with.
pub(crate) struct Begun {
    pub(crate) config: FitConfig,
    /// Its folder, if there is one already.
    pub(crate) run: Option<RunFolder>,
    /// Whether it was started before.
    pub(crate) resume: bool,
}

impl Arguments {
    /// What the run of this command begins or continues with.
    ///
    /// # Errors
    /// When there is no such run or recipe, ranks have no folder in common, or a run began with another recipe.
    pub(crate) fn begin(&self, ranks: &Ranks) -> Result<Begun> {
        let (config, run) = ranks.together(self.recipe(ranks))?;
        match &self.run {
            Some(folder) if ranks.restarts() > 0 => self.begin_again(ranks, folder, config),
            _ => Ok(Begun { config, run, resume: self.resume.is_some() }),
        }
    }

    /// The recipe, and the folder of the run if there is one already.
    fn recipe(&self, ranks: &Ranks) -> Result<(FitConfig, Option<RunFolder>)> {
        if ranks.are_several() && self.run.is_none() && self.resume.is_none() && self.runs.is_none() {
            let what = format!("{} ranks need one folder for their run, and none is named", ranks.count());
            return Err(
                Error::new(ErrorKind::Usage, what).help("name it with --run, where all ranks can read it")
            );
        }
        let (mut config, run) = match &self.resume {
            Some(folder) => {
                let (run, config) = RunFolder::open_for(ranks, &Storage::native(), folder)?;
                (config, Some(run))
            }
            None => (self.learning.recipe()?, None),
        };
        self.place.apply(&mut config);
        if run.is_none() {
            // A recipe taken from another run does not carry over that run's best path.
            config.publish = (self.run.is_none() && self.runs.is_none()).then(|| PathBuf::from("best.pt"));
        }
        config.validate()?;
        finetune::complete(&mut config)?;
        Ok((config, run))
    }

    /// A launcher that starts all ranks again, since one of them has failed, gives them the same command: the run in `folder`
    /// goes on, if it had begun.
    fn begin_again(&self, ranks: &Ranks, folder: &Path, mut config: FitConfig) -> Result<Begun> {
        if !ranks.as_first_says(folder.join("config.toml").exists())? {
            return Ok(Begun { config, run: None, resume: false });
        }
        let (run, begun) = RunFolder::open_for(ranks, &Storage::native(), folder)?;
        device::continue_precision(&mut config, &begun);
        if !config.continues(&begun) {
            return Err(Error::new(ErrorKind::Mismatch, "holds a run that was started with another recipe")
                .at(folder)
                .help("give the recipe it was started with, or another folder with --run"));
        }
        Ok(Begun { config, run: Some(run), resume: true })
    }
}
