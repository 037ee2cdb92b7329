//! `cnn-bilstm-attention`: as the default network, but masked, and pooled by attention.
//!
//! ```text
//! [B, channel, band, T] → Conv2d 3×3 → BatchNorm → MaxPool 2 → ReLU
//!                       → Conv2d 3×3 → BatchNorm → MaxPool 2 → ReLU
//!                       → [B, T/4, channel · band/4] → BiLSTM over the first ⌈frames/4⌉ positions
//!                       → attentive mean and standard deviation over them
//!                       → Linear → ReLU → Dropout → Linear → [B, class]
//! ```

use ser_core::Result;
use serde::{Deserialize, Serialize};

use super::checks::{share, units};
use super::{Description, Layer, Sizes};

/// Sizes of `cnn-bilstm-attention`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CnnBilstmAttentionConfig {
    /// Channels of the two convolutions.
    pub channels: [u32; 2],
    /// Hidden units of the LSTM in each direction.
    pub hidden: u32,
    /// Hidden units of the layer that weighs frames.
    pub attention: u32,
    /// Units of the dense layer.
    pub dense: u32,
    /// Share of dense units dropped in training.
    pub dropout: f64,
}

impl Default for CnnBilstmAttentionConfig {
    fn default() -> Self {
        Self { channels: [32, 64], hidden: 128, attention: 64, dense: 128, dropout: 0.3 }
    }
}

impl Sizes for CnnBilstmAttentionConfig {
    const NAME: &'static str = "cnn-bilstm-attention";
    const SUMMARY: &'static str = "Two convolutions, a bidirectional LSTM, mean and standard deviation over frames weighted by attention";

    fn validate(&self) -> Result<()> {
        units("channels", &self.channels)?;
        units("hidden", &[self.hidden])?;
        units("attention", &[self.attention])?;
        units("dense", &[self.dense])?;
        share("dropout", self.dropout)
    }

    fn describe(&self, classes: u32) -> Description {
        let mut layers = Layer::conv_front(self.channels).to_vec();
        layers.push(Layer::lstm("lstm", self.hidden));
        layers.push(Layer::AttentivePooling {
            hidden: "attention.0".to_owned(),
            score: "attention.2".to_owned(),
            units: self.attention,
        });
        layers.extend(Layer::head(self.dense, self.dropout, classes));
        Description::new(layers)
    }

    fn dropout(&mut self) -> &mut f64 {
        &mut self.dropout
    }
}
