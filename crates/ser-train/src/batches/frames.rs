//! Real frames and the padding behind them.

use ser_torch::Result;
use tch::{Kind, Tensor};

/// 1 for real frames and 0 for padding, `[B, 1, 1, T]`, f32, of `features` `[B, channel, band, T]` of which the first
/// `frames` `[B]` are real.
pub(super) fn real_frames(features: &Tensor, frames: &Tensor) -> Result<Tensor> {
    let position =
        Tensor::f_arange(features.size()[3], (Kind::Int64, features.device()))?.f_view([1, 1, 1, -1])?;
    Ok(position.f_lt_tensor(&frames.f_view([-1, 1, 1, 1])?)?.f_to_kind(Kind::Float)?)
}

/// The mean of `values` `[B, channel, band, T]` over their real frames, `[B, channel, band, 1]`; `real` is what
/// [`real_frames`] gives for the same `frames`. 0 where none is real.
pub(super) fn mean_over_real_frames(values: &Tensor, real: &Tensor, frames: &Tensor) -> Result<Tensor> {
    let count = frames.f_to_kind(Kind::Float)?.f_clamp_min(1.0)?.f_view([-1, 1, 1, 1])?;
    let sum = values.f_mul(real)?.f_sum_dim_intlist([-1_i64].as_slice(), true, Kind::Float)?;
    Ok(sum.f_div(&count)?)
}
