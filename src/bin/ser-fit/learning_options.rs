//! Options for everything that decides what a network learns: those of a recipe that a resumed run cannot change.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use ser::{choice, set};
use ser_core::{Error, ErrorKind, Result};
use ser_features::augmentation::AugmentationRecipe;
use ser_model::network::{Arch, FinetuneConfig, LoraTarget, NetworkConfig, Tune};
use ser_model::{
    Averaging, BatchNorm, ClassWeights, FeatureNormalisation, FitConfig, Optimizer, Precision, Sampling,
    Schedule, Selection, ShippedRecipe,
};

/// What a network learns from and how. Each overrides the recipe.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Recipe")]
pub(crate) struct LearningOptions {
    /// Feature set in the cache: the start of its name, or a preset that it was computed by [default: the newest]
    #[arg(long, value_name = "ID")]
    feature_set: Option<String>,
    // Not as documentation, which would read the brackets as HTML.
    #[arg(
        long,
        value_name = "PROTOCOL",
        conflicts_with = "protocols",
        help = "Protocol: random, word, speaker-<ID>, speakers-<i>-of-<k>, corpus-<NAME>, official or official-<FOLD> [default: random]"
    )]
    split: Option<String>,
    /// Architecture of the network; its sizes are those of the recipe, if that has the same, or else its defaults
    /// [default: cnn-bilstm]
    #[arg(long, value_parser = architecture())]
    arch: Option<Arch>,
    /// Dropout rate of the head's units in training [default: 0.3]
    #[arg(long, value_name = "SHARE")]
    dropout: Option<f64>,
    /// What of the encoder of a finetune network is trained [default: lora]
    #[arg(long, value_parser = choice::<Tune>(), value_name = "WHAT")]
    tune: Option<Tune>,
    /// Rank of the matrices that --tune lora adds [default: 8]
    #[arg(long, value_name = "RANK")]
    lora_rank: Option<u32>,
    /// What their product is multiplied by, times the rank [default: 16]
    #[arg(long, value_name = "ALPHA")]
    lora_alpha: Option<f64>,
    /// The matrices of each layer that they are added to, separated by commas [default: query,value]
    #[arg(long, value_parser = choice::<LoraTarget>(), value_name = "TARGETS", value_delimiter = ',')]
    lora_targets: Option<Vec<LoraTarget>>,
    /// How many layers of the encoder --tune top trains [default: 4]
    #[arg(long, value_name = "LAYERS")]
    top_layers: Option<u32>,
    /// What the learning rate is multiplied by for layers of the encoder that --tune top or all trains [default: 0.1]
    #[arg(long, value_name = "FACTOR")]
    encoder_lr_scale: Option<f64>,
    /// What it is multiplied by once more for each layer below the last [default: 1]
    #[arg(long, value_name = "FACTOR")]
    layer_lr_decay: Option<f64>,
    /// Parts of a batch that go through a finetune network one after the other, to need less memory [default: 1]
    #[arg(long, value_name = "PARTS")]
    gradient_accumulation: Option<u32>,
    /// Compute values inside of the layers of a finetune network's encoder again in the backward pass instead of keeping
    /// them: less memory, more time
    #[arg(long)]
    gradient_checkpointing: bool,
    /// Utterances in a step [default: 32]
    #[arg(long)]
    batch_size: Option<u32>,
    /// How weights follow the gradient [default: adam]
    #[arg(long, value_parser = choice::<Optimizer>())]
    optimizer: Option<Optimizer>,
    /// Highest learning rate [default: 0.001]
    #[arg(long)]
    lr: Option<f64>,
    /// How the learning rate changes over the run [default: constant]
    #[arg(long, value_parser = choice::<Schedule>())]
    schedule: Option<Schedule>,
    /// Epochs over which the learning rate rises from 0, or a fraction of one [default: 0]
    #[arg(long, value_name = "EPOCHS", conflicts_with = "warmup_steps")]
    warmup_epochs: Option<f64>,
    /// Steps over which the learning rate rises from 0 [default: as many as --warmup-epochs has]
    #[arg(long, value_name = "STEPS")]
    warmup_steps: Option<u32>,
    /// Share of the highest learning rate that cosine and one-cycle end at [default: 0.02]
    #[arg(long, value_name = "SHARE")]
    final_lr: Option<f64>,
    /// Weight decay [default: 0]
    #[arg(long)]
    weight_decay: Option<f64>,
    /// Norm that gradients are clipped to; 0 for no clipping [default: 0]
    #[arg(long, value_name = "NORM")]
    gradient_clip: Option<f64>,
    /// Label smoothing: share of the target spread evenly over the classes [default: 0]
    #[arg(long, value_name = "SHARE")]
    label_smoothing: Option<f64>,
    /// Average of the weights that is evaluated and kept instead of them [default: none]
    #[arg(long, value_parser = choice::<Averaging>())]
    averaging: Option<Averaging>,
    /// Share of the exponential moving average that stays at a step [default: 0.98]
    #[arg(long, value_name = "SHARE")]
    ema_decay: Option<f64>,
    /// Epoch at whose beginning averaging starts, also of a run that is so many --steps long [default: 3]
    #[arg(long, value_name = "EPOCH")]
    average_from: Option<u32>,
    /// Recipe in TOML by which utterances of the training side are augmented while the network learns
    #[arg(long, value_name = "FILE")]
    augment: Option<PathBuf>,
    /// Seed of initial weights, order, dropout and augmentation [default: 0]
    #[arg(long)]
    seed: Option<u64>,
    /// Networks to train, each with its own seed, that predict together as one ensemble [default: 1]
    #[arg(long, value_name = "NUMBER")]
    members: Option<u32>,
    /// Which epoch's weights are kept [default: accuracy]
    #[arg(long, value_parser = choice::<Selection>())]
    select: Option<Selection>,
    /// Bring each coefficient to mean 0 and standard deviation 1 over what [default: none]
    #[arg(long, value_parser = choice::<FeatureNormalisation>(), value_name = "OVER")]
    feature_normalisation: Option<FeatureNormalisation>,
    /// Over what BatchNorm takes its statistics where several ranks train together [default: synchronised]
    #[arg(long, value_parser = choice::<BatchNorm>(), value_name = "OVER")]
    batch_norm: Option<BatchNorm>,
    /// How much each class weighs in the loss [default: none]
    #[arg(long, value_parser = choice::<ClassWeights>(), value_name = "WEIGHTS")]
    class_weights: Option<ClassWeights>,
    /// In what order the utterances of an epoch come [default: shuffled]
    #[arg(long, value_parser = choice::<Sampling>(), value_name = "ORDER")]
    sampling: Option<Sampling>,
    /// Arithmetic that the network learns in [default: auto]
    #[arg(long, value_parser = choice::<Precision>())]
    precision: Option<Precision>,
    /// Arithmetic that it is validated in after each epoch; reports are in f32 [default: f32]
    #[arg(long, value_parser = choice::<Precision>(), value_name = "PRECISION")]
    validation_precision: Option<Precision>,
    /// Recipe that comes with ser; options given here override it
    #[arg(long, value_parser = choice::<ShippedRecipe>(), value_name = "NAME", conflicts_with = "config")]
    recipe: Option<ShippedRecipe>,
    /// Recipe in TOML; options given here override it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl LearningOptions {
    /// The requested recipe: that of `--recipe` or `--config`, or else the default one, with the given options.
    ///
    /// # Errors
    /// When a file cannot be read or is not a recipe.
    pub(crate) fn recipe(&self) -> Result<FitConfig> {
        let mut config = match (self.recipe, &self.config) {
            (Some(shipped), _) => shipped.recipe()?,
            (None, Some(path)) => FitConfig::read(path)?,
            (None, None) => FitConfig::default(),
        };
        if let Some(name) = &self.feature_set {
            // Empty is the newest, as in a file.
            config.feature_set = Some(name.clone()).filter(|name| !name.is_empty());
        }
        set(&mut config.split, &self.split);
        if let Some(arch) = self.arch.filter(|arch| *arch != config.network.arch()) {
            config.network = arch.default_network();
        }
        self.tune(&mut config)?;
        if let Some(share) = self.dropout {
            config.network.set_dropout(share);
        }
        set(&mut config.batch_size, &self.batch_size);
        set(&mut config.optimizer, &self.optimizer);
        set(&mut config.lr, &self.lr);
        set(&mut config.schedule, &self.schedule);
        if self.warmup_epochs.is_some() || self.warmup_steps.is_some() {
            config.warmup_epochs = self.warmup_epochs.unwrap_or(0.0);
            config.warmup_steps = self.warmup_steps.unwrap_or(0);
        }
        set(&mut config.final_lr, &self.final_lr);
        set(&mut config.weight_decay, &self.weight_decay);
        set(&mut config.gradient_clip, &self.gradient_clip);
        set(&mut config.label_smoothing, &self.label_smoothing);
        set(&mut config.averaging, &self.averaging);
        set(&mut config.ema_decay, &self.ema_decay);
        set(&mut config.average_from, &self.average_from);
        set(&mut config.augment, &self.augment.as_deref().map(AugmentationRecipe::read).transpose()?);
        set(&mut config.seed, &self.seed);
        set(&mut config.members, &self.members);
        set(&mut config.select, &self.select);
        set(&mut config.feature_normalisation, &self.feature_normalisation);
        set(&mut config.batch_norm, &self.batch_norm);
        set(&mut config.class_weights, &self.class_weights);
        set(&mut config.sampling, &self.sampling);
        set(&mut config.precision, &self.precision);
        set(&mut config.validation_precision, &self.validation_precision);
        Ok(config)
    }
}

