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

use ser_model::network::ConformerConfig;
use tch::{Kind, Tensor};

use crate::network::Model;
use crate::network::layers::{
    Activation, DepthwiseConv, FeedForward, Forward, Head, LayerNorm, Lengths, Linear, Plan,
    PositionalEncoding, SelfAttention, StridedConv, masked_image, masked_mean, positions_of, to_sequence,
};
use crate::torch::Result;

/// Its layers.
#[derive(Debug)]
pub(super) struct Conformer {
    subsampling: [StridedConv; 2],
    embed: Linear,
    positions: PositionalEncoding,
    blocks: Vec<Block>,
    head: Head,
    dropout: f64,
}

#[derive(Debug)]
struct Block {
    feed_forward: [(LayerNorm, FeedForward); 2],
    attention: (LayerNorm, SelfAttention),
    convolution: (LayerNorm, ConvolutionModule),
    norm: LayerNorm,
    dropout: f64,
}

#[derive(Debug)]
struct ConvolutionModule {
    widen: Linear,
    depthwise: DepthwiseConv,
    narrow: Linear,
}

impl Conformer {
    pub(super) fn new(config: &ConformerConfig, input: [usize; 3], classes: usize, plan: &mut Plan) -> Self {
        let [depth, bands, _] = input.map(|size| size as i64);
        let [first, second] = config.channels.map(i64::from);
        let width = i64::from(config.width);
        let subsampling = [
            StridedConv::new(plan, "subsampling.0", depth, first),
            StridedConv::new(plan, "subsampling.1", first, second),
        ];
        let embed = Linear::new(plan, "embed", second * ((bands + 3) / 4), width);
        let blocks = (0..config.blocks).map(|block| Block::new(config, block, plan)).collect();
        let sizes = [width, i64::from(config.dense), classes as i64];
        let head = Head::new(plan, ["head.0", "head.3"], sizes, config.dropout);
        let positions = PositionalEncoding::new(width);
        Self { subsampling, embed, positions, blocks, head, dropout: config.encoder_dropout }
    }
}

impl Model for Conformer {
    fn branches(&self, forward: &mut Forward<'_>, features: &Tensor, frames: &Tensor) -> Result<Vec<Tensor>> {
        let mut lengths = Lengths::of(frames, features.size()[3])?;
        let mut x = masked_image(features, &lengths)?.f_to_kind(forward.kind)?; // [B, channel, position, band]
        for conv in &self.subsampling {
            (x, lengths) = conv.forward(forward, &x, &lengths)?;
        }
        let x = self.embed.forward(forward, &to_sequence(&x)?.f_to_kind(Kind::Float)?)?; // [B, position, width]
        let x = self.positions.add(forward, &x, positions_of(features.size()[3]))?;
        let mut x = forward.drop_out(x, self.dropout)?;
        for block in &self.blocks {
            x = block.forward(forward, x, &lengths)?;
        }
        Ok(vec![self.head.forward(forward, &masked_mean(&x, &lengths)?)?])
    }
}

impl Block {
    fn new(config: &ConformerConfig, block: u32, plan: &mut Plan) -> Self {
        let width = i64::from(config.width);
        let name = |part: &str| format!("blocks.{block}.{part}");
        let fed = |plan: &mut Plan, norm: &str, feed_forward: &str| {
            let norm = LayerNorm::new(plan, &name(norm), width);
            let sizes = [width, i64::from(config.feed_forward)];
            (norm, FeedForward::new(plan, &name(feed_forward), sizes, Activation::Swish))
        };
        let before = fed(plan, "norm1", "feed_forward1");
        let norm = LayerNorm::new(plan, &name("norm2"), width);
        let attention = (norm, SelfAttention::new(plan, &name("attention"), width, i64::from(config.heads)));
        let norm = LayerNorm::new(plan, &name("norm3"), width);
        let (conv, normalised) = (name("depthwise"), name("batch_norm"));
        let module = ConvolutionModule {
            widen: Linear::new(plan, &name("pointwise1"), width, 2 * width),
            depthwise: DepthwiseConv::new(plan, [&conv, &normalised], width, i64::from(config.kernel)),
            narrow: Linear::new(plan, &name("pointwise2"), width, width),
        };
        let after = fed(plan, "norm4", "feed_forward2");
        Self {
            feed_forward: [before, after],
            attention,
            convolution: (norm, module),
            norm: LayerNorm::new(plan, &name("norm5"), width),
            dropout: config.encoder_dropout,
        }
    }

    fn forward(&self, forward: &mut Forward<'_>, x: Tensor, lengths: &Lengths) -> Result<Tensor> {
        let x = self.half_step(forward, x, &self.feed_forward[0])?;
        let (norm, attention) = &self.attention;
        let attended = attention.forward(forward, &norm.forward(forward, &x)?, lengths)?;
        let x = x.f_add(&forward.drop_out(attended, self.dropout)?)?;
        let (norm, convolution) = &self.convolution;
        let convolved = convolution.forward(forward, &norm.forward(forward, &x)?, lengths)?;
        let x = x.f_add(&forward.drop_out(convolved, self.dropout)?)?;
        let x = self.half_step(forward, x, &self.feed_forward[1])?;
        self.norm.forward(forward, &x)
    }

    fn half_step(
        &self,
        forward: &mut Forward<'_>,
        x: Tensor,
        (norm, feed_forward): &(LayerNorm, FeedForward),
    ) -> Result<Tensor> {
        let fed = feed_forward.forward(forward, &norm.forward(forward, &x)?)?;
        Ok(x.f_add(&forward.drop_out(fed, self.dropout)?.f_mul_scalar(0.5)?)?)
    }
}

impl ConvolutionModule {
    fn forward(&self, forward: &mut Forward<'_>, x: &Tensor, lengths: &Lengths) -> Result<Tensor> {
        let x = self.widen.forward(forward, x)?.f_glu(2)?;
        let padding = lengths.is_real()?.f_logical_not()?.f_unsqueeze(2)?;
        let x = x.f_masked_fill(&padding, 0.0)?;
        let x = self.depthwise.forward(forward, &x, lengths)?.f_silu()?;
        self.narrow.forward(forward, &x)
    }
}
