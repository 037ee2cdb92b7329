//! The default network, `cnn-bilstm`.
//!
//! ```text
//! [B, channel, band, T] → Conv2d 3×3 → BatchNorm → MaxPool 2 → ReLU
//!                       → Conv2d 3×3 → BatchNorm → MaxPool 2 → ReLU
//!                       → [B, T/4, channel · band/4] → BiLSTM → mean over the first ⌈frames/4⌉ positions
//!                       → Linear → ReLU → Dropout → Linear → [B, class]
//! ```
//!
//! Every utterance has T frames, of which the first are real and the rest zero. The LSTM reads them all, in both
//! directions, so that logits are defined for zero padding alone; the mean leaves the padding out.

use ser_core::Result;
use serde::{Deserialize, Serialize};

use super::checks::{share, units};
use super::{Description, Layer, Padding, Sizes};

/// Sizes of `cnn-bilstm`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CnnBilstmConfig {
    /// Channels of the two convolutions.
    pub channels: [u32; 2],
    /// Hidden units of the LSTM in each direction.
    pub hidden: u32,
    /// Units of the dense layer.
    pub dense: u32,
    /// Share of dense units dropped in training.
    pub dropout: f64,
}

impl Default for CnnBilstmConfig {
    fn default() -> Self {
        Self { channels: [32, 64], hidden: 128, dense: 128, dropout: 0.3 }
    }
}

impl Sizes for CnnBilstmConfig {
    const NAME: &'static str = "cnn-bilstm";
    const SUMMARY: &'static str = "Two convolutions, a bidirectional LSTM, the mean over frames";

    fn validate(&self) -> Result<()> {
        units("channels", &self.channels)?;
        units("hidden", &[self.hidden])?;
        units("dense", &[self.dense])?;
        share("dropout", self.dropout)
    }

    fn describe(&self, classes: u32) -> Description {
        let block = |conv: &str, norm: &str, channels| Layer::ConvBlock {
            conv: conv.to_owned(),
            norm: norm.to_owned(),
            channels,
            pool: [2, 2],
            bias: true,
        };
        let mut layers = vec![
            block("cnn.0", "cnn.1", self.channels[0]),
            block("cnn.4", "cnn.5", self.channels[1]),
            Layer::lstm("lstm", self.hidden),
            Layer::Mean,
        ];
        layers.extend(Layer::head(self.dense, self.dropout, classes));
        // The order of the first checkpoints.
        let order = &["cnn.0", "cnn.4", "head", "cnn.1", "cnn.5", "lstm"];
        Description { padding: Padding::Read, order, ..Description::new(layers) }
    }

    fn dropout(&mut self) -> &mut f64 {
        &mut self.dropout
    }
}
