//! The continuation of a run from its newest checkpoint.

use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result};
use ser_model::FitConfig;

use super::{FitEvent, Trainer};
use crate::run::{ResumePoint, trained_longer};
use crate::state::{self, Origin};

impl Trainer<'_> {
    /// Continues where the run stopped: at its very start, if it was stopped before it had saved anything.
    ///
    /// # Errors
    /// When its checkpoints are damaged, or are of another recipe, split or feature set; when it has been trained for longer
    /// than the recipe says; when ranks differ.
    pub(super) fn resume(&mut self, on_event: &mut dyn FnMut(FitEvent<'_>) -> Result<()>) -> Result<()> {
        let newest = self.ranks.together(self.run.newest())?;
        let Some(ResumePoint { path, checkpoint, skipped }) = newest else {
            self.agree_on_weights("the checkpoint to continue from")?;
            return self.run.save_config(self.config);
        };
        for damaged in &skipped {
            on_event(FitEvent::Skipped { damaged, from: &path })?;
        }
        let earlier = Origin::of(&checkpoint).map_err(|error| error.at(&path))?;
        self.check_continues(&earlier).map_err(|error| error.at(&path))?;
        self.learner.network.load_state_dict(&checkpoint.model_state).map_err(|error| error.at(&path))?;
        self.standing = state::restore_resume_state(&checkpoint, &mut self.learner.adam)
            .map_err(|error| error.at(&path))?;
        self.check_length().map_err(|error| error.at(self.run.path()))?;
        let (before, now) = (self.standing.ranks, self.ranks.count());
        if before != now {
            on_event(FitEvent::Ranks { before, now })?;
        }
        self.standing.ranks = now;
        if let Some(average) = &mut self.average {
            average.restore(&checkpoint).map_err(|error| error.at(&path))?;
        }
        // Before the first changes what the others may still be reading.
        self.agree_on_weights("the checkpoint to continue from")?;
        self.run.restore_previous(&path)?;
        // A later resumption uses the settings of this one, such as more epochs.
        self.run.save_config(self.config)?;
        self.run.publish_best()
    }

    /// Refuses a checkpoint of another split, feature set or recipe than this run's.
    fn check_continues(&self, earlier: &Origin) -> Result<()> {
        let mismatch = |what: String| Error::new(ErrorKind::Mismatch, what);
        let (set, split) = (&self.origin.feature_set, &self.origin.split.digest);
        if (&earlier.feature_set, &earlier.split.digest) != (set, split) {
            let what = "was trained on another split or feature set, not those the cache holds now";
            return Err(
                mismatch(what.to_owned()).help("start a new run, since utterances may have changed sides")
            );
        }
        if self.config.continues(&earlier.fit) {
            return Ok(());
        }
        let as_long =
            FitConfig { epochs: earlier.fit.epochs, steps: earlier.fit.steps, ..self.config.clone() };
        Err(match as_long.continues(&earlier.fit) {
            true => mismatch(format!(
                "was begun with another length, over which its learning rate changes ({})",
                Setting::Schedule.to(earlier.fit.schedule)
            ))
            .help("resume it without another length, or start a new run"),
            false => mismatch("was trained with another recipe, not what config.toml says now".to_owned())
                .help("put config.toml back as it was, or start a new run"),
        })
    }

    /// Refuses to continue a run that has been trained for longer than the recipe says.
    fn check_length(&self) -> Result<()> {
        let history = &self.standing.history;
        trained_longer::check(history, self.config, self.length)?;
        // An epoch that was stopped between its two checkpoints is trained again, unless the run ends before it.
        match self.standing.epoch > self.length.epochs {
            true => trained_longer::check_kept(history, self.run.best_epoch()?, self.config, self.length),
            false => Ok(()),
        }
    }
}
