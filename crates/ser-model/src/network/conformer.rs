//! `conformer`, a small one: A. Gulati et al., "Conformer: convolution-augmented transformer for speech recognition",
//! Interspeech 2020.
//!
//! ```text
//! [B, channel, band, T] → (Conv2d 3×3, stride 2 → ReLU) × 2
//!                       → [B, T/4, channel · band/4] → Linear → + sinusoids → Dropout
//!                       → (x + ½ FeedForward(LayerNorm(x)) → x + SelfAttention(LayerNorm(x))
//!                        → x + Convolution(LayerNorm(x)) → x + ½ FeedForward(LayerNorm(x)) → LayerNorm) × blocks
//!                       → mean over the first ⌈frames/4⌉ positions
//!                       → Linear → ReLU → Dropout → Linear → [B, class]
//!
//! Convolution: Linear → GLU → depthwise Conv1d → BatchNorm → Swish → Linear
//! ```
//!
//! Positions are told apart by sinusoids added once, where the paper has relative encodings in every attention:
//! utterances are short, and the convolutions see what is near.

use ser_core::Result;
use serde::{Deserialize, Serialize};

use super::checks::{depth, invalid_size, share, units, width_of_heads};
use super::{Activation, Description, Layer, Sizes};

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
    const NAME: &'static str = "conformer";
    const SUMMARY: &'static str =
        "Two strided convolutions, blocks of self-attention and convolution, the mean over frames";

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

    fn describe(&self, classes: u32) -> Description {
        let strided = |name: &str, channels| Layer::StridedConv { name: name.to_owned(), channels };
        let mut layers = vec![
            strided("subsampling.0", self.channels[0]),
            strided("subsampling.1", self.channels[1]),
            Layer::linear("embed", self.width),
            Layer::PositionalEncoding,
            Layer::Dropout(self.encoder_dropout),
        ];
        layers.extend((0..self.blocks).flat_map(|block| self.block(block)));
        layers.push(Layer::Mean);
        layers.extend(Layer::head(self.dense, self.dropout, classes));
        Description::new(layers)
    }

    fn dropout(&mut self) -> &mut f64 {
        &mut self.dropout
    }
}

impl ConformerConfig {
    fn block(&self, block: u32) -> [Layer; 5] {
        let name = |part: &str| format!("blocks.{block}.{part}");
        let dropout = Layer::Dropout(self.encoder_dropout);
        let half_step = |norm: &str, feed_forward: &str| Layer::Residual {
            layers: vec![
                Layer::layer_norm(&name(norm)),
                Layer::linear(&name(&format!("{feed_forward}.0")), self.feed_forward),
                Layer::Activation(Activation::Swish),
                Layer::linear(&name(&format!("{feed_forward}.2")), self.width),
                dropout.clone(),
            ],
            scale: 0.5,
        };
        let attention = Layer::residual(vec![
            Layer::layer_norm(&name("norm2")),
            Layer::SelfAttention { name: name("attention"), heads: self.heads },
            dropout.clone(),
        ]);
        let convolution = Layer::residual(vec![
            Layer::layer_norm(&name("norm3")),
            Layer::linear(&name("pointwise1"), 2 * self.width),
            Layer::Activation(Activation::Glu),
            Layer::DepthwiseConv { conv: name("depthwise"), norm: name("batch_norm"), kernel: self.kernel },
            Layer::Activation(Activation::Swish),
            Layer::linear(&name("pointwise2"), self.width),
            dropout.clone(),
        ]);
        [
            half_step("norm1", "feed_forward1"),
            attention,
            convolution,
            half_step("norm4", "feed_forward2"),
            Layer::layer_norm(&name("norm5")),
        ]
    }
}
