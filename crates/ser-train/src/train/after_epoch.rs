//! What follows the steps of an epoch: validation, its record, and whether it is the best so far.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ser_core::progress::Silent;
use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_model::{EpochRecord, Precision, Selection};

use super::Trainer;
use crate::evaluate::{Predictions, evaluate, evaluate_together};
use crate::state::Sums;

impl Trainer<'_> {
    /// Validates, keeps the best, saves, and moves on to the next epoch.
    ///
    /// # Errors
    /// [`ErrorKind::Unusable`] when the loss or the answers are no longer numbers; when a checkpoint cannot be written, the
    /// device lacks memory, or ranks differ.
    pub(super) fn finish_epoch(&mut self) -> Result<EpochRecord> {
        let started = Instant::now();
        let train_loss = self.train_loss()?;
        if let Some(average) = &mut self.average {
            average.update_after_epoch(&self.learner.network, self.standing.epoch)?;
        }
        // Those of the weights, and those of their average.
        self.average_statistics()?;
        self.exchange_average()?;
        self.average_statistics()?;
        let (val, network) = (&self.material.val, &mut self.learner.network);
        let predictions = evaluate_together(network, val, &self.val, &Silent, self.ranks)?;
        let validation_s = started.elapsed().as_secs_f64();
        if predictions.probabilities.iter().any(|probability| probability.is_nan()) {
            return Err(self.diverged("the network's answers became NaN"));
        }
        let record = self.record(train_loss, &predictions, started, validation_s)?;
        if record.best && self.ranks.is_first() {
            let predictions = self.exact(predictions)?;
            self.save_best(&predictions)?;
        }
        self.exchange_average()?;
        self.agree_on_weights("the weights after this epoch")?;
        if self.ranks.is_first() {
            self.run.save_metrics(&self.standing.history)?;
        }
        self.standing.epoch += 1;
        self.standing.step = 0;
        self.standing.sums = Sums::default();
        self.save_last()?;
        Ok(record)
    }

    /// What the network answers for the validation side in f32, as whoever uses the checkpoint asks it: these `predictions`, or,
    /// where they were made in another arithmetic, new ones.
    fn exact(&mut self, predictions: Predictions) -> Result<Predictions> {
        if self.config.validation_precision == Precision::F32 {
            return Ok(predictions);
        }
        let network = &mut self.learner.network;
        network.predict_in(Precision::F32);
        let exact = evaluate(network, &self.material.val, &self.val, &Silent);
        network.predict_in(self.config.validation_precision);
        Ok(exact?)
    }

    /// Mean cross-entropy over the training side while it was being learnt, nats.
    fn train_loss(&self) -> Result<f64> {
        let loss = f64::from_bits(self.standing.sums.loss_bits) / self.material.train.len() as f64;
        match loss.is_finite() {
            true => Ok(loss),
            false => Err(self.diverged(&format!("the loss became {loss}"))),
        }
    }

    /// Puts the epoch, of which these are the `predictions` for the validation side, into the history. What follows its steps
    /// has `started` then, and took `validation_s` seconds until they were there.
    fn record(
        &mut self,
        train_loss: f64,
        predictions: &Predictions,
        started: Instant,
        validation_s: f64,
    ) -> Result<EpochRecord> {
        let (sums, utterances) = (&self.standing.sums, self.material.train.len() as f64);
        let metrics = predictions.metrics()?;
        let mut record = EpochRecord {
            epoch: self.standing.epoch,
            steps: self.learner.steps(),
            train_loss,
            train_accuracy: sums.correct as f64 / utterances,
            val_loss: predictions.loss()?,
            val_accuracy: metrics.accuracy,
            val_uar: metrics.uar,
            seconds: sums.seconds + started.elapsed().as_secs_f64(),
            samples_per_s: utterances / sums.seconds.max(1e-9),
            waiting_share: sums.waiting / sums.seconds.max(1e-9),
            validated_per_s: self.material.val.len() as f64 / validation_s.max(1e-9),
            finished: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
            best: false,
        };
        record.best = self.best().is_none_or(|best| self.is_better(&record, best));
        self.standing.history.push(record.clone());
        self.origin.epoch = record.epoch;
        self.origin.metrics = Some(record.clone());
        Ok(record)
    }

    /// Whether the weights after the `new` epoch are kept in the place of those after the `best` one so far: by the number that
    /// the recipe selects by, and of equal ones by the lower validation loss.
    fn is_better(&self, new: &EpochRecord, best: &EpochRecord) -> bool {
        let score = |record: &EpochRecord| match self.config.select {
            Selection::Accuracy => record.val_accuracy,
            Selection::Uar => record.val_uar,
            Selection::Last => f64::from(record.epoch),
        };
        score(new) > score(best) || (score(new) == score(best) && new.val_loss < best.val_loss)
    }

    /// Swaps the average of the weights, if there is one, with them; a second call restores them.
    fn exchange_average(&mut self) -> Result<()> {
        match &mut self.average {
            Some(average) => Ok(average.exchange(&mut self.learner.network)?),
            None => Ok(()),
        }
    }

    fn diverged(&self, what: &str) -> Error {
        Error::new(ErrorKind::Unusable, format!("{what} in epoch {}", self.standing.epoch)).help(remedy![
            "start a new run with a lower ",
            Setting::Lr,
            format!(", which was {}", self.config.lr)
        ])
    }
}
