//! Convolution over time.

use tch::Tensor;

use crate::network::layers::{Forward, Plan};
use crate::torch::Result;

/// Conv1d with bias over sequences `[B, channel, position]`, of an odd kernel, as many positions out as in.
#[derive(Debug)]
pub(crate) struct Conv1d {
    /// Offset of its weight, which its bias follows.
    weight: usize,
    kernel: i64,
}

impl Conv1d {
    pub(crate) fn new(plan: &mut Plan, name: &str, [inputs, outputs]: [i64; 2], kernel: i64) -> Self {
        let weight = plan.weight_and_bias(name, &[outputs, inputs, kernel], inputs * kernel, true);
        Self { weight, kernel }
    }

    pub(crate) fn forward(&self, forward: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = (forward.leaf(self.weight)?, forward.leaf(self.weight + 1)?);
        Ok(x.f_conv1d(&weight, Some(&bias), [1], [self.kernel / 2], [1], 1)?)
    }
}
