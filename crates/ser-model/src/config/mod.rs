//! How a network is trained: everything that decides the result, in one struct, saved before training starts.

mod checks;
mod format;

use std::path::{Path, PathBuf};

use ser_core::storage::read_text;
use ser_core::{Error, ErrorKind, Result};
use ser_features::augmentation::AugmentationRecipe;
use serde::{Deserialize, Serialize};

use crate::choices::{
    Averaging, BatchNorm, ClassWeights, FeatureNormalisation, Optimizer, Precision, Sampling, Schedule,
    Selection,
};
use crate::network::NetworkConfig;
use format::{is_default, is_not, is_zero, unstated};

/// Most networks of an ensemble.
pub const MOST_MEMBERS: u32 = 100;

/// Passes over the training side where a recipe says nothing of its length.
const EPOCHS: u32 = 20;

/// No recipe is read that is larger than this, bytes.
pub(crate) const MAX_BYTES: u64 = 1 << 20;

/// The recipe of a run. Its defaults are those of the source document: Adam at 1e-3, 20 epochs, batches of 32, best
/// validation accuracy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
// The traits themselves are implemented in `format`, since what is not stated of `epochs` depends on `steps`.
#[serde(default, deny_unknown_fields, remote = "Self")]
pub struct FitConfig {
    /// The cache to train from.
    pub cache: PathBuf,
    /// Where the recordings are, as `FOLDER` or `NAME=FOLDER`, if waveforms are augmented; empty for where `ser-prep` found
    /// them.
    pub data: Vec<String>,
    /// Folder of the pretrained encoder that a `finetune` network begins with, or whose states are learnt from; `None` for
    /// the one that `ser-prep` computed those with, where it found it.
    #[serde(with = "format::empty_for_none", skip_serializing_if = "Option::is_none")]
    pub encoder: Option<PathBuf>,
    /// Whether the checkpoint carries that encoder whole, so that it needs no folder.
    #[serde(skip_serializing_if = "is_not")]
    pub embed_encoder: bool,
    /// The feature set in the cache: the start of its name, or a preset that it was computed by; `None` for the newest.
    #[serde(with = "format::empty_for_none")]
    pub feature_set: Option<String>,
    /// The protocol: `random`, `word`, `speaker-<ID>`, `speakers-<i>-of-<k>`, `corpus-<NAME>`, `official` or `official-<FOLD>`.
    pub split: String,
    /// Passes over the training side; 0 where `steps` says how long the run is.
    #[serde(default = "unstated", skip_serializing_if = "is_zero")]
    pub epochs: u32,
    /// Steps of the run in all, whatever the size of the training side, rounded up to whole epochs: see
    /// [`RunLength`](crate::RunLength); 0 where `epochs` says how long it is.
    #[serde(skip_serializing_if = "is_zero")]
    pub steps: u32,
    /// Utterances in a step.
    pub batch_size: u32,
    /// How weights follow the gradient.
    pub optimizer: Optimizer,
    /// The highest learning rate.
    pub lr: f64,
    /// How the learning rate changes over the run.
    pub schedule: Schedule,
    /// Epochs over which the learning rate rises from 0 at the beginning; may be a fraction.
    pub warmup_epochs: f64,
    /// The same in steps; 0 where `warmup_epochs` says it.
    #[serde(skip_serializing_if = "is_zero")]
    pub warmup_steps: u32,
    /// Share of the highest learning rate that the schedule ends at.
    pub final_lr: f64,
    /// How strongly weights are drawn towards 0, all of them, biases and those of normalisation too. With AdamW a step takes
    /// this share of a weight away, times the learning rate; with Adam this share is added to the gradient.
    pub weight_decay: f64,
    /// Norm that the gradient is shortened to where it is longer; 0 for never.
    pub gradient_clip: f64,
    /// Share of the target that is spread evenly over all classes.
    pub label_smoothing: f64,
    /// Which average of the weights is evaluated and kept.
    pub averaging: Averaging,
    /// Share of the average that stays at each step of the exponential moving average.
    pub ema_decay: f64,
    /// The epoch at whose beginning averaging starts, from 1.
    pub average_from: u32,
    /// Seed of initial weights, order, dropout and augmentation.
    pub seed: u64,
    /// How many networks are trained, with seeds of their own, to answer together.
    pub members: u32,
    /// Which epoch's weights are kept.
    pub select: Selection,
    /// Stop after this many epochs without a better one; 0 for never.
    pub patience: u32,
    /// Over what features are normalised before they go into the network.
    pub feature_normalisation: FeatureNormalisation,
    /// Over what BatchNorm takes its statistics where several ranks train together.
    #[serde(skip_serializing_if = "is_default")]
    pub batch_norm: BatchNorm,
    /// How much each class weighs in the loss.
    pub class_weights: ClassWeights,
    /// In what order utterances come.
    pub sampling: Sampling,
    /// Arithmetic that the network learns in.
    pub precision: Precision,
    /// Arithmetic that it is validated in after each epoch. Reports are in f32.
    #[serde(skip_serializing_if = "format::is_f32")]
    pub validation_precision: Precision,
    /// `auto`, `cpu`, `cuda` or `cuda:<N>`.
    pub device: String,
    /// Threads of a step; 0 for one on every processor. Results are equal bit for bit only at equal numbers.
    pub threads: u32,
    /// Whether to compare every tensor with its checksum the first time it is used.
    pub verify: bool,
    /// Whether shards are mapped into memory, or read piece by piece.
    pub mmap: bool,
    /// A second place where the best checkpoint is kept, besides the folder of the run, if there is one.
    #[serde(with = "format::empty_for_none")]
    pub publish: Option<PathBuf>,
    /// Architecture and sizes of the network.
    pub network: NetworkConfig,
    /// How utterances of the training side are augmented; not at all if it is empty.
    pub augment: AugmentationRecipe,
}

