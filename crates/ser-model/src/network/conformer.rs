//! What a recipe says of `conformer`.

use ser_core::Result;
use serde::{Deserialize, Serialize};

use crate::network::sizes::{depth, invalid_size, share, units, width_of_heads};
use crate::network::{Arch, Sizes};

/// Sizes of `conformer`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConformerConfig {
    /// Channels of the two strided convolutions.
    pub channels: [u32; 2],
    /// Units at a position of the blocks; even, and a multiple of `heads`.
    pub width: u32,
    /// Blocks.
    pub blocks: u32,
    /// Heads of their attention.
    pub heads: u32,
    /// Units of their feed-forward parts.
    pub feed_forward: u32,
    /// Positions that their convolutions see; odd.
    pub kernel: u32,
    /// Units of the dense layer.
    pub dense: u32,
    /// Share of dense units dropped in training.
    pub dropout: f64,
    /// Share dropped in training of what goes into the blocks and of what each part of a block adds.
    pub encoder_dropout: f64,
}

impl Default for ConformerConfig {
    fn default() -> Self {
        Self {
            channels: [32, 32],
            width: 96,
            blocks: 2,
            heads: 4,
            feed_forward: 384,
            kernel: 15,
            dense: 128,
            dropout: 0.3,
            encoder_dropout: 0.1,
        }
    }
}

impl Sizes for ConformerConfig {
    fn arch(&self) -> Arch {
        Arch::Conformer
    }

    fn validate(&self) -> Result<()> {
        units("channels", &self.channels)?;
        width_of_heads(self.width, self.heads)?;
        depth("blocks", self.blocks)?;
        units("feed_forward", &[self.feed_forward])?;
        units("dense", &[self.dense])?;
        if self.kernel.is_multiple_of(2) || self.kernel > 255 {
            let allowed = "an odd number from 1 to 255, so that it has a middle";
            return Err(invalid_size("kernel", &self.kernel.to_string(), allowed));
        }
        share("dropout", self.dropout)?;
        share("encoder_dropout", self.encoder_dropout)
    }

    fn least_bands_and_frames(&self) -> [usize; 2] {
        [1, 1] // its convolutions leave something of anything
    }

    fn widest_layer(&self, bands: usize) -> usize {
        self.channels[1] as usize * bands.div_ceil(4)
    }

    fn dropout(&mut self) -> &mut f64 {
        &mut self.dropout
    }
}
