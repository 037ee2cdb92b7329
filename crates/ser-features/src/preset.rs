//! Configurations that have a name.

use crate::FeatureConfig;

/// A named configuration to start from.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    strum::Display,
    strum::EnumMessage,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Preset {
    /// 512-sample frames every 256 samples, 64 mel bands.
    #[default]
    Default,
    /// librosa's own defaults: 2,048-sample frames every 512 samples, 128 mel bands.
    Librosa,
    /// For unseen speakers: 40 log mel bands, trimmed to speech, each band's mean subtracted, no derivatives.
    LogMel,
    /// The same with 40 MFCC of 80 bands.
    MfccMeanSubtracted,
}

impl Preset {
    /// The configuration.
    pub fn config(self) -> FeatureConfig {
        match self {
            Self::Default => FeatureConfig::default(),
            Self::Librosa => FeatureConfig::librosa(),
            Self::LogMel => FeatureConfig::log_mel(),
            Self::MfccMeanSubtracted => FeatureConfig::mfcc_mean_subtracted(),
        }
    }
}
