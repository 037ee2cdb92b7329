//! `cnn-statistics`: convolutions and statistics pooling, after the x-vectors of D. Snyder et al., "X-vectors: robust DNN
//! embeddings for speaker recognition", ICASSP 2018.
//!
//! ```text
//! [B, channel, band, T] → Conv2d 3×3 → BatchNorm → MaxPool 2×2 → ReLU
//!                       → Conv2d 3×3 → BatchNorm → MaxPool 2×2 → ReLU
//!                       → Conv2d 3×3 → BatchNorm → MaxPool 2×1 (bands alone) → ReLU
//!                       → [B, channel · band/8, T/4] → Conv1d 3 → ReLU
//!                       → mean and standard deviation over the first ⌈frames/4⌉ positions
//!                       → Dropout → Linear → ReLU → Dropout → Linear → [B, class]
//! ```
//!
//! With two views there are two of these branches, the second one over the cepstrum of the features.

use ser_core::Result;
use serde::{Deserialize, Serialize};

use super::checks::{share, units};
use super::{Activation, Branch, Description, Layer, Padding, Sizes, View};

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
    const NAME: &'static str = "cnn-statistics";
    const SUMMARY: &'static str = "Three convolutions and one over time, mean and standard deviation over frames; one or two views of the features";

    fn validate(&self) -> Result<()> {
        units("channels", &self.channels)?;
        units("frame_channels", &[self.frame_channels])?;
        units("dense", &[self.dense])?;
        share("dropout", self.dropout)
    }

    fn describe(&self, classes: u32) -> Description {
        let mut layers = vec![
            Layer::conv_block("cnn.0", "cnn.1", self.channels[0], [2, 2]),
            Layer::conv_block("cnn.2", "cnn.3", self.channels[1], [2, 2]),
            Layer::conv_block("cnn.4", "cnn.5", self.channels[2], [2, 1]),
            Layer::Conv1d { name: "frames".to_owned(), channels: self.frame_channels, kernel: 3 },
            Layer::Activation(Activation::Relu),
            Layer::MeanAndDeviation,
            Layer::Dropout(self.dropout),
        ];
        layers.extend(Layer::head(self.dense, self.dropout, classes));
        let views = match self.views {
            Views::Features => &[View::Features][..],
            Views::FeaturesAndCepstrum => &[View::Features, View::Cepstrum],
        };
        let branches = views.iter().enumerate().map(|(number, &view)| Branch {
            view,
            prefix: format!("views.{number}."),
            layers: layers.clone(),
        });
        Description { padding: Padding::Masked, branches: branches.collect(), order: &[] }
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
