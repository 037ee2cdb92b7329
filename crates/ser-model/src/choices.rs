//! The choices a recipe is made of, each with the names it has on the command line and in TOML.

use serde::{Deserialize, Serialize};

/// Which epoch's weights are kept.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumMessage,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "lowercase")]
pub enum Selection {
    /// That of the highest validation accuracy, correct / all.
    #[default]
    Accuracy,
    /// That of the highest mean recall over classes on the validation side.
    Uar,
    /// None: the last epoch is kept, for recipes whose length is chosen beforehand.
    Last,
}

impl Selection {
    /// How the epoch was chosen that the weights are of, as the rest of a sentence.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Accuracy => "chosen by the highest validation accuracy",
            Self::Uar => "chosen by the highest UAR of the validation side",
            Self::Last => "that was fixed beforehand, the last",
        }
    }
}

/// Over what each coefficient of the features is brought to mean 0 and standard deviation 1.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumMessage,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "lowercase")]
pub enum FeatureNormalisation {
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

/// Over what BatchNorm takes its statistics where several ranks train together.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumMessage,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "lowercase")]
pub enum BatchNorm {
    /// The whole batch, as one process does
    #[default]
    Synchronised,
    /// The part of the batch that a rank holds, without a word from the others: faster, and another network than one process
    /// would train
    Local,
}

/// How much each class weighs in the loss.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumMessage,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "lowercase")]
pub enum ClassWeights {
    /// Every utterance the same
    #[default]
    None,
    /// Every class the same: an utterance of a small class more
    Balanced,
}

/// In what order the utterances of an epoch come.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumMessage,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "lowercase")]
pub enum Sampling {
    /// Each once, shuffled
    #[default]
    Shuffled,
    /// Every class equally often: utterances of small classes more than once, of large ones not all
    Balanced,
}

/// Arithmetic of the network.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumMessage,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// bf16 where the processor computes with it natively, otherwise f32.
    #[default]
    Auto,
    /// 32-bit floating point throughout.
    F32,
    /// Convolutions and LSTM compute in bfloat16, which has the range of f32 and 8 bits of its precision; weights,
    /// BatchNorm's statistics, the dense layers and the optimiser stay in f32.
    Bf16,
}

/// How weights follow the gradient.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumMessage,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// Adam (Kingma & Ba, 2015); weight decay is added to the gradient
    #[default]
    Adam,
    /// Adam with weight decay apart from the gradient (Loshchilov & Hutter, 2019)
    Adamw,
}

/// How the learning rate changes over a run.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumMessage,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Not at all, after the warm-up
    #[default]
    Constant,
    /// Along half a cosine down to the final share (Loshchilov & Hutter, 2017)
    Cosine,
    /// Up from a 25th along a cosine in the first 30 % of the steps, or in the warm-up if one is given, then down along a
    /// cosine to the final share (Smith & Topin, 2019)
    OneCycle,
}

/// Which average over the course of training is evaluated and kept in place of the newest weights.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumMessage,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "lowercase")]
pub enum Averaging {
    /// None: the newest weights
    #[default]
    None,
    /// Exponential moving average over steps
    Ema,
    /// Stochastic weight averaging: the mean over the ends of epochs (Izmailov et al., 2018)
    Swa,
}
