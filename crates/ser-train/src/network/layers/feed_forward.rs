//! The feed-forward part of transformer and conformer, in f32.

use tch::Tensor;

use crate::network::layers::{Forward, Linear, Plan};
use crate::torch::Result;

/// Linear → activation → Linear, at each position for itself.
#[derive(Debug)]
pub(crate) struct FeedForward {
    widen: Linear,
    narrow: Linear,
    activation: Activation,
}

/// What makes a feed-forward part more than one linear layer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Activation {
    /// x · Φ(x), Φ being the normal distribution (Hendrycks & Gimpel, 2016).
    Gelu,
    /// x · σ(x), σ being the logistic function (Ramachandran et al., 2017).
    Swish,
}

impl FeedForward {
    /// `name` is that of the sequence, whose layers 0 and 2 are linear.
    pub(crate) fn new(plan: &mut Plan, name: &str, [width, units]: [i64; 2], activation: Activation) -> Self {
        let widen = Linear::new(plan, &format!("{name}.0"), width, units);
        let narrow = Linear::new(plan, &format!("{name}.2"), units, width);
        Self { widen, narrow, activation }
    }

    /// `[…, width]` → the same
    pub(crate) fn forward(&self, forward: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        let x = self.widen.forward(forward, x)?;
        let x = match self.activation {
            Activation::Gelu => x.f_gelu("none")?,
            Activation::Swish => x.f_silu()?,
        };
        self.narrow.forward(forward, &x)
    }
}
