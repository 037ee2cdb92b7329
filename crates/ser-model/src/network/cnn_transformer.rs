//! `cnn-transformer`: convolutions, then the encoder of A. Vaswani et al., "Attention is all you need", NeurIPS 2017, with
//! layer normalisation before each part (R. Xiong et al., "On layer normalization in the transformer architecture", ICML
//! 2020), which learns without a warm-up.
//!
//! ```text
//! [B, channel, band, T] → Conv2d 3×3 → BatchNorm → MaxPool 2 → ReLU
//!                       → Conv2d 3×3 → BatchNorm → MaxPool 2 → ReLU
//!                       → [B, T/4, channel · band/4] → Linear → + sinusoids → Dropout
//!                       → (x + SelfAttention(LayerNorm(x)) → x + FeedForward(LayerNorm(x))) × layers
//!                       → LayerNorm → mean over the first ⌈frames/4⌉ positions
//!                       → Linear → ReLU → Dropout → Linear → [B, class]
//! ```

use ser_core::Result;
use serde::{Deserialize, Serialize};

use super::checks::{depth, share, units, width_of_heads};
use super::{Activation, Description, Layer, Sizes};

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
    const NAME: &'static str = "cnn-transformer";
    const SUMMARY: &'static str = "Two convolutions, layers of self-attention, the mean over frames";

    fn validate(&self) -> Result<()> {
        units("channels", &self.channels)?;
        width_of_heads(self.width, self.heads)?;
        depth("layers", self.layers)?;
        units("feed_forward", &[self.feed_forward])?;
        units("dense", &[self.dense])?;
        share("dropout", self.dropout)?;
        share("encoder_dropout", self.encoder_dropout)
    }

    fn describe(&self, classes: u32) -> Description {
        let dropout = Layer::Dropout(self.encoder_dropout);
        let mut layers = Layer::conv_front(self.channels).to_vec();
        layers.extend([Layer::linear("embed", self.width), Layer::PositionalEncoding, dropout.clone()]);
        for layer in 0..self.layers {
            let name = |part: &str| format!("layers.{layer}.{part}");
            layers.push(Layer::Residual(vec![
                Layer::layer_norm(&name("norm1")),
                Layer::SelfAttention { name: name("attention"), heads: self.heads },
                dropout.clone(),
            ]));
            layers.push(Layer::Residual(vec![
                Layer::layer_norm(&name("norm2")),
                Layer::linear(&name("feed_forward.0"), self.feed_forward),
                Layer::Activation(Activation::Gelu),
                Layer::linear(&name("feed_forward.2"), self.width),
                dropout.clone(),
            ]));
        }
        layers.extend([Layer::layer_norm("norm"), Layer::Mean]);
        layers.extend(Layer::head(self.dense, self.dropout, classes));
        Description::new(layers)
    }

    fn dropout(&mut self) -> &mut f64 {
        &mut self.dropout
    }
}