impl Default for FitConfig {
    fn default() -> Self {
        Self {
            cache: PathBuf::from("cache"),
            data: Vec::new(),
            encoder: None,
            embed_encoder: false,
            feature_set: None,
            split: "random".to_owned(),
            epochs: EPOCHS,
            steps: 0,
            batch_size: 32,
            optimizer: Optimizer::Adam,
            lr: 1e-3,
            schedule: Schedule::Constant,
            warmup_epochs: 0.0,
            warmup_steps: 0,
            final_lr: 0.02,
            weight_decay: 0.0,
            gradient_clip: 0.0,
            label_smoothing: 0.0,
            averaging: Averaging::None,
            ema_decay: 0.98,
            average_from: 3,
            seed: 0,
            members: 1,
            select: Selection::Accuracy,
            patience: 0,
            feature_normalisation: FeatureNormalisation::None,
            batch_norm: BatchNorm::Synchronised,
            class_weights: ClassWeights::None,
            sampling: Sampling::Shuffled,
            precision: Precision::Auto,
            validation_precision: Precision::F32,
            device: "auto".to_owned(),
            threads: 0,
            verify: true,
            mmap: true,
            publish: None,
            network: NetworkConfig::default(),
            augment: AugmentationRecipe::default(),
        }
    }
}

/// Settings of a recipe that say where its files are and on what it is trained, and not what is learnt.
pub const FIELDS_OF_PLACE: [&str; 8] =
    ["cache", "data", "encoder", "device", "threads", "verify", "mmap", "publish"];

