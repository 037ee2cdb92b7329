//! Residual blocks over images (He et al., 2016).

use tch::Tensor;

use super::convolution::NormalisedConv;
use super::norm_pool::After;
use super::{Compute, Flow, Forward, Places};
use crate::torch::Result;

/// Two Conv2d 3×3 with BatchNorm, the first of stride 2 and followed by ReLU, added to a Conv2d 1×1 of stride 2; then
/// ReLU. All over the real positions of images `[B, channel, position, band]` whose other positions are zero, as they
/// are in what comes out. Of n positions and bands ⌈n/2⌉ are left.
#[derive(Debug)]
pub(super) struct ResidualBlock {
    first: NormalisedConv,
    second: NormalisedConv,
    shortcut: usize,
}

impl ResidualBlock {
    pub(super) fn new(places: &Places, name: &str) -> Result<Self> {
        let normalised = |number: u8| {
            let (conv, norm) = (format!("{name}.conv{number}"), format!("{name}.norm{number}"));
            NormalisedConv::new(places, [&conv, &norm], false)
        };
        let shortcut = places.weight(&format!("{name}.shortcut.weight"))?;
        Ok(Self { first: normalised(1)?, second: normalised(2)?, shortcut })
    }
}

impl Compute for ResidualBlock {
    fn forward(&self, forward: &mut Forward<'_>, input: Flow) -> Result<Flow> {
        let lengths = input.lengths()?.divided_by(2);
        let inner = self.first.over_real(forward, &input.x, [3, 2], &lengths, After::RELU)?;
        let added = self.second.over_real(forward, &inner, [3, 1], &lengths, After::NOTHING)?;
        let shortcut = forward.leaf(self.shortcut)?;
        // Every other value first, then a convolution of stride 1: oneDNN 3.10's 1×1 convolutions of stride 2 write beyond
        // their memory in the backward pass on AVX2, where channels are no multiple of 8.
        let every_other = input.x.f_slice(2, None, None, 2)?.f_slice(3, None, None, 2)?;
        let x = every_other.f_conv2d(&shortcut, None::<&Tensor>, [1, 1], [0, 0], [1, 1], 1)?;
        Ok(Flow::masked(x.f_add(&added)?.f_relu()?, lengths))
    }
}
