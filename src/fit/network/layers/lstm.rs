//! Bidirectional LSTM.

use tch::{Kind, Tensor};

use super::{Forward, Plan};
use crate::Result;
use crate::fit::parameters::Start;

/// One bidirectional layer of LSTM.
#[derive(Debug)]
pub(in crate::fit::network) struct Lstm {
    /// Place of the first of its eight weights.
    weights: usize,
    hidden: i64,
}

impl Lstm {
    /// All weights are uniform in ±1/√hidden, as PyTorch starts them.
    pub(in crate::fit::network) fn new(plan: &mut Plan, name: &str, inputs: i64, hidden: i64) -> Self {
        let weights = plan.weights.len();
        let start = Start::Uniform { bound: 1.0 / (hidden as f64).sqrt() };
        for direction in ["", "_reverse"] {
            for (what, shape) in [
                ("weight_ih", &[4 * hidden, inputs][..]),
                ("weight_hh", &[4 * hidden, hidden]),
                ("bias_ih", &[4 * hidden]),
                ("bias_hh", &[4 * hidden]),
            ] {
                plan.weight(&format!("{name}.{what}_l0{direction}"), shape, start);
            }
        }
        Self { weights, hidden }
    }

    /// Reads every position of `x` `[B, position, input]` in both directions: `[B, position, 2 · hidden]`, f32.
    pub(in crate::fit::network) fn forward(&self, forward: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        let zeros = Tensor::f_zeros([2, x.size()[0], self.hidden], (forward.kind, forward.device))?;
        let state = [zeros.shallow_clone(), zeros];
        let weights: Vec<Tensor> =
            (self.weights..self.weights + 8).map(|weight| forward.leaf(weight)).collect::<Result<_>>()?;
        let (x, _, _) = x.f_lstm(&state, &weights, true, 1, 0.0, forward.training(), true, true)?;
        Ok(x.f_to_kind(Kind::Float)?)
    }
}