impl LearningOptions {
    /// Changes what of an encoder is trained.
    ///
    /// # Errors
    /// When the network begins with none.
    fn tune(&self, config: &mut FitConfig) -> Result<()> {
        let given = self.tune.is_some()
            || self.lora_rank.is_some()
            || self.lora_alpha.is_some()
            || self.lora_targets.is_some()
            || self.top_layers.is_some()
            || self.encoder_lr_scale.is_some()
            || self.layer_lr_decay.is_some()
            || self.gradient_accumulation.is_some()
            || self.gradient_checkpointing;
        if !given {
            return Ok(());
        }
        let Some(sizes) = config.network.sizes::<FinetuneConfig>() else {
            let what = format!("a {} network begins with no encoder to tune", config.network.arch().name());
            return Err(Error::new(ErrorKind::Usage, what).help("give --arch finetune"));
        };
        let mut sizes = sizes.clone();
        set(&mut sizes.tune, &self.tune);
        set(&mut sizes.lora_rank, &self.lora_rank);
        set(&mut sizes.lora_alpha, &self.lora_alpha);
        set(&mut sizes.lora_targets, &self.lora_targets);
        set(&mut sizes.top_layers, &self.top_layers);
        set(&mut sizes.encoder_lr_scale, &self.encoder_lr_scale);
        set(&mut sizes.layer_lr_decay, &self.layer_lr_decay);
        set(&mut sizes.gradient_accumulation, &self.gradient_accumulation);
        sizes.gradient_checkpointing |= self.gradient_checkpointing;
        self.check_used_by(sizes.tune)?;
        config.network = NetworkConfig::new(sizes);
        Ok(())
    }
}

