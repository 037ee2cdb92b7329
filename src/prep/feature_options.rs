//! Options for every parameter of feature extraction.

use std::path::PathBuf;

use clap::Args;
use ser_audio::LevelNormalisation;
use ser_core::{Error, Result};
use ser_features::{FeatureConfig, MelNorm, MelScale, PadMode, Preset, Representation, Window};

use crate::{choice, set};

/// Parameters of the features. Each overrides the file, which overrides the preset.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = "Features")]
pub(super) struct FeatureOptions {
    /// Read parameters from this TOML file
    #[arg(long, value_name = "FILE", conflicts_with = "preset")]
    features: Option<PathBuf>,
    /// Start from these parameters
    #[arg(long, value_parser = choice::<Preset>())]
    preset: Option<Preset>,
    /// Sample rate all recordings are brought to, Hz [default: 16000]
    #[arg(long, value_name = "HZ")]
    sample_rate: Option<u32>,
    /// How the level of each recording is normalised [default: peak]
    #[arg(long, value_parser = choice::<LevelNormalisation>())]
    normalisation: Option<LevelNormalisation>,
    /// Samples of a frame [default: 512]
    #[arg(long, value_name = "SAMPLES")]
    n_fft: Option<usize>,
    /// Samples under the window [default: 512, or n_fft if that is given]
    #[arg(long, value_name = "SAMPLES")]
    win_length: Option<usize>,
    /// Samples from one frame to the next [default: 256]
    #[arg(long, value_name = "SAMPLES")]
    hop_length: Option<usize>,
    /// Shape of the window [default: hann]
    #[arg(long, value_parser = choice::<Window>())]
    window: Option<Window>,
    /// Whether frames are centred on their sample and the clip is padded [default: true]
    #[arg(long, value_name = "BOOL")]
    center: Option<bool>,
    /// What the padding holds [default: constant, zeros]
    #[arg(long, value_parser = choice::<PadMode>())]
    pad_mode: Option<PadMode>,
    /// Mel bands [default: 64]
    #[arg(long, value_name = "BANDS")]
    n_mels: Option<usize>,
    /// Lower edge of the lowest mel band, Hz [default: 0]
    #[arg(long, value_name = "HZ")]
    f_min: Option<f64>,
    /// Upper edge of the highest mel band, Hz [default: 8000]
    #[arg(long, value_name = "HZ")]
    f_max: Option<f64>,
    /// Mel scale [default: slaney]
    #[arg(long, value_parser = choice::<MelScale>())]
    mel_scale: Option<MelScale>,
    /// Scaling of the mel filters [default: slaney]
    #[arg(long, value_parser = choice::<MelNorm>())]
    mel_norm: Option<MelNorm>,
    /// Powers below this count as this [default: 1e-10]
    #[arg(long, value_name = "POWER")]
    amin: Option<f64>,
    /// Range kept below the loudest value of a clip, dB, or none [default: 80]
    #[arg(long, value_name = "DB", value_parser = number_or_none)]
    top_db: Option<Limit>,
    /// Cepstral coefficients kept [default: 40]
    #[arg(long, value_name = "NUMBER")]
    n_mfcc: Option<usize>,
    /// Frames a derivative is computed over [default: 9]
    #[arg(long, value_name = "FRAMES")]
    delta_width: Option<usize>,
    /// 0 for MFCC alone, 1 adds Δ, 2 adds Δ and ΔΔ [default: 2]
    #[arg(long, value_name = "ORDER")]
    delta_order: Option<usize>,
    /// What the rows of a tensor are [default: mfcc]
    #[arg(long, value_parser = choice::<Representation>())]
    representation: Option<Representation>,
    /// Leave out what is quieter than the loudest frame by this at both ends, dB, or none [default: none]
    #[arg(long, value_name = "DB", value_parser = number_or_none)]
    trim_top_db: Option<Limit>,
    /// Whether each row's mean over the utterance is subtracted from it [default: false]
    #[arg(long, value_name = "BOOL")]
    mean_subtraction: Option<bool>,
    /// Frames of a tensor: longer clips are cut at the end; `auto` takes the smallest multiple of 8 that keeps 99.5 % of the
    /// frames of all recordings [default: 200]
    #[arg(long, value_name = "FRAMES", value_parser = frames_or_auto)]
    max_frames: Option<MaxFrames>,
}

/// A range in dB, or none.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Limit(Option<f64>);

fn number_or_none(text: &str) -> Result<Limit, String> {
    match text {
        "none" => Ok(Limit(None)),
        _ => text
            .parse()
            .map(|number| Limit(Some(number)))
            .map_err(|_| "give a number of dB or none".to_owned()),
    }
}

/// Frames of a tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
enum MaxFrames {
    /// As many as the recordings need.
    Auto,
    Given(usize),
}

fn frames_or_auto(text: &str) -> Result<MaxFrames, String> {
    match text {
        "auto" => Ok(MaxFrames::Auto),
        _ => text.parse().map(MaxFrames::Given).map_err(|_| "give a number of frames or auto".to_owned()),
    }
}

impl FeatureOptions {
    /// Whether the recordings decide how many frames a tensor has.
    pub(super) fn choose_max_frames(&self) -> bool {
        self.max_frames == Some(MaxFrames::Auto)
    }

    /// The configuration asked for.
    ///
    /// # Errors
    /// When the file cannot be read or a value is not valid.
    pub(super) fn config(&self) -> Result<FeatureConfig> {
        let mut config = match (&self.features, self.preset.unwrap_or_default()) {
            (Some(path), _) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| Error::io("cannot be read", path, error))?;
                FeatureConfig::from_toml(&text).map_err(|error| error.at(path))?
            }
            (None, preset) => preset.config(),
        };
        set(&mut config.sample_rate, &self.sample_rate);
        set(&mut config.normalisation, &self.normalisation);
        set(&mut config.n_fft, &self.n_fft);
        set(&mut config.win_length, &self.win_length.or(self.n_fft));
        set(&mut config.hop_length, &self.hop_length);
        set(&mut config.window, &self.window);
        set(&mut config.center, &self.center);
        set(&mut config.pad_mode, &self.pad_mode);
        set(&mut config.n_mels, &self.n_mels);
        set(&mut config.f_min, &self.f_min);
        set(&mut config.f_max, &self.f_max);
        set(&mut config.mel_scale, &self.mel_scale);
        set(&mut config.mel_norm, &self.mel_norm);
        set(&mut config.amin, &self.amin);
        set(&mut config.top_db, &self.top_db.map(|Limit(value)| value));
        set(&mut config.n_mfcc, &self.n_mfcc);
        set(&mut config.delta_width, &self.delta_width);
        set(&mut config.delta_order, &self.delta_order);
        set(&mut config.representation, &self.representation);
        set(&mut config.trim_top_db, &self.trim_top_db.map(|Limit(value)| value));
        set(&mut config.mean_subtraction, &self.mean_subtraction);
        if let Some(MaxFrames::Given(frames)) = self.max_frames {
            config.max_frames = frames;
        }
        config.validate()?;
        Ok(config)
    }
}
