//! Configurations that have a name.

use ser_audio::LevelNormalisation;

use crate::{FeatureConfig, MelNorm, MelScale, Representation};

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
    /// 40 log mel bands, trimmed to speech, each band's mean subtracted, no derivatives (the recipe `unheard` uses coarse-log-mel).
    LogMel,
    /// The same with 40 MFCC of 80 bands.
    MfccMeanSubtracted,
    /// For the recipe `unheard`: 64 log mel bands every 32 ms, trimmed to speech, no derivatives.
    CoarseLogMel,
    /// For fine-tuning a pretrained encoder: the samples themselves at 16 kHz, the first 6 s; frames are samples.
    Waveform,
}

impl Preset {
    /// The configuration.
    pub fn config(self) -> FeatureConfig {
        match self {
            Self::Default => FeatureConfig::default(),
            Self::Librosa => FeatureConfig::librosa(),
            Self::LogMel => FeatureConfig::log_mel(),
            Self::MfccMeanSubtracted => FeatureConfig::mfcc_mean_subtracted(),
            Self::CoarseLogMel => FeatureConfig::coarse_log_mel(),
            Self::Waveform => FeatureConfig::waveform(),
        }
    }
}

impl FeatureConfig {
    /// librosa's own analysis: 2,048-sample frames every 512 samples, 128 mel bands. The rest is the default.
    pub fn librosa() -> Self {
        Self { n_fft: 2048, win_length: 2048, hop_length: 512, n_mels: 128, ..Self::default() }
    }

    /// 40 log mel bands from 60 to 7,600 Hz over the frames that hold speech, each band's mean subtracted; no derivatives:
    /// features for networks that are to understand speakers they have never heard.
    pub fn log_mel() -> Self {
        Self {
            representation: Representation::LOG_MEL,
            n_mels: 40,
            n_mfcc: 40,
            f_min: 60.0,
            f_max: 7_600.0,
            mel_scale: MelScale::Htk,
            mel_norm: MelNorm::None,
            top_db: Some(60.0),
            delta_order: 0,
            max_frames: 160,
            trim_top_db: Some(35.0),
            mean_subtraction: true,
            ..Self::default()
        }
    }

    /// 64 log mel bands from 60 to 7,600 Hz every 32 ms over the frames that hold speech; no derivatives. 200 frames are
    /// 6.4 s.
    pub fn coarse_log_mel() -> Self {
        Self {
            n_mels: 64,
            hop_length: 512,
            max_frames: 200,
            trim_top_db: Some(30.0),
            mean_subtraction: false,
            ..Self::log_mel()
        }
    }

    /// The same front end as [`log_mel`](Self::log_mel), with 40 cepstral coefficients of 80 bands.
    pub fn mfcc_mean_subtracted() -> Self {
        Self { representation: Representation::MFCC, n_mels: 80, ..Self::log_mel() }
    }

    /// The samples themselves, with the level they have: one frame a sample, at most 96,000, which are 6 s. Of the other
    /// parameters only the sample rate, the level's normalisation and the number of frames can differ.
    pub fn waveform() -> Self {
        Self {
            representation: Representation::WAVEFORM,
            normalisation: LevelNormalisation::None,
            n_fft: 1,
            win_length: 1,
            hop_length: 1,
            center: false,
            n_mels: 1,
            n_mfcc: 1,
            delta_order: 0,
            max_frames: 96_000,
            ..Self::default()
        }
    }
}
