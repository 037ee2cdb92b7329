//! From a sequence to one vector, over real positions alone.

use tch::{Kind, Tensor};

use super::Lengths;
use crate::Result;

/// Added to a variance, whose root has no derivative at zero.
const LEAST_VARIANCE: f64 = 1e-5;

/// Mean and standard deviation of `x` `[B, unit, position]` over real positions, side by side: `[B, 2 · unit]`. The
/// deviation is √(variance + 1e-5), where the variance is the mean squared distance from the mean.
pub(in crate::fit::network) fn masked_mean_and_deviation(x: &Tensor, lengths: &Lengths) -> Result<Tensor> {
    let real = lengths.is_real()?.f_to_kind(Kind::Float)?.f_unsqueeze(1)?; // [B, 1, position]
    let weight = real.f_div(&lengths.counts()?.f_unsqueeze(2)?)?;
    let sum = |x: &Tensor| x.f_mul(&weight)?.f_sum_dim_intlist([2i64].as_slice(), true, Kind::Float);
    let mean = sum(x)?; // [B, unit, 1]
    let variance = sum(&x.f_sub(&mean)?.f_square()?)?;
    let deviation = variance.f_add_scalar(LEAST_VARIANCE)?.f_sqrt()?;
    Ok(Tensor::f_cat(&[mean, deviation], 1)?.f_squeeze_dim(2)?)
}
