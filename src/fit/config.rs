//! How a network is trained: everything that decides the result, in one struct, saved before training starts.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::network_config::NetworkConfig;
use crate::{Error, ErrorKind, Result};

/// The recipe of a run. Its defaults are those of the source document: Adam at 1e-3, 20 epochs, batches of 32, best
/// validation accuracy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FitConfig {
    /// The cache to train from.
    pub cache: PathBuf,
    /// The feature set in it, by the start of its name; the newest if empty.
    pub feature_set: String,
    /// The protocol: `random`, `word` or `speaker-<ID>`.
    pub split: String,
    /// Passes over the training side.
    pub epochs: u32,
    /// Utterances in a step.
    pub batch_size: u32,
    /// Learning rate of Adam.
    pub lr: f64,
    /// Seed of initial weights, order and dropout.
    pub seed: u64,
    /// By which validation metric the best epoch is chosen.
    pub select: Selection,
    /// Stop after this many epochs without a better one; 0 for never.
    pub patience: u32,
    /// Over what features are normalised before they go into the network.
    pub feature_normalisation: Normalisation,
    /// How much each class weighs in the loss.
    pub class_weights: ClassWeights,
    /// In what order utterances come.
    pub sampling: Sampling,
    /// Arithmetic of the network.
    pub precision: Precision,
    /// `auto`, `cpu`, `cuda` or `cuda:<N>`.
    pub device: String,
    /// Threads of a step; 0 for one on every processor. Results are equal bit for bit only at equal numbers.
    pub threads: u32,
    /// Whether to compare every tensor with its checksum the first time it is used.
    pub verify: bool,
    /// Whether shards are mapped into memory, or read piece by piece.
    pub mmap: bool,
    /// A second place where the best checkpoint is kept, besides the folder of the run; nowhere if empty.
    pub publish: PathBuf,
    /// Architecture and sizes of the network.
    pub network: NetworkConfig,
}

impl Default for FitConfig {
    fn default() -> Self {
        Self {
            cache: PathBuf::from("cache"),
            feature_set: String::new(),
            split: "random".to_owned(),
            epochs: 20,
            batch_size: 32,
            lr: 1e-3,
            seed: 0,
            select: Selection::Accuracy,
            patience: 0,
            feature_normalisation: Normalisation::None,
            class_weights: ClassWeights::None,
            sampling: Sampling::Shuffled,
            precision: Precision::Auto,
            device: "auto".to_owned(),
            threads: 0,
            verify: true,
            mmap: true,
            publish: PathBuf::new(),
            network: NetworkConfig::default(),
        }
    }
}

/// The validation metric that chooses the best epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Selection {
    /// Correct / all.
    #[default]
    Accuracy,
    /// Mean recall over classes.
    Uar,
}

/// Over what each coefficient of the features is brought to mean 0 and standard deviation 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Normalisation {
    /// Nothing: features go in as they are
    #[default]
    None,
    /// The real frames of the utterance itself
    Utterance,
    /// The training side; its statistics are in the checkpoint
    Training,
    /// All utterances of its speaker on the same side of the split. For a speaker of the test side this uses his recordings,
    /// though not their labels, and reports say so
    Speaker,
}

/// How much each class weighs in the loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ClassWeights {
    /// Every utterance the same
    #[default]
    None,
    /// Every class the same: an utterance of a small class more
    Balanced,
}

/// In what order the utterances of an epoch come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Sampling {
    /// Each once, shuffled
    #[default]
    Shuffled,
    /// Every class equally often: utterances of small classes more than once, of large ones not all
    Balanced,
}

/// Arithmetic of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// bf16 where the processor computes with it natively, otherwise f32.
    #[default]
    Auto,
    /// 32-bit floating point throughout.
    F32,
    /// Convolutions and LSTM learn in bfloat16, which has the range of f32 and 8 bits of its precision; weights,
    /// BatchNorm's statistics, the dense layers, the optimiser and every evaluation stay in f32.
    Bf16,
}

