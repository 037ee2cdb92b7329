//! Bidirectional LSTM.

use tch::{Kind, Tensor};

use crate::network::layers::{Forward, Lengths, Plan};
use crate::network::parameters::Start;
use crate::torch::Result;

/// One bidirectional layer of LSTM.
#[derive(Debug)]
pub(crate) struct Lstm {
    /// Offset of the first of its eight weights.
    weights: usize,
    hidden: i64,
}

impl Lstm {
    /// All weights are uniform in ±1/√hidden, as PyTorch starts them.
    pub(crate) fn new(plan: &mut Plan, name: &str, inputs: i64, hidden: i64) -> Self {
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
    pub(crate) fn forward(&self, forward: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        let zeros = Tensor::f_zeros([2, x.size()[0], self.hidden], (forward.kind, forward.device))?;
        let state = [zeros.shallow_clone(), zeros];
        let weights: Vec<Tensor> =
            (self.weights..self.weights + 8).map(|weight| forward.leaf(weight)).collect::<Result<_>>()?;
        let (x, _, _) = x.f_lstm(&state, &weights, true, 1, 0.0, forward.training(), true, true)?;
        Ok(x.f_to_kind(Kind::Float)?)
    }

    /// The same over real positions alone, as of a packed sequence: the second direction begins at the last real
    /// position. What comes out at padding means nothing.
    pub(crate) fn forward_real(
        &self,
        forward: &Forward<'_>,
        x: &Tensor,
        lengths: &Lengths,
    ) -> Result<Tensor> {
        if lengths.are_full() {
            return self.forward(forward, x);
        }
        let reversal = lengths.reversal()?;
        let turn = |x: &Tensor| -> Result<Tensor> {
            let size = x.size();
            let rows = x.f_reshape([size[0] * size[1], size[2]])?;
            Ok(rows.f_index_select(0, &reversal)?.f_view(size.as_slice())?)
        };
        let onwards = self.direction(forward, x, self.weights)?;
        let backwards = turn(&self.direction(forward, &turn(x)?, self.weights + 4)?)?;
        Ok(Tensor::f_cat(&[onwards, backwards], 2)?)
    }

    /// `[B, position, hidden]` in one direction, f32.
    fn direction(&self, forward: &Forward<'_>, x: &Tensor, first: usize) -> Result<Tensor> {
        let zeros = Tensor::f_zeros([1, x.size()[0], self.hidden], (forward.kind, forward.device))?;
        let state = [zeros.shallow_clone(), zeros];
        let weights: Vec<Tensor> =
            (first..first + 4).map(|weight| forward.leaf(weight)).collect::<Result<_>>()?;
        let (x, _, _) = x.f_lstm(&state, &weights, true, 1, 0.0, forward.training(), false, true)?;
        Ok(x.f_to_kind(Kind::Float)?)
    }
}
