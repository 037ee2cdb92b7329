//! From channels to one, and from a sequence to one vector, over real positions alone, in f32.

use tch::{Kind, Tensor};

use super::dense::Linear;
use super::{Compute, Flow, Form, Forward, Places, Real};
use ser_torch::Result;

/// Added to a variance, whose root has no derivative at zero.
const LEAST_VARIANCE: f64 = 1e-5;

/// The sum of an image's channels, each times its softmax weight.
#[derive(Debug)]
pub(super) struct ChannelMix {
    weight: usize,
}

impl ChannelMix {
    pub(super) fn new(places: &Places, name: &str) -> Result<Self> {
        Ok(Self { weight: places.weight(name)? })
    }
}

impl Compute for ChannelMix {
    fn forward(&self, forward: &mut Forward<'_>, input: Flow) -> Result<Flow> {
        // Channels are the second axis of an image in either form.
        let weight = forward.leaves[self.weight].f_softmax(0, Kind::Float)?.f_view([1, -1, 1, 1])?;
        let x = input.x.f_to_kind(Kind::Float)?.f_mul(&weight)?;
        let x = x.f_sum_dim_intlist([1i64].as_slice(), true, Kind::Float)?;
        Ok(Flow { x, ..input })
    }
}

/// The mean.
#[derive(Debug)]
pub(super) struct Mean;

impl Compute for Mean {
    fn forward(&self, _forward: &mut Forward<'_>, input: Flow) -> Result<Flow> {
        let x = input.units_last()?; // [B, position, unit]
        let weight = match &input.real {
            Real::Positions(lengths) => {
                lengths.is_real()?.f_to_kind(Kind::Float)?.f_div(&lengths.counts()?)?
            }
            Real::Frames(frames, stride) => {
                let positions = x.size()[1];
                let real = frames.f_add_scalar(stride - 1)?.f_floor_divide_scalar(*stride)?;
                let real = real.f_clamp(1, positions)?.f_unsqueeze(1)?; // [B, 1]
                let position = Tensor::f_arange(positions, (Kind::Int64, x.device()))?.f_unsqueeze(0)?; // [1, position]
                position.f_lt_tensor(&real)?.f_to_kind(Kind::Float)?.f_div(&real)?
            }
        }; // [B, position]
        let x = weight.f_unsqueeze(1)?.f_bmm(&x)?.f_squeeze_dim(1)?;
        Ok(Flow { x, form: Form::Vector, ..input })
    }
}

/// Mean and standard deviation, side by side: `[B, 2 · unit]`. The deviation is √(variance + 1e-5), where the variance is
/// the mean squared distance from the mean.
#[derive(Debug)]
pub(super) struct MeanAndDeviation;

impl Compute for MeanAndDeviation {
    fn forward(&self, _forward: &mut Forward<'_>, input: Flow) -> Result<Flow> {
        let lengths = input.lengths()?;
        let x = input.units_first()?.f_to_kind(Kind::Float)?;
        let real = lengths.is_real()?.f_to_kind(Kind::Float)?.f_unsqueeze(1)?; // [B, 1, position]
        let weight = real.f_div(&lengths.counts()?.f_unsqueeze(2)?)?;
        let x = mean_and_deviation(&x, &weight)?;
        Ok(Flow { x, form: Form::Vector, ..input })
    }
}

/// The same of `x` `[B, unit, position]` with weights that add up to 1, `[B, 1, position]`.
fn mean_and_deviation(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let sum = |x: &Tensor| x.f_mul(weight)?.f_sum_dim_intlist([2i64].as_slice(), true, Kind::Float);
    let mean = sum(x)?; // [B, unit, 1]
    let variance = sum(&x.f_sub(&mean)?.f_square()?)?;
    let deviation = variance.f_add_scalar(LEAST_VARIANCE)?.f_sqrt()?;
    Ok(Tensor::f_cat(&[mean, deviation], 1)?.f_squeeze_dim(2)?)
}

/// Mean and standard deviation weighted by attention (K. Okabe, T. Koshinaka, K. Shinoda, "Attentive statistics pooling for
/// deep speaker embedding", Interspeech 2018): a position `h` weighs `softmax(v · tanh(W h + b) + k)` over real positions.
#[derive(Debug)]
pub(super) struct AttentivePooling {
    hidden: Linear,
    score: Linear,
}

impl AttentivePooling {
    /// `names` are those of the two linear layers.
    pub(super) fn new(places: &Places, names: [&str; 2]) -> Result<Self> {
        let [hidden, score] = names.map(|name| Linear::new(places, name));
        Ok(Self { hidden: hidden?, score: score? })
    }
}

impl Compute for AttentivePooling {
    fn forward(&self, forward: &mut Forward<'_>, input: Flow) -> Result<Flow> {
        let x = input.units_last()?; // [B, position, unit]
        let scores = self.score.apply(forward, &self.hidden.apply(forward, &x)?.f_tanh()?)?; // [B, position, 1]
        let padding = input.lengths()?.is_real()?.f_logical_not()?.f_unsqueeze(2)?;
        let weight = scores.f_masked_fill(&padding, f64::NEG_INFINITY)?.f_softmax(1, Kind::Float)?;
        let x = mean_and_deviation(&x.f_transpose(1, 2)?, &weight.f_transpose(1, 2)?)?;
        Ok(Flow { x, form: Form::Vector, ..input })
    }
}
