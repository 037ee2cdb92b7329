//! What a recipe says of `cnn-statistics`.

use ser_core::Result;
use serde::{Deserialize, Serialize};

use crate::network::sizes::{share, units};
use crate::network::{Arch, Sizes};

/// Sizes of `cnn-statistics`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CnnStatisticsConfig {
    /// What the network sees of the features: one branch of all its layers for each view.
    pub views: Views,
    /// Channels of the three convolutions over bands and frames.
    pub channels: [u32; 3],
    /// Channels of the convolution over frames, of which mean and standard deviation are taken.
    pub frame_channels: u32,
    /// Units of the dense layer.
    pub dense: u32,
    /// Share dropped in training, of the statistics and of the dense units.
    pub dropout: f64,
}

impl Default for CnnStatisticsConfig {
    fn default() -> Self {
        let views = Views::Features;
        Self { views, channels: [32, 64, 64], frame_channels: 256, dense: 128, dropout: 0.3 }
    }
}

impl Sizes for CnnStatisticsConfig {
    fn arch(&self) -> Arch {
        Arch::CnnStatistics
    }

    fn validate(&self) -> Result<()> {
        units("channels", &self.channels)?;
        units("frame_channels", &[self.frame_channels])?;
        units("dense", &[self.dense])?;
        share("dropout", self.dropout)
    }

    fn least_bands_and_frames(&self) -> [usize; 2] {
        [8, 1] // three poolings of bands leave something
    }

    fn widest_layer(&self, bands: usize) -> usize {
        self.channels[2] as usize * (bands / 8)
    }

    fn dropout(&mut self) -> &mut f64 {
        &mut self.dropout
    }
}

/// What a network sees of its features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Views {
    /// The features as they are.
    #[default]
    Features,
    /// Beside them their cepstrum, the orthonormal DCT-II over the band axis, in a branch with weights of its own. Each
    /// branch learns for itself; the network's answer is the mean of their log-probabilities.
    FeaturesAndCepstrum,
}
