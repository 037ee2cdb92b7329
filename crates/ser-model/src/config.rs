//! How a network is trained: everything that decides the result, in one struct, saved before training starts.

use std::path::{Path, PathBuf};

use ser_core::remedy::Setting;
use ser_core::storage::read_text;
use ser_core::{Error, ErrorKind, Result};
use ser_features::augmentation::AugmentationRecipe;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::network::NetworkConfig;

use crate::choices::{
    Averaging, BatchNorm, ClassWeights, FeatureNormalisation, Optimizer, Precision, Sampling, Schedule,
    Selection,
};

/// Most networks of an ensemble.
pub const MOST_MEMBERS: u32 = 100;

/// Most steps that a recipe may ask for.
const MOST_STEPS: u32 = 100_000_000;

/// Passes over the training side where a recipe says nothing of its length.
const EPOCHS: u32 = 20;

/// No recipe is read that is larger than this, bytes.
pub(crate) const MAX_BYTES: u64 = 1 << 20;

/// The recipe of a run. Its defaults are those of the source document: Adam at 1e-3, 20 epochs, batches of 32, best
/// validation accuracy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
// The traits themselves are implemented below, since what is not stated of `epochs` depends on `steps`.
#[serde(default, deny_unknown_fields, remote = "Self")]
pub struct FitConfig {
    /// The cache to train from.
    pub cache: PathBuf,
    /// Where the recordings are, as `FOLDER` or `NAME=FOLDER`, if waveforms are augmented; empty for where `ser-prep` found
    /// them.
    pub data: Vec<String>,
    /// Folder of the pretrained encoder that a `finetune` network begins with, or whose states are learnt from; where that is
    /// empty, those are of the one that `ser-prep` found.
    #[serde(skip_serializing_if = "is_nowhere")]
    pub encoder: PathBuf,
    /// Whether the checkpoint carries that encoder whole, so that it needs no folder.
    #[serde(skip_serializing_if = "is_not")]
    pub embed_encoder: bool,
    /// The feature set in it: the start of its name, or a preset that it was computed by; the newest if empty.
    pub feature_set: String,
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
    /// How utterances of the training side are augmented; not at all if it is empty.
    pub augment: AugmentationRecipe,
}

