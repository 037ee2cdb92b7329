//! The training loop.

use std::ops::Range;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ser_cache::Dataset;
use ser_core::progress::{Progress, Silent};
use ser_core::random::Random;
use ser_core::remedy::{Action, Setting};
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_corpus::split::Side;
use ser_distributed::Ranks;
use ser_encoder::Tunable;
use ser_model::checkpoint::Checkpoint;
use ser_model::network::Architecture;
use ser_model::{BatchNorm, FitConfig, LearntFrom, RunLength, Selection};
use tch::Device;

use crate::batches::feature_augmentation::augment;
use crate::batches::imbalance::{class_weights, order};
use crate::batches::normalisation::{Normaliser, Statistics, statistics_of_training};
use crate::batches::sharing::{RankRows, Sharing};
use crate::batches::source::TrainingSource;
use crate::batches::{Batch, Batches, integers};
use crate::calibrate::{calibrator_of, learnt_from};
use crate::carried_encoder::to_carry;
use crate::checkpoint_size;
use crate::domain::{DomainReference, reference_of};
use crate::evaluate::evaluate_together;
use crate::finetune::fresh_network;
pub use crate::material::Material;
use crate::network::parameters::to_vec_f32;
use crate::optimisation::Learner;
use crate::optimisation::averaging::WeightAverage;
use crate::optimisation::schedule::LearningRates;
use crate::run::{ResumePoint, RunFolder, StillRising, trained_longer};
use crate::state;
use crate::state::{DeviceSums, EpochRecord, Origin, Sums, TrainingState};
use ser_prepare::on_the_fly::StepRequest;
use ser_torch::TorchError;

pub use crate::run::FitSummary;

/// What [`fit`] needs.
#[expect(missing_debug_implementations, reason = "closures have nothing to show")]
pub struct FitRequest<'a> {
    /// The recipe.
    pub config: &'a FitConfig,
    /// What to learn from.
    pub material: &'a Material,
    /// Where checkpoints go.
    pub run: &'a RunFolder,
    /// Where to compute.
    pub device: Device,
    /// The processes that train it, of which this is one.
    pub ranks: &'a Ranks,
    /// Whether to continue from `last.pt` of the run.
    pub resume: bool,
    /// Set from outside to stop after the step in progress.
    pub stop: &'a AtomicBool,
    /// Receives the progress of an epoch.
    pub progress: &'a dyn Progress,
    /// Receives events.
    pub on_event: &'a mut dyn FnMut(FitEvent<'_>) -> Result<()>,
}

/// What happens in a run.
#[derive(Debug)]
pub enum FitEvent<'a> {
    /// A newer checkpoint of the run is damaged, so that it is continued from an older one.
    Skipped {
        /// What is wrong with the newer one.
        damaged: &'a Error,
        /// The one it is continued from.
        from: &'a Path,
    },
    /// A run continues with another number of ranks than it had.
    Ranks {
        /// How many it had.
        before: u32,
        /// How many it has now.
        now: u32,
    },
    /// An epoch is over.
    Epoch(&'a EpochRecord),
    /// The following epochs are of another member of an ensemble.
    Member {
        /// Which, from 1.
        number: u32,
        /// How many there are.
        of: u32,
    },
}

