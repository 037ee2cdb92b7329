//! Linear layers and the head that ends in logits.

use tch::Tensor;

use crate::network::layers::{Forward, Plan};
use crate::network::parameters::Start;
use crate::torch::Result;

/// A linear layer with bias, in f32.
#[derive(Debug)]
pub(crate) struct Linear {
    /// Offset of its weight, which its bias follows.
    weight: usize,
}

impl Linear {
    pub(crate) fn new(plan: &mut Plan, name: &str, inputs: i64, outputs: i64) -> Self {
        Self { weight: plan.weight_and_bias(name, &[outputs, inputs], inputs, true) }
    }

    /// The same with a bias that starts at zero.
    pub(crate) fn with_zero_bias(plan: &mut Plan, name: &str, inputs: i64, outputs: i64) -> Self {
        let weight = plan.weight_and_bias(name, &[outputs, inputs], inputs, false);
        plan.weight(&format!("{name}.bias"), &[outputs], Start::Constant(0.0));
        Self { weight }
    }

    /// `[…, input]` → `[…, output]`
    pub(crate) fn forward(&self, forward: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        let leaves = forward.leaves;
        Ok(x.f_linear(&leaves[self.weight], Some(&leaves[self.weight + 1]))?)
    }
}

/// Linear → ReLU → Dropout → Linear, from what was pooled over frames to logits.
#[derive(Debug)]
pub(crate) struct Head {
    dense: Linear,
    classify: Linear,
    dropout: f64,
}

impl Head {
    /// `names` are those of the two linear layers.
    pub(crate) fn new(
        plan: &mut Plan,
        names: [&str; 2],
        [inputs, dense, classes]: [i64; 3],
        dropout: f64,
    ) -> Self {
        Self {
            dense: Linear::new(plan, names[0], inputs, dense),
            classify: Linear::new(plan, names[1], dense, classes),
            dropout,
        }
    }

    /// `[B, input]` → `[B, class]`
    pub(crate) fn forward(&self, forward: &mut Forward<'_>, x: &Tensor) -> Result<Tensor> {
        let x = self.dense.forward(forward, x)?.f_relu()?;
        let x = forward.drop_out(x, self.dropout)?;
        self.classify.forward(forward, &x)
    }
}
