//! `y = W·x + b`.

use ser_torch::Result;
use tch::Tensor;

use crate::weights::Weights;

/// A linear map of the last axis.
#[derive(Debug)]
pub(crate) struct Linear {
    /// `[output, input]`
    pub(super) weight: Tensor,
    /// `[output]`
    pub(super) bias: Tensor,
}

impl Linear {
    /// `<at>.weight` `[outputs, inputs]` and `<at>.bias` `[outputs]`.
    pub(crate) fn load(weights: &mut Weights, at: &str, inputs: i64, outputs: i64) -> Result<Self> {
        let weight = weights.take(&format!("{at}.weight"), &[outputs, inputs])?;
        let bias = weights.take(&format!("{at}.bias"), &[outputs])?;
        Ok(Self { weight, bias })
    }

    /// `x` `[…, input]` to `[…, output]`.
    pub(crate) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_linear(&self.weight, Some(&self.bias))?)
    }
}

impl Linear {
    /// Where it computes.
    pub(crate) fn device(&self) -> tch::Device {
        self.weight.device()
    }
}
