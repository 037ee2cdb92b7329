//! What a recipe says of `cnn-bilstm-attention`.

use ser_core::Result;
use serde::{Deserialize, Serialize};

use crate::network::sizes::{share, units};
use crate::network::{Arch, Sizes};

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
    fn arch(&self) -> Arch {
        Arch::CnnBilstmAttention
    }

    fn validate(&self) -> Result<()> {
        units("channels", &self.channels)?;
        units("hidden", &[self.hidden])?;
        units("attention", &[self.attention])?;
        units("dense", &[self.dense])?;
        share("dropout", self.dropout)
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