impl LearningOptions {
    /// Refuses options of another way of tuning, which would change nothing.
    fn check_used_by(&self, tune: Tune) -> Result<()> {
        const LORA: &[Tune] = &[Tune::Lora];
        const TOP: &[Tune] = &[Tune::Top];
        const OWN: &[Tune] = &[Tune::Top, Tune::All];
        let options = [
            ("--lora-rank", self.lora_rank.is_some(), LORA),
            ("--lora-alpha", self.lora_alpha.is_some(), LORA),
            ("--lora-targets", self.lora_targets.is_some(), LORA),
            ("--top-layers", self.top_layers.is_some(), TOP),
            ("--encoder-lr-scale", self.encoder_lr_scale.is_some(), OWN),
            ("--layer-lr-decay", self.layer_lr_decay.is_some(), OWN),
        ];
        let unused = options.into_iter().find(|(_, given, used_by)| *given && !used_by.contains(&tune));
        let Some((option, _, used_by)) = unused else { return Ok(()) };
        let ways: Vec<String> = used_by.iter().map(|tune| format!("--tune {tune}")).collect();
        let what = format!("{option} changes nothing with --tune {tune}");
        Err(Error::new(ErrorKind::Usage, what).help(format!("give {}, or leave it out", ways.join(" or "))))
    }
}

/// The architectures, by name.
fn architecture() -> impl TypedValueParser<Value = Arch> {
    let all = Arch::all().into_iter().map(|arch| PossibleValue::new(arch.name()).help(arch.summary()));
    PossibleValuesParser::new(all).try_map(|name| Arch::named(&name))
}
