//! Layer normalisation (Ba, Kiros & Hinton, 2016), in f32.

use tch::Tensor;

use crate::network::layers::{Forward, Plan};
use crate::network::parameters::Start;
use crate::torch::Result;

const EPSILON: f64 = 1e-5;

/// Brings the units at each position to mean 0 and variance 1, then scales and shifts them.
#[derive(Debug)]
pub(crate) struct LayerNorm {
    /// Offset of its weight, which its bias follows.
    weight: usize,
    width: i64,
}

impl LayerNorm {
    pub(crate) fn new(plan: &mut Plan, name: &str, width: i64) -> Self {
        let weight = plan.weight(&format!("{name}.weight"), &[width], Start::Constant(1.0));
        plan.weight(&format!("{name}.bias"), &[width], Start::Constant(0.0));
        Self { weight, width }
    }

    /// `[…, width]` → the same
    pub(crate) fn forward(&self, forward: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        let leaves = forward.leaves;
        let (weight, bias) = (&leaves[self.weight], &leaves[self.weight + 1]);
        Ok(x.f_layer_norm([self.width], Some(weight), Some(bias), EPSILON, true)?)
    }
}
