//! Bidirectional LSTM.

use tch::{Kind, Tensor};

use super::{Compute, Flow, Forward, Lengths, Places, Real};
use crate::torch::Result;

/// One bidirectional layer of LSTM.
#[derive(Debug)]
pub(super) struct Lstm {
    /// Four weights of each direction.
    weights: [usize; 8],
    hidden: i64,
}

impl Lstm {
    pub(super) fn new(places: &Places, name: &str, hidden: u32) -> Result<Self> {
        let mut weights = [0; 8];
        let names = ["", "_reverse"].into_iter().flat_map(|direction| {
            ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
                .map(|what| format!("{name}.{what}_l0{direction}"))
        });
        for (weight, name) in weights.iter_mut().zip(names) {
            *weight = places.weight(&name)?;
        }
        Ok(Self { weights, hidden: hidden.into() })
    }

    /// Reads every position of `x` `[B, position, input]` in both directions: `[B, position, 2 · hidden]`, f32.
    fn read_all(&self, forward: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        let zeros = Tensor::f_zeros([2, x.size()[0], self.hidden], (forward.kind, forward.device))?;
        let state = [zeros.shallow_clone(), zeros];
        let weights: Vec<Tensor> =
            self.weights.iter().map(|&weight| forward.leaf(weight)).collect::<Result<_>>()?;
        let (x, _, _) = x.f_lstm(&state, &weights, true, 1, 0.0, forward.training(), true, true)?;
        Ok(x.f_to_kind(Kind::Float)?)
    }

    /// The same over real positions alone, as of a packed sequence: the second direction begins at the last real
    /// position. What comes out at padding means nothing.
    fn read_real(&self, forward: &Forward<'_>, x: &Tensor, lengths: &Lengths) -> Result<Tensor> {
        if lengths.are_full() {
            return self.read_all(forward, x);
        }
        let reversal = lengths.reversal()?;
        let turn = |x: &Tensor| -> Result<Tensor> {
            let size = x.size();
            let rows = x.f_reshape([size[0] * size[1], size[2]])?;
            Ok(rows.f_index_select(0, &reversal)?.f_view(size.as_slice())?)
        };
        let (onwards, backwards) = self.weights.split_at(4);
        let onwards = self.direction(forward, x, onwards)?;
        let backwards = turn(&self.direction(forward, &turn(x)?, backwards)?)?;
        Ok(Tensor::f_cat(&[onwards, backwards], 2)?)
    }

    /// `[B, position, hidden]` in one direction, f32.
    fn direction(&self, forward: &Forward<'_>, x: &Tensor, weights: &[usize]) -> Result<Tensor> {
        let zeros = Tensor::f_zeros([1, x.size()[0], self.hidden], (forward.kind, forward.device))?;
        let state = [zeros.shallow_clone(), zeros];
        let weights: Vec<Tensor> =
            weights.iter().map(|&weight| forward.leaf(weight)).collect::<Result<_>>()?;
        let (x, _, _) = x.f_lstm(&state, &weights, true, 1, 0.0, forward.training(), false, true)?;
        Ok(x.f_to_kind(Kind::Float)?)
    }
}

impl Compute for Lstm {
    fn forward(&self, forward: &mut Forward<'_>, input: Flow) -> Result<Flow> {
        let x = input.sequence()?.f_to_kind(forward.kind)?;
        let x = match &input.real {
            Real::Positions(lengths) => self.read_real(forward, &x, lengths)?,
            Real::Frames(..) => self.read_all(forward, &x)?,
        };
        Ok(input.with_units_last(x))
    }
}
