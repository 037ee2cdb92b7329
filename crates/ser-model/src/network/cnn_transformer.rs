//! What a recipe says of `cnn-transformer`.

use ser_core::Result;
use serde::{Deserialize, Serialize};

use crate::network::sizes::{depth, share, units, width_of_heads};
use crate::network::{Arch, Sizes};

/// Sizes of `cnn-transformer`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CnnTransformerConfig {
    /// Channels of the two convolutions.
    pub channels: [u32; 2],
    /// Units at a position of the encoder; even, and a multiple of `heads`.
    pub width: u32,
    /// Layers of the encoder.
    pub layers: u32,
    /// Heads of its attention.
    pub heads: u32,
    /// Units of its feed-forward parts.
    pub feed_forward: u32,
    /// Units of the dense layer.
    pub dense: u32,
    /// Share of dense units dropped in training.
    pub dropout: f64,
    /// Share dropped in training of what goes into the encoder and of what each part of a layer adds.
    pub encoder_dropout: f64,
}

impl Default for CnnTransformerConfig {
    fn default() -> Self {
        Self {
            channels: [32, 64],
            width: 128,
            layers: 2,
            heads: 4,
            feed_forward: 256,
            dense: 128,
            dropout: 0.3,
            encoder_dropout: 0.1,
        }
    }
}

impl Sizes for CnnTransformerConfig {
    fn arch(&self) -> Arch {
        Arch::CnnTransformer
    }

    fn validate(&self) -> Result<()> {
        units("channels", &self.channels)?;
        width_of_heads(self.width, self.heads)?;
        depth("layers", self.layers)?;
        units("feed_forward", &[self.feed_forward])?;
        units("dense", &[self.dense])?;
        share("dropout", self.dropout)?;
        share("encoder_dropout", self.encoder_dropout)
    }

    fn least_bands_and_frames(&self) -> [usize; 2] {
        [4, 1] // two poolings of bands leave something
    }

    fn widest_layer(&self, bands: usize) -> usize {
        self.channels[1] as usize * (bands / 4)
    }

    fn dropout(&mut self) -> &mut f64 {
        &mut self.dropout
    }
}
