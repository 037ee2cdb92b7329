//! One step: augmentation of the batch, then forward, backward and Adam, which are the [`Learner`]'s, then the average of the
//! weights.
//!
//! [`Learner`]: crate::optimisation::Learner

use ser_core::Result;
use ser_core::random::Random;

use super::Trainer;
use crate::batches::Batch;
use crate::batches::feature_augmentation::augment;
use crate::state::DeviceSums;

impl Trainer<'_> {
    /// Learns from `batch`, and adds what that gave to `sums`.
    ///
    /// # Errors
    /// When the device lacks memory.
    pub(super) fn step(&mut self, batch: Batch<'_>, sums: &mut DeviceSums) -> Result<()> {
        let batch = self.augmented(batch)?;
        let mut dropout = self.dropout();
        let lr = self.learning_rates.at(self.learner.steps());
        let learnt = self.learner.step(&batch, lr, &mut dropout)?;
        self.average_after_step()?;
        Ok(sums.add(&learnt.loss, batch.targets.size()[0] as usize, &learnt.logits, &batch.targets)?)
    }

    /// The batch of this step with its features augmented as the recipe says.
    ///
    /// # Errors
    /// When the device lacks memory.
    pub(super) fn augmented<'b>(&self, batch: Batch<'b>) -> Result<Batch<'b>> {
        let mut random = self.random("feature augmentation", &self.place());
        Ok(augment(batch, &self.config.augment.features, &mut random)?)
    }

    /// What the network drops out in this step is drawn from this.
    pub(super) fn dropout(&self) -> Random {
        self.random("dropout", &self.place())
    }

    /// Lets the weights as they are now into their average, if there is one.
    ///
    /// # Errors
    /// When the device lacks memory.
    pub(super) fn average_after_step(&mut self) -> Result<()> {
        match &mut self.average {
            Some(average) => Ok(average.update_after_step(&self.learner.network, self.standing.epoch)?),
            None => Ok(()),
        }
    }

    /// The generator for `what` at a place in the run. It follows from the seed and the place alone, so that a resumed
    /// run needs no generator's state.
    pub(super) fn random(&self, what: &str, place: &[u64]) -> Random {
        let numbers: Vec<String> = [&[self.config.seed], place].concat().iter().map(u64::to_string).collect();
        let purpose: Vec<&str> = std::iter::once(what).chain(numbers.iter().map(String::as_str)).collect();
        Random::new(&purpose)
    }

    /// Where in the run it is: epoch and step.
    fn place(&self) -> [u64; 2] {
        [u64::from(self.standing.epoch), self.standing.step]
    }
}
