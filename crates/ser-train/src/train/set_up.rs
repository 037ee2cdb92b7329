//! What a run is set up with, before its first epoch.

use std::rc::Rc;

use ser_cache::Dataset;
use ser_core::Result;
use ser_corpus::split::Side;
use ser_distributed::Ranks;
use ser_encoder::Tunable;
use ser_model::network::Architecture;
use ser_model::{FitConfig, RunLength};
use tch::Device;

use super::Trainer;
use crate::batches::Batches;
use crate::batches::imbalance::class_weights;
use crate::batches::normalisation::{Normaliser, statistics_of_training};
use crate::batches::source::TrainingSource;
use crate::carried_encoder::to_carry;
use crate::checkpoint_size;
use crate::domain::reference_of;
use crate::finetune::fresh_network;
use crate::heard::learnt_from;
use crate::material::Material;
use crate::optimisation::Learner;
use crate::optimisation::averaging::WeightAverage;
use crate::optimisation::schedule::LearningRates;
use crate::run::RunFolder;
use crate::state::{Origin, TrainingState};

impl<'a> Trainer<'a> {
    /// A run of `config` on `material` at its very start, with a fresh network on `device`.
    ///
    /// # Errors
    /// When no network fits the material, its checkpoints would be too large, recordings or a pretrained encoder cannot be
    /// found, a shard cannot be read, or the device lacks memory.
    pub(super) fn new(
        config: &'a FitConfig,
        material: &'a Material,
        run: &'a RunFolder,
        device: Device,
        ranks: &'a Ranks,
    ) -> Result<Self> {
        let length = RunLength::of(config, material.train.len())?;
        let labels = &material.split.info.labels;
        let architecture = Architecture::new(&config.network, material.train.shape(), labels.len())?;
        let mut network = fresh_network(&architecture, config, device)?.learning_in(config.precision);
        network.predict_in(config.validation_precision);
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
}
