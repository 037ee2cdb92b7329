//! The checkpoints of a run: `best.pt`, which answers, and `last.pt`, which a run continues from.

use ser_core::Result;
use ser_model::checkpoint::Checkpoint;

use super::Trainer;
use crate::calibrate::calibrator_of;
use crate::evaluate::Predictions;
use crate::state;

impl Trainer<'_> {
    /// Saves the network as it is now as the best one, with its calibration on these `predictions` for the validation side.
    ///
    /// # Errors
    /// When the file cannot be written, or an answer is not finite.
    pub(super) fn save_best(&self, predictions: &Predictions) -> Result<()> {
        let mut best = self.checkpoint()?;
        best.extra.push(self.domain.to_entry()?);
        best.extra.push(calibrator_of(predictions, &self.material.split)?.to_entry()?);
        if let Some(encoder) = &self.carried {
            best.extra.push(encoder.to_entry()?);
        }
        self.run.save_best(&best)
    }

    /// Saves all that the run continues from. Of several ranks, the first does.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn save_last(&self) -> Result<()> {
        if !self.ranks.is_first() {
            return Ok(());
        }
        let mut last = self.checkpoint()?;
        if let Some(average) = &self.average {
            last.extra.push(average.to_entry()?);
        }
        state::add_resume_state(&mut last, &self.learner.adam, self.config.seed, &self.standing)?;
        self.run.save_last(&last)
    }

    /// What both hold: the network, how it was made, what features are normalised with, and what it has learnt from.
    fn checkpoint(&self) -> Result<Checkpoint> {
        let labels = &self.material.split.info.labels;
        let mut checkpoint = state::checkpoint_of(&self.learner.network, labels, &self.origin)?;
        if let Some(statistics) = &self.statistics {
            checkpoint.extra.push(statistics.to_entry(self.material.train.shape())?);
        }
        checkpoint.extra.push(self.learnt_from.to_entry()?);
        Ok(checkpoint)
    }
}
