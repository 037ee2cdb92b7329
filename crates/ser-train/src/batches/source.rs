//! Where the batches of a training side come from: the cache, or their recordings, augmented anew in each epoch.

use std::ffi::OsString;
use std::thread::Scope;

use ser_cache::Dataset;
use ser_corpus::CorpusFolder;
use ser_corpus::split::Side;
use ser_model::FitConfig;
use ser_prepare::on_the_fly::{Computed, OnTheFly, OnTheFlyOptions, PrefetchedSteps, StepRequest};
use tch::{Device, Tensor};

use crate::batches::normalisation::Normaliser;
use crate::batches::{Batch, Batches, integers};
use crate::material::Material;
use ser_torch::Result;

/// How many steps in advance a batch is fetched from the disk, or computed.
const STEPS_AHEAD: usize = 4;

/// The utterances of a training side.
#[derive(Debug)]
pub(crate) enum TrainingSource<'a> {
    /// As the cache holds them.
    Stored(Batches<'a>),
    /// Augmented, with features computed from them as those of the cache were.
    OnTheFly { utterances: Box<OnTheFly>, batches: ComputedBatches<'a> },
}

/// Makes batches of features that were computed of a dataset's utterances.
#[derive(Debug)]
pub(crate) struct ComputedBatches<'a> {
    dataset: &'a Dataset,
    device: Device,
    normaliser: Normaliser,
}

/// The batches of an epoch's steps.
#[derive(Debug)]
pub(crate) struct StepBatches<'a> {
    steps: &'a [StepRequest<'a>],
    feed: BatchFeed<'a>,
}

#[derive(Debug)]
enum BatchFeed<'a> {
    Cache(&'a Batches<'a>),
    Recordings { ahead: PrefetchedSteps, batches: &'a ComputedBatches<'a> },
}

impl<'a> TrainingSource<'a> {
    /// The training side of `material` as the recipe `config` asks for it, on `device`, normalised by `normaliser`.
    ///
    /// # Errors
    /// When a shard cannot be read, the device lacks memory, or the recordings it needs cannot be found.
    pub(crate) fn new(
        config: &FitConfig,
        material: &'a Material,
        normaliser: Normaliser,
        device: Device,
    ) -> Result<Self> {
        let dataset = &material.train;
        let data: Vec<CorpusFolder> =
            config.data.iter().map(|folder| CorpusFolder::from(OsString::from(folder))).collect();
        let on_the_fly = OnTheFly::new(OnTheFlyOptions {
            recipe: &config.augment,
            set: &material.set,
            utterances: material.split.side(Side::Train),
            cache: &config.cache,
            data: &data,
            seed: config.seed,
            threads: config.threads as usize,
        })?;
        Ok(match on_the_fly {
            None => Self::Stored(Batches::new(dataset, device)?.normalised_by(normaliser)),
            Some(utterances) => {
                let batches = ComputedBatches { dataset, device, normaliser };
                Self::OnTheFly { utterances: Box::new(utterances), batches }
            }
        })
    }

    /// How many frames of each of the utterances `indices` are real, where that is known before they are read.
    pub(crate) fn frames(&self, indices: &[usize]) -> Option<Vec<i64>> {
        match self {
            Self::Stored(batches) => Some(batches.frames(indices)),
            Self::OnTheFly { .. } => None,
        }
    }

    /// Starts preparing the batches of `steps` of `epoch`.
    pub(crate) fn start<'scope, 'env>(
        &'env self,
        scope: &'scope Scope<'scope, 'env>,
        epoch: u32,
        steps: &'env [StepRequest<'env>],
    ) -> StepBatches<'env> {
        let feed = match self {
            Self::Stored(batches) => {
                steps.iter().take(STEPS_AHEAD).for_each(|soon| batches.prefetch(soon.indices));
                BatchFeed::Cache(batches)
            }
            Self::OnTheFly { utterances, batches } => {
                BatchFeed::Recordings { ahead: utterances.start(scope, epoch, steps, STEPS_AHEAD), batches }
            }
        };
        StepBatches { steps, feed }
    }
}

impl<'a> StepBatches<'a> {
    /// The batch of step `position`; every step must be requested once, in order.
    ///
    /// # Errors
    /// When one of its utterances cannot be read or computed, or the device lacks memory.
    pub(crate) fn get(&self, position: usize) -> Result<Batch<'a>> {
        let step = self.steps[position];
        match &self.feed {
            BatchFeed::Recordings { ahead, batches } => batches.get(&ahead.next()?, step.indices),
            BatchFeed::Cache(batches) => {
                let batch = batches.get(step.indices)?;
                if let Some(later) = self.steps.get(position + STEPS_AHEAD) {
                    batches.prefetch(later.indices);
                }
                Ok(batch)
            }
        }
    }
}

impl<'a> ComputedBatches<'a> {
    /// The utterances `indices`, in that order, with the features that were `computed` of them.
    ///
    /// # Errors
    /// When the device lacks memory.
    fn get(&self, computed: &Computed, indices: &[usize]) -> Result<Batch<'a>> {
        let [channels, bands, frames] = self.dataset.shape().map(|size| size as i64);
        let features = Tensor::f_from_slice(&computed.features)?.f_view([-1, channels, bands, frames])?;
        let features = features.f_to(self.device)?;
        let frames = integers(computed.frames.iter().map(|&frames| i64::from(frames)), self.device)?;
        let targets = integers(indices.iter().map(|&index| self.dataset.label(index) as i64), self.device)?;
        let features = self.normaliser.apply(features, &frames, indices)?;
        Ok(Batch::owned(features, frames, targets))
    }
}
