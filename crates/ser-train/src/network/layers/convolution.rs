//! Convolutions, of images and of sequences.
//!
//! In evaluation batch normalisation is folded into the convolution.

use tch::Tensor;

use super::norm_pool::PoolAndRelu;
use super::normalisation::BatchNorm;
use super::{Compute, Flow, Form, Forward, Places, Real};
use ser_torch::Result;

/// Conv2d and batch normalisation.
#[derive(Debug)]
struct NormalisedConv {
    weight: usize,
    bias: Option<usize>,
    norm: BatchNorm,
}

impl NormalisedConv {
    fn new(places: &Places, [conv, norm]: [&str; 2], bias: bool) -> Result<Self> {
        let bias = bias.then(|| places.weight(&format!("{conv}.bias"))).transpose()?;
        let weight = places.weight(&format!("{conv}.weight"))?;
        Ok(Self { weight, bias, norm: BatchNorm::new(places, norm)? })
    }

    /// Weight and bias to learn with.
    fn learning(&self, forward: &Forward<'_>) -> Result<(Tensor, Option<Tensor>)> {
        let bias = self.bias.map(|bias| forward.leaf(bias)).transpose()?;
        Ok((forward.leaf(self.weight)?, bias))
    }

    /// Weight and bias with the normalisation folded in.
    fn folded(&self, forward: &Forward<'_>) -> Result<(Tensor, Tensor)> {
        let bias = self.bias.map(|bias| &forward.leaves[bias]);
        self.norm.fold(forward, &forward.leaves[self.weight], bias)
    }
}

/// Conv2d 3×3 → BatchNorm → MaxPool → ReLU over images `[B, channel, band, position]`, padding and all.
#[derive(Debug)]
pub(super) struct ConvBlock {
    conv: NormalisedConv,
    /// Bands and positions of a pooling window.
    pool: [i64; 2],
}

impl ConvBlock {
    pub(super) fn new(places: &Places, names: [&str; 2], pool: [u32; 2], bias: bool) -> Result<Self> {
        Ok(Self { conv: NormalisedConv::new(places, names, bias)?, pool: pool.map(i64::from) })
    }
}

impl Compute for ConvBlock {
    fn forward(&self, forward: &mut Forward<'_>, input: Flow) -> Result<Flow> {
        let convolve = |weight: &Tensor, bias: Option<&Tensor>| {
            input.x.f_conv2d(weight, bias, [1, 1], [1, 1], [1, 1], 1)
        };
        let after = PoolAndRelu(self.pool);
        let x = if forward.training() {
            let (weight, bias) = self.conv.learning(forward)?;
            self.conv.norm.learn_then(forward, &convolve(&weight, bias.as_ref())?, None, after)?
        } else {
            let (weight, bias) = self.conv.folded(forward)?;
            after.over_all(&convolve(&weight, Some(&bias))?)?
        };
        let real = match input.real {
            Real::Frames(frames, stride) => Real::Frames(frames, stride * self.pool[1]),
            Real::Positions(lengths) => Real::Positions(lengths.divided_by(self.pool[1])),
        };
        Ok(Flow { x, form: Form::Image, real })
    }
}

/// The same over the real positions of images `[B, channel, position, band]` whose other positions are zero, as they are
/// in what comes out.
///
/// Batch normalisation takes its statistics over real positions. Padding is zero before pooling, so that a window that
/// reaches beyond the end gives the largest of its real values, or zero, which is what ReLU makes of them.
#[derive(Debug)]
pub(super) struct MaskedConvBlock {
    conv: NormalisedConv,
    /// Positions and bands of a pooling window.
    pool: [i64; 2],
}

impl MaskedConvBlock {
    pub(super) fn new(places: &Places, names: [&str; 2], pool: [u32; 2], bias: bool) -> Result<Self> {
        let [bands, positions] = pool.map(i64::from);
        Ok(Self { conv: NormalisedConv::new(places, names, bias)?, pool: [positions, bands] })
    }
}

impl Compute for MaskedConvBlock {
    fn forward(&self, forward: &mut Forward<'_>, input: Flow) -> Result<Flow> {
        let lengths = input.lengths()?;
        // Weights are those of an image whose bands come before its positions.
        let convolve = |weight: &Tensor, bias: Option<&Tensor>| {
            input.x.f_conv2d(&weight.f_transpose(2, 3)?, bias, [1, 1], [1, 1], [1, 1], 1)
        };
        let after = PoolAndRelu(self.pool);
        let x = if forward.training() {
            let (weight, bias) = self.conv.learning(forward)?;
            self.conv.norm.learn_then(forward, &convolve(&weight, bias.as_ref())?, Some(lengths), after)?
        } else {
            let (weight, bias) = self.conv.folded(forward)?;
            after.over_real(&convolve(&weight, Some(&bias))?, lengths)?
        };
        Ok(Flow::masked(x, lengths.divided_by(self.pool[0])))
    }
}

/// Conv1d with bias over sequences `[B, unit, position]`, of an odd kernel, as many positions out as in. Padding is zero
/// before it.
#[derive(Debug)]
pub(super) struct Conv1d {
    weight: usize,
    bias: usize,
    kernel: i64,
}

impl Conv1d {
    pub(super) fn new(places: &Places, name: &str, kernel: u32) -> Result<Self> {
        let [weight, bias] = places.weight_and_bias(name)?;
        Ok(Self { weight, bias, kernel: kernel.into() })
    }
}

impl Compute for Conv1d {
    fn forward(&self, forward: &mut Forward<'_>, input: Flow) -> Result<Flow> {
        let mut x = input.units_first()?.f_to_kind(forward.kind)?;
        if input.form != Form::MaskedImage {
            // What comes out of most layers at padding is not zero.
            let padding = input.lengths()?.is_real()?.f_logical_not()?.f_unsqueeze(1)?;
            x = x.f_masked_fill(&padding, 0.0)?;
        }
        let (weight, bias) = (forward.leaf(self.weight)?, forward.leaf(self.bias)?);
        let x = x.f_conv1d(&weight, Some(&bias), [1], [self.kernel / 2], [1], 1)?;
        Ok(Flow { x, form: Form::UnitsFirst, ..input })
    }
}
