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

use ser_model::network::CnnTransformerConfig;
use tch::{Kind, Tensor};

use crate::network::Model;
use crate::network::layers::{
    Activation, ConvFront, FeedForward, Forward, Head, LayerNorm, Lengths, Linear, Plan, PositionalEncoding,
    SelfAttention, masked_mean, positions_of,
};
use crate::torch::Result;

/// Its layers.
#[derive(Debug)]
pub(super) struct CnnTransformer {
    front: ConvFront,
    embed: Linear,
    positions: PositionalEncoding,
    layers: Vec<EncoderLayer>,
    norm: LayerNorm,
    head: Head,
    dropout: f64,
}

#[derive(Debug)]
struct EncoderLayer {
    norms: [LayerNorm; 2],
    attention: SelfAttention,
    feed_forward: FeedForward,
    dropout: f64,
}

impl CnnTransformer {
    pub(super) fn new(
        config: &CnnTransformerConfig,
        input: [usize; 3],
        classes: usize,
        plan: &mut Plan,
    ) -> Self {
        let width = i64::from(config.width);
        let (front, inputs) = ConvFront::new(plan, input, config.channels);
        let embed = Linear::new(plan, "embed", inputs, width);
        let layers = (0..config.layers).map(|layer| EncoderLayer::new(config, layer, plan)).collect();
        let norm = LayerNorm::new(plan, "norm", width);
        let sizes = [width, i64::from(config.dense), classes as i64];
        let head = Head::new(plan, ["head.0", "head.3"], sizes, config.dropout);
        let positions = PositionalEncoding::new(width);
        Self { front, embed, positions, layers, norm, head, dropout: config.encoder_dropout }
    }
}

impl Model for CnnTransformer {
    fn branches(&self, forward: &mut Forward<'_>, features: &Tensor, frames: &Tensor) -> Result<Vec<Tensor>> {
        let (x, lengths) = self.front.forward(forward, features, frames)?;
        let x = self.embed.forward(forward, &x.f_to_kind(Kind::Float)?)?; // [B, position, width]
        let x = self.positions.add(forward, &x, positions_of(features.size()[3]))?;
        let mut x = forward.drop_out(x, self.dropout)?;
        for layer in &self.layers {
            x = layer.forward(forward, x, &lengths)?;
        }
        let x = masked_mean(&self.norm.forward(forward, &x)?, &lengths)?;
        Ok(vec![self.head.forward(forward, &x)?])
    }
}

impl EncoderLayer {
    fn new(config: &CnnTransformerConfig, layer: u32, plan: &mut Plan) -> Self {
        let (width, heads) = (i64::from(config.width), i64::from(config.heads));
        let name = |part: &str| format!("layers.{layer}.{part}");
        let sizes = [width, i64::from(config.feed_forward)];
        let first = LayerNorm::new(plan, &name("norm1"), width);
        let attention = SelfAttention::new(plan, &name("attention"), width, heads);
        let second = LayerNorm::new(plan, &name("norm2"), width);
        let feed_forward = FeedForward::new(plan, &name("feed_forward"), sizes, Activation::Gelu);
        Self { norms: [first, second], attention, feed_forward, dropout: config.encoder_dropout }
    }

    fn forward(&self, forward: &mut Forward<'_>, x: Tensor, lengths: &Lengths) -> Result<Tensor> {
        let attended = self.attention.forward(forward, &self.norms[0].forward(forward, &x)?, lengths)?;
        let x = x.f_add(&forward.drop_out(attended, self.dropout)?)?;
        let fed = self.feed_forward.forward(forward, &self.norms[1].forward(forward, &x)?)?;
        Ok(x.f_add(&forward.drop_out(fed, self.dropout)?)?)
    }
}