impl FitConfig {
    /// Reads a recipe from TOML; what it does not name keeps its default.
    ///
    /// # Errors
    /// When it cannot be read, is no TOML, or has a key or value that means nothing here.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::io("cannot be read", path, error))?;
        toml::from_str(&text).map_err(|error| {
            Error::new(ErrorKind::Usage, format!("is no recipe: {}", error.to_string().trim_end())).at(path)
        })
    }

    /// Whether a run begun by `earlier` can go on by this recipe: they may differ in how long and where it is trained,
    /// not in what it learns.
    pub fn continues(&self, earlier: &Self) -> bool {
        let Self { cache, feature_set, epochs, patience, device, threads, verify, mmap, publish, .. } =
            self.clone();
        let now = Self {
            cache,
            feature_set,
            epochs,
            patience,
            device,
            threads,
            verify,
            mmap,
            publish,
            ..earlier.clone()
        };
        now == *self
    }

    /// Checks that every value makes sense.
    ///
    /// # Errors
    /// On the first that does not, naming its option and what is allowed.
    pub fn validate(&self) -> Result<()> {
        let wrong = |option: &str, value: String, allowed: &str| {
            Err(Error::new(ErrorKind::Usage, format!("{option} {value} makes no sense"))
                .mend(format!("give {allowed}")))
        };
        match self {
            c if !(1..=100_000).contains(&c.epochs) => {
                wrong("--epochs", c.epochs.to_string(), "a number from 1 to 100000")
            }
            c if !(1..=65_536).contains(&c.batch_size) => {
                wrong("--batch-size", c.batch_size.to_string(), "a number from 1 to 65536")
            }
            c if !(c.lr > 0.0 && c.lr <= 10.0) => {
                wrong("--lr", c.lr.to_string(), "a positive number up to 10, such as 0.001")
            }
            // What TOML can say.
            c if c.seed > i64::MAX as u64 => {
                wrong("--seed", c.seed.to_string(), "a number up to 9223372036854775807")
            }
            c if c.threads > 4096 => wrong("--threads", c.threads.to_string(), "0 for all, or up to 4096"),
            _ => self.network.validate(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::network_config::CnnBilstmConfig;
    use super::*;

    #[test]
    fn defaults_are_the_source_documents_recipe() {
        let config = FitConfig::default();
        assert_eq!((config.epochs, config.batch_size, config.lr), (20, 32, 1e-3));
        assert_eq!((config.select, config.split.as_str(), config.seed), (Selection::Accuracy, "random", 0));
        let network = CnnBilstmConfig { channels: [32, 64], hidden: 128, dense: 128, dropout: 0.3 };
        assert_eq!(config.network, NetworkConfig::CnnBilstm(network));
        config.validate().unwrap();
    }

    #[test]
    fn a_run_goes_on_for_longer_but_not_by_another_recipe() {
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

    #[test]
    fn a_recipe_reads_back_as_it_was_written() {
        let config = FitConfig { lr: 3e-4, split: "word".into(), ..FitConfig::default() };
        assert_eq!(toml::from_str::<FitConfig>(&toml::to_string(&config).unwrap()).unwrap(), config);
    }

    #[test]
    fn values_without_sense_are_refused_by_the_name_of_their_option() {
        let network =
            |network| FitConfig { network: NetworkConfig::CnnBilstm(network), ..FitConfig::default() };
        let cases = [
            (FitConfig { epochs: 0, ..FitConfig::default() }, "--epochs 0"),
            (FitConfig { batch_size: 0, ..FitConfig::default() }, "--batch-size 0"),
            (FitConfig { lr: f64::NAN, ..FitConfig::default() }, "--lr NaN"),
            (FitConfig { lr: -1.0, ..FitConfig::default() }, "--lr -1"),
            (FitConfig { seed: u64::MAX, ..FitConfig::default() }, "--seed 18446744073709551615"),
            (FitConfig { threads: 5000, ..FitConfig::default() }, "--threads 5000"),
            (network(CnnBilstmConfig { dropout: 1.0, ..CnnBilstmConfig::default() }), "network.dropout 1"),
            (network(CnnBilstmConfig { hidden: 0, ..CnnBilstmConfig::default() }), "network.hidden 0"),
        ];
        for (config, said) in cases {
            let error = config.validate().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.to_string().starts_with(said), "{error}");
        }
    }
}