/// Trains a network. A resumed run ends bit for bit like one that was never interrupted (on a CPU, with the same
/// number of threads).
///
/// When `stop` is raised, the step in progress is finished, the state saved, and the error is of kind
/// [`ErrorKind::Interrupted`].
///
/// Several ranks train one network: each learns from its part of every batch, and all come to the same weights. Only the first
/// writes.
///
/// # Errors
/// When the material, the recipe or the checkpoint is unusable, when the loss becomes infinite, or on interruption.
pub fn fit(request: FitRequest<'_>) -> Result<FitSummary> {
    let FitRequest { config, material, run, device, ranks, resume, stop, progress, on_event } = request;
    ranks.agree("the recipe", &config.what_ranks_share()?)?;
    let split = &material.split;
    ranks.agree("the split", &format!("{} {}", split.info.protocol, split.digest))?;
    ranks.agree("the feature set", &material.set.id)?;
    let mut trainer = ranks.together(Trainer::new(config, material, run, device, ranks))?;
    if resume {
        trainer.resume(on_event)?;
    }
    let stopped_early = loop {
        if trainer.standing.epoch > trainer.length.epochs {
            break false;
        }
        if config.patience > 0 && trainer.epochs_since_best() >= config.patience {
            break true;
        }
        trainer.learn(stop, progress).map_err(|error| ranks.explain(error))?;
        let record = trainer.finish_epoch()?;
        on_event(FitEvent::Epoch(&record))?;
    };
    let history = &trainer.standing.history;
    // Patience ends a run that rises no more.
    let warning = match stopped_early {
        true => None,
        false => StillRising::of(config, history, material.val.len()),
    };
    let best_epoch = trainer.best().map_or(0, |best| best.epoch);
    Ok(FitSummary {
        history: trainer.standing.history,
        stopped_early,
        best_epoch,
        warning,
        checkpoint: run.best_path(),
        members: Vec::new(),
    })
}

struct Trainer<'a> {
    config: &'a FitConfig,
    material: &'a Material,
    run: &'a RunFolder,
    ranks: &'a Ranks,
    origin: Origin,
    learner: Learner,
    length: RunLength,
    learning_rates: LearningRates,
    average: Option<WeightAverage>,
    train: Rc<TrainingSource<'a>>,
    val: Batches<'a>,
    /// What features are normalised with, if it is part of the checkpoint.
    statistics: Option<Statistics>,
    learnt_from: LearntFrom,
    /// The pretrained encoder that the best checkpoint carries, if it does.
    carried: Option<Tunable>,
    domain: DomainReference,
    standing: TrainingState,
}

impl<'a> Trainer<'a> {
    fn new(
        config: &'a FitConfig,
        material: &'a Material,
        run: &'a RunFolder,
        device: Device,
        ranks: &'a Ranks,
    ) -> Result<Self> {
        let length = RunLength::of(config, material.train.len())?;
        let labels = &material.split.info.labels;
        let architecture = Architecture::new(&config.network, material.train.shape(), labels.len())?;
        let network = fresh_network(&architecture, config, device)?.learning_in(config.precision);
        let carried = if ranks.is_first() { to_carry(config, &material.set, &network)? } else { None };
        let bytes = carried.as_ref().map_or(0, Tunable::embedded_bytes);
        checkpoint_size::check(&architecture, config, bytes)?;
        let weights = class_weights(config.class_weights, material.train.labels(), labels.len());
        let statistics = statistics_of_training(config.feature_normalisation, &material.train)?;
        let normaliser = |dataset: &Dataset, part: Side| {
            let (way, utterances) = (config.feature_normalisation, material.split.side(part));
            Normaliser::new(way, dataset, utterances, statistics.as_ref(), device)
        };
        let train = normaliser(&material.train, Side::Train)?;
        let val = normaliser(&material.val, Side::Val)?;
        Ok(Self {
            learning_rates: LearningRates::new(config, length),
            average: WeightAverage::new(config, &network)?,
            carried,
            origin: Origin::new(&architecture, &material.set, &material.split, config)?,
            learner: Learner::new(network, config)?.weighing_classes(weights.as_deref())?,
            train: Rc::new(TrainingSource::new(config, material, train, device)?),
            val: Batches::new(&material.val, device)?.normalised_by(val),
            statistics,
            learnt_from: learnt_from(&material.set, &material.split),
            domain: reference_of(material)?,
            standing: TrainingState { epoch: 1, ranks: ranks.count(), ..TrainingState::default() },
            length,
            config,
            material,
            run,
            ranks,
        })
    }

