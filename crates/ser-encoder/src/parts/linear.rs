//! `y = W·x + b`.

use ser_torch::Result;
use tch::Tensor;

use crate::weights::{Weight, Weights};

/// A linear map of the last axis.
#[derive(Debug, Clone)]
pub(crate) struct Linear {
    /// `[output, input]`
    pub(super) weight: Weight,
    /// `[output]`
    pub(super) bias: Weight,
}

impl Linear {
    /// `<at>.weight` `[outputs, inputs]` and `<at>.bias` `[outputs]`.
    pub(crate) fn load(weights: &mut Weights, at: &str, inputs: i64, outputs: i64) -> Result<Self> {
        let weight = weights.take_for_products(&format!("{at}.weight"), &[outputs, inputs])?;
        let bias = weights.take_for_products(&format!("{at}.bias"), &[outputs])?;
        Ok(Self { weight, bias })
    }

    /// `x` `[…, input]` to `[…, output]`, of the kind of the weights.
    pub(crate) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_to_kind(self.weight.kind())?.f_linear(&self.weight, Some(&*self.bias))?)
    }

    /// Where it computes.
    pub(crate) fn device(&self) -> tch::Device {
        self.weight.device()
    }
}
