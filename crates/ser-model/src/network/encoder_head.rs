//! `encoder-head`: a small head for the states of a pretrained encoder, whose layers are the channels of its features, after
//! the benchmark of S. Yang et al., "SUPERB: speech processing universal performance benchmark", Interspeech 2021.
//!
//! ```text
//! [B, layer, number, T] → Σ softmax(w)·layer → mean over real frames → Linear → ReLU → Dropout → Linear → [B, class]
//! ```
//!
//! States that were pooled over time are one frame.

use ser_core::Result;
use serde::{Deserialize, Serialize};

use super::checks::{share, units};
use super::{Description, Layer, Sizes};

/// Sizes of `encoder-head`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EncoderHeadConfig {
    /// Units of the dense layer.
    pub dense: u32,
    /// Share of dense units dropped in training.
    pub dropout: f64,
}

impl Default for EncoderHeadConfig {
    fn default() -> Self {
        Self { dense: 256, dropout: 0.3 }
    }
}

impl Sizes for EncoderHeadConfig {
    const NAME: &'static str = "encoder-head";
    const SUMMARY: &'static str =
        "A weighted sum of the layers of a pretrained encoder, the mean over frames, two linear layers";

    fn validate(&self) -> Result<()> {
        units("dense", &[self.dense])?;
        share("dropout", self.dropout)
    }

    fn describe(&self, classes: u32) -> Description {
        let mut layers = vec![Layer::ChannelMix { name: "layer_weights".to_owned() }, Layer::Mean];
        layers.extend(Layer::head(self.dense, self.dropout, classes));
        Description::new(layers)
    }

    fn dropout(&mut self) -> &mut f64 {
        &mut self.dropout
    }
}
