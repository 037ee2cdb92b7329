//! The training of one network.
//!
//! ```text
//! set_up ──▶ resumption ──▶ ┌──▶ epoch ──▶ step, step, … ──▶ after_epoch ──┐ ──▶ summary
//!                           └──────────────────────────────────────────────┘
//! ```
//!
//! [`fit`] is the loop over epochs. An epoch's steps are in `epoch`, and what one of them does in `step`; `shared_step` is
//! the same where several ranks train together. `after_epoch` validates and keeps the best weights, and `saving` writes the
//! checkpoints. `agreement` is what ranks compare and average.

mod after_epoch;
mod agreement;
mod epoch;
mod resumption;
mod saving;
mod set_up;
mod shared_step;
mod step;

use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;

use ser_core::progress::Progress;
use ser_core::{Error, Result};
use ser_distributed::Ranks;
use ser_encoder::Tunable;
use ser_model::{EpochRecord, FitConfig, LearntFrom, RunLength};
use tch::Device;

use crate::batches::Batches;
use crate::batches::normalisation::Statistics;
use crate::batches::source::TrainingSource;
use crate::domain::DomainReference;
pub use crate::material::Material;
use crate::optimisation::Learner;
use crate::optimisation::averaging::WeightAverage;
use crate::optimisation::schedule::LearningRates;
pub use crate::run::FitSummary;
use crate::run::{RunFolder, StillRising};
use crate::state::{Origin, TrainingState};

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
/// [`ErrorKind::Interrupted`](ser_core::ErrorKind::Interrupted).
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
    Ok(trainer.summary(stopped_early))
}

/// A run in progress.
struct Trainer<'a> {
    config: &'a FitConfig,
    material: &'a Material,
    run: &'a RunFolder,
    ranks: &'a Ranks,
    /// How the network is made, as its checkpoints say.
    origin: Origin,
    learner: Learner,
    length: RunLength,
    learning_rates: LearningRates,
    /// The average of the weights that is evaluated and kept in their place, if one is.
    average: Option<WeightAverage>,
    train: Rc<TrainingSource<'a>>,
    val: Batches<'a>,
    /// What features are normalised with, if it is part of the checkpoint.
    statistics: Option<Statistics>,
    learnt_from: LearntFrom,
    /// The pretrained encoder that the best checkpoint carries, if it does.
    carried: Option<Tunable>,
    domain: DomainReference,
    /// How far the run has come.
    standing: TrainingState,
}

impl Trainer<'_> {
    /// The record of the best epoch so far.
    fn best(&self) -> Option<&EpochRecord> {
        self.standing.history.iter().rev().find(|record| record.best)
    }

    fn epochs_since_best(&self) -> u32 {
        self.standing.history.iter().rev().take_while(|record| !record.best).count() as u32
    }

    /// What the run has come to, now that it is over.
    fn summary(self, stopped_early: bool) -> FitSummary {
        // Patience ends a run that rises no more.
        let warning = match stopped_early {
            true => None,
            false => StillRising::of(self.config, &self.standing.history, self.material.val.len()),
        };
        FitSummary {
            stopped_early,
            best_epoch: self.best().map_or(0, |best| best.epoch),
            warning,
            checkpoint: self.run.best_path(),
            history: self.standing.history,
            members: Vec::new(),
        }
    }
}