impl Default for FitConfig {
    fn default() -> Self {
        Self {
            cache: PathBuf::from("cache"),
            data: Vec::new(),
            encoder: PathBuf::new(),
            embed_encoder: false,
            feature_set: String::new(),
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
            device: "auto".to_owned(),
            threads: 0,
            verify: true,
            mmap: true,
            publish: PathBuf::new(),
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

    /// Checks that every value is valid.
    ///
    /// # Errors
    /// On the first that is not, naming its option and what is allowed.
    pub fn validate(&self) -> Result<()> {
        self.augment.validate()?;
        let wrong = |setting: Setting, value: String, allowed: &str| {
            Err(Error::new(ErrorKind::Usage, format!("{setting} {value} is not valid"))
                .help(format!("give {allowed}")))
        };
        match self {
            c if c.epochs > 0 && c.steps > 0 => {
                let [epochs, steps] = [Setting::Epochs.to(c.epochs), Setting::Steps.to(c.steps)];
                Err(Error::new(ErrorKind::Usage, format!("{epochs} and {steps} both say how long to train"))
                    .help("give one of them"))
            }
            c if c.steps > MOST_STEPS => {
                wrong(Setting::Steps, c.steps.to_string(), &format!("a number from 1 to {MOST_STEPS}"))
            }
            c if c.steps == 0 && !(1..=100_000).contains(&c.epochs) => {
                wrong(Setting::Epochs, c.epochs.to_string(), "a number from 1 to 100000")
            }
            c if !(1..=65_536).contains(&c.batch_size) => {
                wrong(Setting::BatchSize, c.batch_size.to_string(), "a number from 1 to 65536")
            }
            c if !(c.lr > 0.0 && c.lr <= 10.0) => {
                wrong(Setting::Lr, c.lr.to_string(), "a positive number up to 10, such as 0.001")
            }
            c if !(0.0..=1.0).contains(&c.final_lr) => wrong(
                Setting::FinalLr,
                c.final_lr.to_string(),
                &format!("a fraction of {} from 0 to 1", Setting::Lr),
            ),
            c if c.warmup_epochs > 0.0 && c.warmup_steps > 0 => {
                let epochs = Setting::WarmupEpochs.to(c.warmup_epochs);
                let what = format!("{epochs} and {} both say", Setting::WarmupSteps.to(c.warmup_steps));
                Err(Error::new(ErrorKind::Usage, format!("{what} how long the warm-up is"))
                    .help("give one of them"))
            }
            c if c.steps == 0 && !(0.0..=f64::from(c.epochs)).contains(&c.warmup_epochs) => wrong(
                Setting::WarmupEpochs,
                c.warmup_epochs.to_string(),
                &format!("a number from 0 to {}", Setting::Epochs),
            ),
            c if !(0.0..=f64::from(MOST_STEPS)).contains(&c.warmup_epochs) => {
                wrong(Setting::WarmupEpochs, c.warmup_epochs.to_string(), "a number from 0 on")
            }
            c if c.warmup_steps > if c.steps > 0 { c.steps } else { MOST_STEPS } => wrong(
                Setting::WarmupSteps,
                c.warmup_steps.to_string(),
                &format!("a number from 0 to {}", Setting::Steps),
            ),
            c if !(0.0..=1.0).contains(&c.weight_decay) => {
                wrong(Setting::WeightDecay, c.weight_decay.to_string(), "a number from 0 to 1, such as 0.01")
            }
            c if !(c.gradient_clip >= 0.0 && c.gradient_clip.is_finite()) => {
                wrong(Setting::GradientClip, c.gradient_clip.to_string(), "0 for none, or a norm such as 5")
            }
            c if !(0.0..1.0).contains(&c.label_smoothing) => {
                wrong(Setting::LabelSmoothing, c.label_smoothing.to_string(), "a number from 0 to below 1")
            }
            c if !(0.0..1.0).contains(&c.ema_decay) => {
                wrong(Setting::EmaDecay, c.ema_decay.to_string(), "a number from 0 to below 1, such as 0.98")
            }
            // How many epochs so many steps are is known with the size of the training side.
            c if c.averaging != Averaging::None
                && !(1..=if c.steps > 0 { u32::MAX } else { c.epochs }).contains(&c.average_from) =>
            {
                wrong(
                    Setting::AverageFrom,
                    c.average_from.to_string(),
                    &format!("an epoch from 1 to {}", Setting::Epochs),
                )
            }
            c if c.patience > 0 && c.select == Selection::Last => wrong(
                Setting::Patience,
                c.patience.to_string(),
                &format!("0 with {}, which has no best epoch", Setting::Select.to("last")),
            ),
            c if !(1..=MOST_MEMBERS).contains(&c.members) => {
                wrong(Setting::Members, c.members.to_string(), &format!("a number from 1 to {MOST_MEMBERS}"))
            }
            c if c.member_seed(c.members - 1).is_none() => {
                let most = (i64::MAX as u64 + 1) / u64::from(c.members) - 1;
                wrong(Setting::Seed, c.seed.to_string(), &format!("a number up to {most}"))
            }
            c if c.threads > 4096 => {
                wrong(Setting::Threads, c.threads.to_string(), "0 for all, or up to 4096")
            }
            _ => self.network.validate(),
        }
    }
}

/// Stands for the epochs of a recipe that does not state them, until all of it is read.
fn unstated() -> u32 {
    u32::MAX
}

fn is_nowhere(path: &Path) -> bool {
    path.as_os_str().is_empty()
}

fn is_not(flag: &bool) -> bool {
    !*flag
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Serialize for FitConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for FitConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut config = Self::deserialize(deserializer)?;
        if config.epochs == unstated() {
            config.epochs = if config.steps > 0 { 0 } else { EPOCHS };
        }
        Ok(config)
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
            encoder: "c".into(),
            device: "cuda".to_owned(),
            threads: 7,
            verify: false,
            mmap: false,
            publish: "d".into(),
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

    #[test]
    fn a_recipe_reads_back_as_it_was_written() {
        let config = FitConfig { lr: 3e-4, split: "word".into(), ..FitConfig::default() };
        assert_eq!(toml::from_str::<FitConfig>(&toml::to_string(&config).unwrap()).unwrap(), config);
    }

    #[test]
    fn a_recipe_states_its_length_in_epochs_or_in_steps_and_not_in_both() {
        let read = |text: &str| toml::from_str::<FitConfig>(text).unwrap();
        let length = |text: &str| (read(text).epochs, read(text).steps);
        assert_eq!(length(""), (20, 0));
        assert_eq!(length("epochs = 7"), (7, 0));
        assert_eq!(length("steps = 1200"), (0, 1200));
        let config = read("steps = 1200\nwarmup_steps = 60");
        config.validate().unwrap();
        let text = toml::to_string(&config).unwrap();
        assert!(text.contains("steps = 1200") && !text.contains("epochs = 20"), "{text}");
        assert_eq!(read(&text), config);
        // Recipes that state no steps are written as before there were any.
        let text = toml::to_string(&FitConfig::default()).unwrap();
        assert!(
            !text.lines().any(|line| line.starts_with("steps") || line.starts_with("warmup_steps")),
            "{text}"
        );
        for (text, said) in [
            (
                "epochs = 20\nsteps = 1200",
                "epochs = 20 and steps = 1200 both say how long to train; give one",
            ),
            ("epochs = 0", "epochs 0 is not valid"),
            ("steps = 4000000000", "steps 4000000000 is not valid"),
            ("steps = 10\nwarmup_steps = 11", "warmup_steps 11 is not valid; give a number from 0 to steps"),
            (
                "warmup_epochs = 1\nwarmup_steps = 5",
                "warmup_epochs = 1 and warmup_steps = 5 both say how long",
            ),
        ] {
            let error = read(text).validate().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.to_string().starts_with(said), "{error}");
        }
        // A schedule is not stretched by more steps; a constant rate goes on.
        let longer = |config: &FitConfig| FitConfig { steps: 2400, ..config.clone() }.continues(config);
        assert!(longer(&config));
        assert!(!longer(&FitConfig { schedule: Schedule::Cosine, ..config }));
    }

    #[test]
    fn the_seed_of_every_member_can_be_written_in_toml() {
        for members in [1, 2, 7, 100] {
            let most = (1 << 63) / u64::from(members) - 1;
            let config = FitConfig { seed: most, members, ..FitConfig::default() };
            config.validate().unwrap();
            let last = FitConfig { seed: config.member_seed(members - 1).unwrap(), ..FitConfig::default() };
            assert_eq!(toml::from_str::<FitConfig>(&toml::to_string(&last).unwrap()).unwrap(), last);
            let error = FitConfig { seed: most + 1, ..config }.validate().unwrap_err();
            assert!(error.to_string().contains(&format!("a number up to {most}")), "{error}");
        }
    }

    #[test]
    fn invalid_values_are_refused_by_the_name_of_their_option() {
        let network = |network| FitConfig { network: NetworkConfig::new(network), ..FitConfig::default() };
        let cases = [
            (FitConfig { epochs: 0, ..FitConfig::default() }, "epochs 0"),
            (FitConfig { batch_size: 0, ..FitConfig::default() }, "batch_size 0"),
            (FitConfig { lr: f64::NAN, ..FitConfig::default() }, "lr NaN"),
            (FitConfig { lr: -1.0, ..FitConfig::default() }, "lr -1"),
            (FitConfig { seed: u64::MAX, ..FitConfig::default() }, "seed 18446744073709551615"),
            (FitConfig { members: 0, ..FitConfig::default() }, "members 0"),
            (FitConfig { threads: 5000, ..FitConfig::default() }, "threads 5000"),
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