    /// Continues where the run stopped: at its very start, if it was stopped before it had saved anything.
    fn resume(&mut self, on_event: &mut dyn FnMut(FitEvent<'_>) -> Result<()>) -> Result<()> {
        let newest = self.ranks.together(self.run.newest())?;
        let Some(ResumePoint { path, checkpoint, skipped }) = newest else {
            self.agree_on_weights("the checkpoint to continue from")?;
            return self.run.save_config(self.config);
        };
        for damaged in &skipped {
            on_event(FitEvent::Skipped { damaged, from: &path })?;
        }
        let earlier = Origin::of(&checkpoint).map_err(|error| error.at(&path))?;
        if earlier.split.digest != self.origin.split.digest || earlier.feature_set != self.origin.feature_set
        {
            return Err(Error::new(
                ErrorKind::Mismatch,
                "was trained on another split or feature set, not those the cache holds now",
            )
            .at(&path)
            .help("start a new run, since utterances may have changed sides"));
        }
        if !self.config.continues(&earlier.fit) {
            let as_long =
                FitConfig { epochs: earlier.fit.epochs, steps: earlier.fit.steps, ..self.config.clone() };
            let error = match as_long.continues(&earlier.fit) {
                true => Error::new(
                    ErrorKind::Mismatch,
                    format!(
                        "was begun with another length, over which its learning rate changes ({})",
                        Setting::Schedule.to(earlier.fit.schedule)
                    ),
                )
                .help("resume it without another length, or start a new run"),
                false => Error::new(
                    ErrorKind::Mismatch,
                    "was trained with another recipe, not what config.toml says now",
                )
                .help("put config.toml back as it was, or start a new run"),
            };
            return Err(error.at(&path));
        }
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

    /// Runs what is left of the current epoch's steps.
    fn learn(&mut self, stop: &AtomicBool, progress: &dyn Progress) -> Result<()> {
        let started = Instant::now();
        let earlier = self.standing.sums.clone();
        let mut waiting = earlier.waiting;
        // They are added up over ranks, so that what is known goes in once.
        let known = if self.ranks.is_first() { earlier.clone() } else { Sums::default() };
        let mut sums = DeviceSums::new(&known, self.learner.network.device())?;
        let order = self.order();
        let batch_size = self.config.batch_size as usize;
        let steps: Vec<StepRequest<'_>> = (order.chunks(batch_size).enumerate())
            .map(|(step, indices)| {
                let rows = self.rows_to_read(indices.len());
                StepRequest { place: step * batch_size + rows.start, indices: &indices[rows] }
            })
            .collect();
        let done = usize::try_from(self.standing.step).unwrap_or(usize::MAX).min(steps.len());
        let (done, left) = steps.split_at(done);
        progress.start(order.len() as u64, "utterances");
        let mut batches = order.chunks(batch_size);
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

    /// One step.
    fn step(&mut self, batch: Batch<'_>, sums: &mut DeviceSums) -> Result<()> {
        let place = [u64::from(self.standing.epoch), self.standing.step];
        let mut augmentation = self.random("feature augmentation", &place);
        let batch = augment(batch, &self.config.augment.features, &mut augmentation)?;
        let mut dropout = self.random("dropout", &place);
        let lr = self.learning_rates.at(self.learner.steps());
        let learnt = self.learner.step(&batch, lr, &mut dropout)?;
        if let Some(average) = &mut self.average {
            average.update_after_step(&self.learner.network, self.standing.epoch)?;
        }
        Ok(sums.add(&learnt.loss, batch.targets.size()[0] as usize, &learnt.logits, &batch.targets)?)
    }

    /// Which utterances of a batch of `all` this rank reads: its own, or all of them where what becomes of one depends on the
    /// others, as in mixtures, or on what was drawn for them.
    fn rows_to_read(&self, all: usize) -> Range<usize> {
        match self.ranks.are_several() && self.config.augment.features.is_empty() {
            true => RankRows::of(self.ranks, all).rows(),
            false => 0..all,
        }
    }

    /// One step of all ranks: from `batch`, which is what [`Self::rows_to_read`] says of the utterances `indices`. Whether any
    /// of the ranks is to stop.
    fn step_together(
        &mut self,
        batch: Batch<'_>,
        indices: &[usize],
        stop: &AtomicBool,
        sums: &mut DeviceSums,
    ) -> Result<bool> {
        let place = [u64::from(self.standing.epoch), self.standing.step];
        let part = RankRows::of(self.ranks, indices.len());
        let (batch, sharing) = match self.config.augment.features.is_empty() {
            true => {
                let sharing = self.sharing(&batch, indices, part)?;
                (batch, sharing)
            }
            false => {
                let mut augmentation = self.random("feature augmentation", &place);
                let all = augment(batch, &self.config.augment.features, &mut augmentation)?;
                let own = all.rows(part.rows())?;
                let sharing = Sharing {
                    ranks: self.ranks,
                    part,
                    frames: all.frames,
                    targets: all.targets,
                    mixed: all.mixed.map(|mixed| mixed.targets),
                    synchronised: self.config.batch_norm == BatchNorm::Synchronised,
                };
                (own, sharing)
            }
        };
        let mut dropout = self.random("dropout", &place);
        let lr = self.learning_rates.at(self.learner.steps());
        let stop = stop.load(Ordering::Relaxed);
        let (learnt, stopped) = self.learner.step_together(&batch, lr, &mut dropout, &sharing, stop)?;
        if let Some(average) = &mut self.average {
            average.update_after_step(&self.learner.network, self.standing.epoch)?;
        }
        if part.counts {
            sums.add(&learnt.loss, indices.len(), &learnt.logits, &batch.targets)?;
        }
        Ok(stopped)
    }

    /// What this rank, which has read its `part` of the utterances `indices`, must know of the others.
    fn sharing(&self, batch: &Batch<'_>, indices: &[usize], part: RankRows) -> Result<Sharing<'a>> {
        let device = batch.frames.device();
        let train = &self.material.train;
        let frames = match self.train.frames(indices) {
            Some(frames) => integers(frames.into_iter(), device)?,
            // Augmentation can change them.
            None => {
                let all = integers(indices.iter().map(|_| 0), device)?;
                if part.counts {
                    let mut own =
                        all.f_narrow(0, part.first as i64, part.count as i64).map_err(TorchError::from)?;
                    own.f_copy_(&batch.frames).map_err(TorchError::from)?;
                }
                self.ranks.sum(&all)?
            }
        };
        Ok(Sharing {
            ranks: self.ranks,
            part,
            frames,
            targets: integers(indices.iter().map(|&index| train.label(index) as i64), device)?,
            mixed: None,
            synchronised: self.config.batch_norm == BatchNorm::Synchronised,
        })
    }

    /// The training side in this epoch's order.
    fn order(&self) -> Vec<usize> {
        let mut random = self.random("order", &[u64::from(self.standing.epoch)]);
        order(self.config.sampling, self.material.train.labels(), &mut random)
    }

    /// The generator for `what` at a place in the run. It follows from the seed and the place alone, so that a resumed
    /// run needs no generator's state.
    fn random(&self, what: &str, place: &[u64]) -> Random {
        let numbers: Vec<String> = [&[self.config.seed], place].concat().iter().map(u64::to_string).collect();
        let purpose: Vec<&str> = std::iter::once(what).chain(numbers.iter().map(String::as_str)).collect();
        Random::new(&purpose)
    }

    /// Validates, keeps the best, saves, and moves on to the next epoch.
    fn finish_epoch(&mut self) -> Result<EpochRecord> {
        let started = Instant::now();
        let sums = self.standing.sums.clone();
        let utterances = self.material.train.len() as f64;
        let train_loss = f64::from_bits(sums.loss_bits) / utterances;
        if !train_loss.is_finite() {
            return Err(self.diverged(&format!("the loss became {train_loss}")));
        }
        if let Some(average) = &mut self.average {
            average.update_after_epoch(&self.learner.network, self.standing.epoch)?;
        }
        self.average_statistics()?;
        self.exchange_average()?;
        self.average_statistics()?;
        let (val, network) = (&self.material.val, &mut self.learner.network);
        let predictions = evaluate_together(network, val, &self.val, &Silent, self.ranks)?;
        let validation_s = started.elapsed().as_secs_f64();
        if predictions.probabilities.iter().any(|probability| probability.is_nan()) {
            return Err(self.diverged("the network's answers became NaN"));
        }
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
        if record.best && self.ranks.is_first() {
            let mut best = self.checkpoint()?;
            best.extra.push(self.domain.to_entry()?);
            best.extra.push(calibrator_of(&predictions, &self.material.split)?.to_entry()?);
            if let Some(encoder) = &self.carried {
                best.extra.push(encoder.to_entry()?);
            }
            self.run.save_best(&best)?;
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

    /// Where ranks have kept BatchNorm's statistics to themselves, makes them the same.
    fn average_statistics(&mut self) -> Result<()> {
        match self.ranks.are_several() && self.config.batch_norm == BatchNorm::Local {
            true => Ok(self.learner.network.average_statistics(self.ranks)?),
            false => Ok(()),
        }
    }

    /// Looks whether all ranks are where this one is: `what` is the name of that. Ranks whose weights differ would go on and
    /// learn something that no network of theirs is.
    fn agree_on_weights(&self, what: &str) -> Result<()> {
        if !self.ranks.are_several() {
            return Ok(());
        }
        let TrainingState { epoch, step, .. } = self.standing;
        self.ranks.agree_on_number(&format!("the epoch of {what}"), i64::from(epoch))?;
        self.ranks.agree_on_number(&format!("the step of {what}"), step as i64)?;
        let mut sum = crc32c::crc32c(&[]);
        for tensor in self.learner.network.state() {
            let bytes: Vec<u8> = to_vec_f32(&tensor)?.into_iter().flat_map(f32::to_le_bytes).collect();
            sum = crc32c::crc32c_append(sum, &bytes);
        }
        self.ranks.agree_on_number(&format!("the checksum of {what}"), i64::from(sum))
    }

    /// Swaps the average of the weights, if there is one, with them; a second call restores them.
    fn exchange_average(&mut self) -> Result<()> {
        match &mut self.average {
            Some(average) => Ok(average.exchange(&mut self.learner.network)?),
            None => Ok(()),
        }
    }

    fn is_better(&self, new: &EpochRecord, best: &EpochRecord) -> bool {
        let score = |record: &EpochRecord| match self.config.select {
            Selection::Accuracy => record.val_accuracy,
            Selection::Uar => record.val_uar,
            Selection::Last => f64::from(record.epoch),
        };
        score(new) > score(best) || (score(new) == score(best) && new.val_loss < best.val_loss)
    }

    fn best(&self) -> Option<&EpochRecord> {
        self.standing.history.iter().rev().find(|record| record.best)
    }

    fn epochs_since_best(&self) -> u32 {
        self.standing.history.iter().rev().take_while(|record| !record.best).count() as u32
    }

    fn labels(&self) -> &'a [String] {
        &self.material.split.info.labels
    }

    fn checkpoint(&self) -> Result<Checkpoint> {
        let mut checkpoint = state::checkpoint_of(&self.learner.network, self.labels(), &self.origin)?;
        if let Some(statistics) = &self.statistics {
            checkpoint.extra.push(statistics.to_entry(self.material.train.shape())?);
        }
        checkpoint.extra.push(self.learnt_from.to_entry()?);
        Ok(checkpoint)
    }

    fn save_last(&self) -> Result<()> {
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

    fn diverged(&self, what: &str) -> Error {
        Error::new(ErrorKind::Unusable, format!("{what} in epoch {}", self.standing.epoch)).help(remedy![
            "start a new run with a lower ",
            Setting::Lr,
            format!(", which was {}", self.config.lr)
        ])
    }

    fn interrupted(&self) -> Error {
        Error::new(
            ErrorKind::Interrupted,
            format!("stopped after step {} of epoch {}", self.standing.step, self.standing.epoch),
        )
        .help(Action::Resume(self.run.path().to_owned()))
    }
}
