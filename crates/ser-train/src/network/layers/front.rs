//! The front of networks that read a sequence: two masked convolution blocks, each halving bands and frames.

use tch::Tensor;

use crate::network::layers::{Forward, Lengths, MaskedConvBlock, Plan, masked_image};
use crate::torch::Result;

/// `[B, channel, band, T]` → `[B, position, channel · band/4]`, with ⌈frames/4⌉ real positions; zero elsewhere.
#[derive(Debug)]
pub(crate) struct ConvFront {
    blocks: [MaskedConvBlock; 2],
}

impl ConvFront {
    /// A front and its outputs at a position, for utterances of `input` `[channel, band, frame]`.
    pub(crate) fn new(plan: &mut Plan, input: [usize; 3], channels: [u32; 2]) -> (Self, i64) {
        let [depth, bands, _] = input.map(|size| size as i64);
        let [first, second] = channels.map(i64::from);
        let blocks = [
            MaskedConvBlock::new(plan, ["cnn.0", "cnn.1"], [depth, first], [2, 2]),
            MaskedConvBlock::new(plan, ["cnn.2", "cnn.3"], [first, second], [2, 2]),
        ];
        (Self { blocks }, second * (bands / 4))
    }

    pub(crate) fn forward(
        &self,
        forward: &mut Forward<'_>,
        features: &Tensor,
        frames: &Tensor,
    ) -> Result<(Tensor, Lengths)> {
        let mut lengths = Lengths::of(frames, features.size()[3])?;
        let mut x = masked_image(features, &lengths)?.f_to_kind(forward.kind)?; // [B, channel, position, band]
        for block in &self.blocks {
            (x, lengths) = block.forward(forward, &x, &lengths)?;
        }
        Ok((to_sequence(&x)?, lengths))
    }
}

/// `[B, channel, position, band]` → `[B, position, channel · band]`
pub(crate) fn to_sequence(x: &Tensor) -> Result<Tensor> {
    let (batch, positions) = (x.size()[0], x.size()[2]);
    Ok(x.f_permute([0, 2, 1, 3])?.f_reshape([batch, positions, -1])?)
}
