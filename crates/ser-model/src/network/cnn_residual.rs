//! `cnn-residual`: a small residual network and statistics pooling, after K. He et al., "Deep residual learning for image
//! recognition", CVPR 2016, and D. Snyder et al., "X-vectors: robust DNN embeddings for speaker recognition", ICASSP
//! 2018.
//!
//! ```text
//! [B, channel, band, T] → Conv2d 5×5, stride 2 → BatchNorm → ReLU
//!                       → residual block, stride 2
//!                       → residual block, stride 2
//!                       → [B, channel · band/8, T/8] → Conv1d 3 → ReLU
//!                       → mean and standard deviation over the first ⌈frames/8⌉ positions
//!                       → Dropout → Linear → ReLU → Dropout → Linear → [B, class]
//! ```
//!
//! It halves bands and frames in its first convolution, before anything costly is computed.

use ser_core::Result;
use serde::{Deserialize, Serialize};

use super::checks::{share, units};
use super::{Activation, Description, Layer, Sizes};

/// Sizes of `cnn-residual`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CnnResidualConfig {
    /// Channels of the first convolution and of the two residual blocks.
    pub channels: [u32; 3],
    /// Channels of the convolution over frames, of which mean and standard deviation are taken.
    pub frame_channels: u32,
    /// Units of the dense layer.
    pub dense: u32,
    /// Share dropped in training, of the statistics and of the dense units.
    pub dropout: f64,
}

impl Default for CnnResidualConfig {
    fn default() -> Self {
        Self { channels: [16, 32, 64], frame_channels: 128, dense: 128, dropout: 0.3 }
    }
}

impl Sizes for CnnResidualConfig {
    const NAME: &'static str = "cnn-residual";
    const SUMMARY: &'static str = "A strided convolution, two residual blocks and one convolution over time, mean and standard deviation over frames";

    fn validate(&self) -> Result<()> {
        units("channels", &self.channels)?;
        units("frame_channels", &[self.frame_channels])?;
        units("dense", &[self.dense])?;
        share("dropout", self.dropout)
    }

    fn describe(&self, classes: u32) -> Description {
        let [first, second, third] = self.channels;
        let block = |name: &str, channels| Layer::ResidualBlock { name: name.to_owned(), channels };
        let mut layers = vec![
            Layer::StridedBlock {
                conv: "cnn.0".to_owned(),
                norm: "cnn.1".to_owned(),
                channels: first,
                kernel: 5,
            },
            block("blocks.0", second),
            block("blocks.1", third),
            Layer::Conv1d { name: "frames".to_owned(), channels: self.frame_channels, kernel: 3 },
            Layer::Activation(Activation::Relu),
            Layer::MeanAndDeviation,
            Layer::Dropout(self.dropout),
        ];
        layers.extend(Layer::head(self.dense, self.dropout, classes));
        Description::new(layers)
    }

    fn dropout(&mut self) -> &mut f64 {
        &mut self.dropout
    }
}
