//! What a branch sees of the features.

use std::cell::OnceCell;
use std::f64::consts::PI;

use tch::Tensor;

use super::{Forward, Lengths};
use ser_torch::Result;

/// The same tensor with its channels innermost in memory, which the convolutions of a CPU and of tensor cores want.
pub(crate) fn channels_last(x: &Tensor) -> Result<Tensor> {
    Ok(x.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])?)
}

/// `features` `[B, channel, band, T]` as `[B, channel, position, band]` with as many positions as `lengths` says, and
/// zeros where they are not real, whatever was there. Frames come before bands, so that all real positions of an
/// utterance lie side by side in memory.
pub(crate) fn masked_image(features: &Tensor, lengths: &Lengths) -> Result<Tensor> {
    let frames = features.size()[3];
    let kept = features.f_narrow(3, 0, frames.min(lengths.positions()))?;
    let missing = lengths.positions() - kept.size()[3];
    let kept = if missing > 0 { kept.f_constant_pad_nd([0, missing])? } else { kept };
    let x = kept.f_permute([0, 3, 2, 1])?.f_contiguous()?; // [B, position, band, channel]
    let padding = lengths.is_real()?.f_logical_not()?.f_unsqueeze(2)?.f_unsqueeze(3)?;
    Ok(x.f_masked_fill(&padding, 0.0)?.f_permute([0, 3, 1, 2])?)
}

/// The basis of the orthonormal DCT-II, `[coefficient, band]`: `y[k] = s[k] · Σ x[n] · cos(πk(2n + 1) / 2N)` with
/// `s[0] = √(1/N)` and else `s[k] = √(2/N)`.
pub(crate) fn cosine_basis(bands: i64) -> Result<Tensor> {
    let value = |k: i64, n: i64| {
        let scale = if k == 0 { 1.0 } else { 2.0 };
        // The cosine repeats every 4N, up to which the product is exact.
        let phase = (k * (2 * n + 1)) % (4 * bands);
        (scale / bands as f64).sqrt() * (PI * phase as f64 / (2 * bands) as f64).cos()
    };
    let values: Vec<f32> = (0..bands).flat_map(|k| (0..bands).map(move |n| value(k, n) as f32)).collect();
    Ok(Tensor::f_from_slice(&values)?.f_view([bands, bands])?)
}

/// A tensor that follows from a network's sizes alone. It is computed in the first pass, and kept for those after it. It is
/// not learnt, so no checkpoint holds it.
#[derive(Debug, Default)]
pub(crate) struct Constant(OnceCell<Tensor>);

impl Constant {
    /// What `compute` gave in the first pass, on the device of the network.
    ///
    /// # Errors
    /// Those of `compute`, and when the device lacks memory.
    pub(crate) fn get(
        &self,
        forward: &Forward<'_>,
        compute: impl FnOnce() -> Result<Tensor>,
    ) -> Result<&Tensor> {
        if let Some(known) = self.0.get() {
            return Ok(known);
        }
        let computed = compute()?.f_to(forward.device)?;
        Ok(self.0.get_or_init(|| computed))
    }
}
