//! From a sequence to one vector, over real positions alone.

use tch::{Kind, Tensor};

use crate::network::layers::{Forward, Lengths, Linear, Plan};
use crate::torch::Result;

/// Added to a variance, whose root has no derivative at zero.
const LEAST_VARIANCE: f64 = 1e-5;

/// Mean of `x` `[B, position, unit]` over real positions: `[B, unit]`.
pub(crate) fn masked_mean(x: &Tensor, lengths: &Lengths) -> Result<Tensor> {
    let weight = lengths.is_real()?.f_to_kind(Kind::Float)?.f_div(&lengths.counts()?)?; // [B, position]
    Ok(weight.f_unsqueeze(1)?.f_bmm(x)?.f_squeeze_dim(1)?)
}

/// Mean and standard deviation of `x` `[B, unit, position]` over real positions, side by side: `[B, 2 · unit]`. The
/// deviation is √(variance + 1e-5), where the variance is the mean squared distance from the mean.
pub(crate) fn masked_mean_and_deviation(x: &Tensor, lengths: &Lengths) -> Result<Tensor> {
    let real = lengths.is_real()?.f_to_kind(Kind::Float)?.f_unsqueeze(1)?; // [B, 1, position]
    let weight = real.f_div(&lengths.counts()?.f_unsqueeze(2)?)?;
    mean_and_deviation(x, &weight)
}

/// The same of `x` `[B, unit, position]` with weights that add up to 1, `[B, 1, position]`.
fn mean_and_deviation(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let sum = |x: &Tensor| x.f_mul(weight)?.f_sum_dim_intlist([2i64].as_slice(), true, Kind::Float);
    let mean = sum(x)?; // [B, unit, 1]
    let variance = sum(&x.f_sub(&mean)?.f_square()?)?;
    let deviation = variance.f_add_scalar(LEAST_VARIANCE)?.f_sqrt()?;
    Ok(Tensor::f_cat(&[mean, deviation], 1)?.f_squeeze_dim(2)?)
}

/// Attentive statistics pooling (K. Okabe, T. Koshinaka, K. Shinoda, "Attentive statistics pooling for deep speaker
/// embedding", Interspeech 2018): weighted mean and standard deviation, where a position `h` weighs
/// `softmax(v · tanh(W h + b) + k)` over real positions.
#[derive(Debug)]
pub(crate) struct AttentivePooling {
    hidden: Linear,
    score: Linear,
}

impl AttentivePooling {
    /// `names` are those of the two linear layers.
    pub(crate) fn new(plan: &mut Plan, names: [&str; 2], [inputs, units]: [i64; 2]) -> Self {
        let hidden = Linear::new(plan, names[0], inputs, units);
        Self { hidden, score: Linear::new(plan, names[1], units, 1) }
    }

    /// `x` `[B, position, unit]` → `[B, 2 · unit]`
    pub(crate) fn forward(&self, forward: &Forward<'_>, x: &Tensor, lengths: &Lengths) -> Result<Tensor> {
        let scores = self.score.forward(forward, &self.hidden.forward(forward, x)?.f_tanh()?)?; // [B, position, 1]
        let padding = lengths.is_real()?.f_logical_not()?.f_unsqueeze(2)?;
        let weight = scores.f_masked_fill(&padding, f64::NEG_INFINITY)?.f_softmax(1, Kind::Float)?;
        mean_and_deviation(&x.f_transpose(1, 2)?, &weight.f_transpose(1, 2)?)
    }
}
