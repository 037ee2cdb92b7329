//! The steps of an epoch.

use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use ser_core::progress::Progress;
use ser_core::remedy::Action;
use ser_core::{Error, ErrorKind, Result};
use ser_prepare::on_the_fly::StepRequest;

use super::Trainer;
use crate::batches::imbalance::order;
use crate::state::{DeviceSums, Sums};

impl Trainer<'_> {
    /// Runs what is left of the current epoch's steps.
    ///
    /// # Errors
    /// [`ErrorKind::Interrupted`] when `stop` was raised, after the state has been saved; when an utterance cannot be read
    /// or computed, the device lacks memory, or a rank is gone.
    pub(super) fn learn(&mut self, stop: &AtomicBool, progress: &dyn Progress) -> Result<()> {
        let started = Instant::now();
        let earlier = self.standing.sums.clone();
        let mut waiting = earlier.waiting;
        // They are added up over ranks, so that what is known goes in once.
        let known = if self.ranks.is_first() { earlier.clone() } else { Sums::default() };
        let mut sums = DeviceSums::new(&known, self.learner.network.device())?;
        let order = self.order();
        let steps = self.steps(&order);
        let done = usize::try_from(self.standing.step).unwrap_or(usize::MAX).min(steps.len());
        let (done, left) = steps.split_at(done);
        progress.start(order.len() as u64, "utterances");
        let mut batches = order.chunks(self.config.batch_size as usize);
        batches.by_ref().take(done.len()).for_each(|batch| progress.advance(batch.len() as u64));
        let train = Rc::clone(&self.train);
        let stopped = std::thread::scope(|scope| -> Result<bool> {
            let coming = train.start(scope, self.standing.epoch, left);
            for (position, all) in batches.enumerate() {
                let asked = Instant::now();
                let batch = coming.get(position)?;
                waiting += asked.elapsed().as_secs_f64();
                let stopped = match self.ranks.are_several() {
                    true => self.step_together(batch, all, stop, &mut sums)?,
                    false => {
                        self.step(batch, &mut sums)?;
                        false
                    }
                };
                self.standing.step += 1;
                progress.advance(all.len() as u64);
                // All ranks stop after the same step, or none.
                if stopped || !self.ranks.are_several() && stop.load(Ordering::Relaxed) {
                    return Ok(true);
                }
            }
            // A run that was stopped at the end of an epoch.
            Ok(!self.ranks.are_several() && stop.load(Ordering::Relaxed))
        })?;
        progress.finish();
        self.standing.sums =
            sums.read(self.ranks, earlier.seconds + started.elapsed().as_secs_f64(), waiting)?;
        if stopped {
            self.save_last()?;
            return Err(self.interrupted());
        }
        Ok(())
    }

    /// The training side in this epoch's order, as places in it.
    fn order(&self) -> Vec<usize> {
        let mut random = self.random("order", &[u64::from(self.standing.epoch)]);
        order(self.config.sampling, self.material.train.labels(), &mut random)
    }

    /// What this rank reads for each step of an epoch in which utterances come in this `order`.
    fn steps<'o>(&self, order: &'o [usize]) -> Vec<StepRequest<'o>> {
        let batch_size = self.config.batch_size as usize;
        (order.chunks(batch_size).enumerate())
            .map(|(step, indices)| {
                let rows = self.rows_to_read(indices.len());
                StepRequest { place: step * batch_size + rows.start, indices: &indices[rows] }
            })
            .collect()
    }

    fn interrupted(&self) -> Error {
        Error::new(
            ErrorKind::Interrupted,
            format!("stopped after step {} of epoch {}", self.standing.step, self.standing.epoch),
        )
        .help(Action::Resume(self.run.path().to_owned()))
    }
}
