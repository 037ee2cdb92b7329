//! Convolution, batch normalisation, max-pooling, ReLU.
//!
//! Pooling before ReLU gives the same values and gradients as after it, since ReLU is monotone, and leaves ReLU a quarter
//! of the work. In evaluation batch normalisation is folded into the convolution.

use tch::Tensor;

use crate::network::layers::batch_norm::BatchNorm;
use crate::network::layers::{Forward, Lengths, Plan};
use crate::torch::Result;

/// Conv2d 3×3 → BatchNorm → MaxPool 2 → ReLU over images `[B, channel, band, position]`, padding and all.
#[derive(Debug)]
pub(crate) struct ConvBlock {
    /// Offset of the convolution's weight, which its bias follows.
    conv: usize,
    norm: BatchNorm,
}

impl ConvBlock {
    /// The convolution of two blocks and whatever else comes before their normalisation has its place in the buffer first.
    pub(crate) fn conv(plan: &mut Plan, name: &str, inputs: i64, outputs: i64) -> usize {
        plan.weight_and_bias(name, &[outputs, inputs, 3, 3], inputs * 9, true)
    }

    pub(crate) fn new(plan: &mut Plan, conv: usize, norm: &str, outputs: i64) -> Self {
        Self { conv, norm: BatchNorm::new(plan, norm, outputs) }
    }

    pub(crate) fn forward(&self, forward: &mut Forward<'_>, x: &Tensor) -> Result<Tensor> {
        let convolve = |x: &Tensor, weight: &Tensor, bias: &Tensor| {
            x.f_conv2d(weight, Some(bias), [1, 1], [1, 1], [1, 1], 1)
        };
        let x = if forward.training() {
            let (weight, bias) = (forward.leaf(self.conv)?, forward.leaf(self.conv + 1)?);
            self.norm.learn(forward, &convolve(x, &weight, &bias)?)?
        } else {
            let bias = &forward.leaves[self.conv + 1];
            let (weight, bias) = self.norm.fold(forward, &forward.leaves[self.conv], Some(bias))?;
            convolve(x, &weight, &bias)?
        };
        Ok(x.f_max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false)?.f_relu()?)
    }
}

/// Conv2d 3×3 without bias → BatchNorm → MaxPool → ReLU over the real positions of images
/// `[B, channel, position, band]` whose other positions are zero, as they are in what comes out.
///
/// Batch normalisation takes its statistics over real positions. Padding is zero before pooling, so that a window that
/// reaches beyond the end gives the largest of its real values, or zero, which is what ReLU makes of them.
#[derive(Debug)]
pub(crate) struct MaskedConvBlock {
    conv: usize,
    norm: BatchNorm,
    /// Positions and bands of a pooling window.
    pool: [i64; 2],
}

impl MaskedConvBlock {
    /// `name` is that of the sequence, `at` the place of the convolution in it.
    pub(crate) fn new(
        plan: &mut Plan,
        [conv, norm]: [&str; 2],
        [inputs, outputs]: [i64; 2],
        pool: [i64; 2],
    ) -> Self {
        let conv = plan.weight_and_bias(conv, &[outputs, inputs, 3, 3], inputs * 9, false);
        Self { conv, norm: BatchNorm::new(plan, norm, outputs), pool }
    }

    pub(crate) fn forward(
        &self,
        forward: &mut Forward<'_>,
        x: &Tensor,
        lengths: &Lengths,
    ) -> Result<(Tensor, Lengths)> {
        // Weights are those of an image whose bands come before its positions.
        let convolve = |weight: &Tensor, bias: Option<&Tensor>| {
            x.f_conv2d(&weight.f_transpose(2, 3)?, bias, [1, 1], [1, 1], [1, 1], 1)
        };
        let x = if forward.training() {
            let x = convolve(&forward.leaf(self.conv)?, None)?;
            self.norm.learn_real(forward, &x, lengths)?
        } else {
            let (weight, bias) = self.norm.fold(forward, &forward.leaves[self.conv], None)?;
            let x = convolve(&weight, Some(&bias))?;
            let real = lengths.is_real()?.f_to_kind(x.kind())?;
            x.f_mul(&real.f_unsqueeze(1)?.f_unsqueeze(3)?)?
        };
        let x = x.f_max_pool2d(self.pool, self.pool, [0, 0], [1, 1], false)?.f_relu()?;
        Ok((x, lengths.divided_by(self.pool[0])))
    }
}

/// Conv2d 3×3 of stride 2 → ReLU over the real positions of images `[B, channel, position, band]` whose other positions
/// are zero, as they are in what comes out. Of n positions and bands ⌈n/2⌉ are left.
#[derive(Debug)]
pub(crate) struct StridedConv {
    /// Offset of its weight, which its bias follows.
    conv: usize,
}

impl StridedConv {
    pub(crate) fn new(plan: &mut Plan, name: &str, inputs: i64, outputs: i64) -> Self {
        Self { conv: plan.weight_and_bias(name, &[outputs, inputs, 3, 3], inputs * 9, true) }
    }

    pub(crate) fn forward(
        &self,
        forward: &Forward<'_>,
        x: &Tensor,
        lengths: &Lengths,
    ) -> Result<(Tensor, Lengths)> {
        let (weight, bias) = (forward.leaf(self.conv)?, forward.leaf(self.conv + 1)?);
        let x = x.f_conv2d(&weight.f_transpose(2, 3)?, Some(&bias), [2, 2], [1, 1], [1, 1], 1)?;
        let lengths = lengths.divided_by(2);
        let real = lengths.is_real()?.f_to_kind(x.kind())?.f_unsqueeze(1)?.f_unsqueeze(3)?;
        Ok((x.f_relu()?.f_mul(&real)?, lengths))
    }
}

/// Depthwise Conv1d without bias → BatchNorm over the real positions of sequences `[B, position, channel]` whose other
/// positions are zero, of an odd kernel, in f32.
#[derive(Debug)]
pub(crate) struct DepthwiseConv {
    conv: usize,
    norm: BatchNorm,
    channels: i64,
    kernel: i64,
}

impl DepthwiseConv {
    pub(crate) fn new(plan: &mut Plan, [conv, norm]: [&str; 2], channels: i64, kernel: i64) -> Self {
        let conv = plan.weight_and_bias(conv, &[channels, 1, kernel], kernel, false);
        Self { conv, norm: BatchNorm::new(plan, norm, channels), channels, kernel }
    }

    pub(crate) fn forward(&self, forward: &mut Forward<'_>, x: &Tensor, lengths: &Lengths) -> Result<Tensor> {
        let x = x.f_transpose(1, 2)?; // [B, channel, position]
        let convolve = |weight: &Tensor, bias: Option<&Tensor>| {
            x.f_conv1d(weight, bias, [1], [self.kernel / 2], [1], self.channels)
        };
        let x = if forward.training() {
            let x = convolve(&forward.leaves[self.conv], None)?.f_unsqueeze(3)?;
            self.norm.learn_real(forward, &x, lengths)?.f_squeeze_dim(3)?
        } else {
            let (weight, bias) = self.norm.fold(forward, &forward.leaves[self.conv], None)?;
            convolve(&weight, Some(&bias))?
        };
        Ok(x.f_transpose(1, 2)?)
    }
}