impl FitConfig {
    /// Reads a recipe from TOML; what it does not name keeps its default.
    ///
    /// # Errors
    /// When it cannot be read, is not TOML, or has an unknown key or value. All name the file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = read_text(path, "a recipe", MAX_BYTES)?;
        Self::from_toml(&text).map_err(|error| error.at(path))
    }

    /// The recipe that `text`, TOML, says; what it does not name keeps its default.
    ///
    /// # Errors
    /// When it is not TOML, or has an unknown key or value.
    pub fn from_toml(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text).map_err(|error| {
            Error::new(ErrorKind::Usage, format!("is not a recipe: {}", error.to_string().trim_end()))
        })?;
        config.validate()?;
        Ok(config)
    }

    /// Whether a run started with `earlier` can continue with this recipe: they may differ in how long and where they train,
    /// not in what it learns. Where the learning rate depends on how long, not in that either.
    pub fn continues(&self, earlier: &Self) -> bool {
        let Self { embed_encoder, feature_set, mut epochs, mut steps, patience, .. } = self.clone();
        if earlier.schedule != Schedule::Constant {
            (epochs, steps) = (earlier.epochs, earlier.steps);
        }
        let earlier = earlier.placed_as(self);
        Self { embed_encoder, feature_set, epochs, steps, patience, ..earlier } == *self
    }

    /// This recipe with the [`FIELDS_OF_PLACE`] of another.
    fn placed_as(&self, other: &Self) -> Self {
        let Self { cache, data, encoder, device, threads, verify, mmap, publish, .. } = other.clone();
        Self { cache, data, encoder, device, threads, verify, mmap, publish, ..self.clone() }
    }

    /// What of it must be the same for all ranks that train together, as lines of TOML: not where each finds its files, nor on
    /// what it computes.
    ///
    /// # Errors
    /// When it cannot be written as TOML.
    pub fn what_ranks_share(&self) -> Result<String> {
        toml::to_string(&self.placed_as(&Self::default()))
            .map_err(|error| Error::new(ErrorKind::Usage, format!("cannot be written as TOML: {error}")))
    }

    /// The seed of member `number`, from 0: that of the run, where it is the only one, and else one that no ensemble of as
    /// many members with another seed has. `None` if it is beyond what TOML can say.
    pub fn member_seed(&self, number: u32) -> Option<u64> {
        let seed = self.seed.checked_mul(self.members.into())?.checked_add(number.into())?;
        Some(seed).filter(|seed| *seed <= i64::MAX as u64)
    }
}

/// How a network of an ensemble was trained, where members differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberOrigin {
    /// Seed of its training.
    pub seed: u64,
    /// Epoch after which its weights were taken.
    pub epoch: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::CnnBilstmConfig;

    #[test]
    fn the_fields_of_place_are_those_that_another_place_changes() {
        let other = FitConfig {
            cache: "a".into(),
            data: vec!["b".to_owned()],
            encoder: Some("c".into()),
            device: "cuda".to_owned(),
            threads: 7,
            verify: false,
            mmap: false,
            publish: Some("d".into()),
            lr: 0.5,
            ..FitConfig::default()
        };
        let as_table = |config: &FitConfig| toml::Table::try_from(config).unwrap();
        let (own, there) =
            (as_table(&FitConfig::default()), as_table(&FitConfig::default().placed_as(&other)));
        let mut changed: Vec<&str> = there
            .iter()
            .filter(|(key, value)| own.get(*key) != Some(value))
            .map(|(key, _)| key.as_str())
            .collect();
        changed.sort_unstable();
        let mut fields = FIELDS_OF_PLACE;
        fields.sort_unstable();
        assert_eq!(changed, fields);
    }

    #[test]
    fn defaults_are_the_source_documents_recipe() {
        let config = FitConfig::default();
        assert_eq!((config.epochs, config.batch_size, config.lr), (20, 32, 1e-3));
        assert_eq!((config.select, config.split.as_str(), config.seed), (Selection::Accuracy, "random", 0));
        let network = CnnBilstmConfig { channels: [32, 64], hidden: 128, dense: 128, dropout: 0.3 };
        assert_eq!(config.network, NetworkConfig::new(network));
        config.validate().unwrap();
    }

    #[test]
    fn a_run_continues_for_longer_but_not_with_another_recipe() {
        let begun = FitConfig::default();
        let longer = FitConfig { epochs: 40, threads: 3, cache: "moved".into(), ..FitConfig::default() };
        assert!(longer.continues(&begun));
        for other in [
            FitConfig { lr: 2e-3, ..FitConfig::default() },
            FitConfig { seed: 1, ..FitConfig::default() },
            FitConfig { batch_size: 16, ..FitConfig::default() },
        ] {
            assert!(!other.continues(&begun));
        }
    }
}
