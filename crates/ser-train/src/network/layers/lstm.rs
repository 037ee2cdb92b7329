//! Bidirectional LSTM.

use std::sync::{Mutex, PoisonError};

use tch::{Kind, Tensor};

use super::{Compute, Flow, Forward, Lengths, Places, Real, side_by_side};
use ser_torch::Result;

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
        if side_by_side::can(x) {
            return self.read_side_by_side(forward, x, |x| Ok(x.f_flip([1])?));
        }
        let weights = self.weights(forward)?;
        lstm(x, &weights, self.hidden, forward.training(), true)
    }

    /// The same over real positions alone, as of a packed sequence: the second direction begins at the last real
    /// position. What comes out at padding means nothing.
    fn read_real(&self, forward: &Forward<'_>, x: &Tensor, lengths: &Lengths) -> Result<Tensor> {
        if lengths.are_full() {
            return self.read_all(forward, x);
        }
        let reversal = lengths.reversal()?;
        let turn = |x: &Tensor, reversal: &Tensor| -> Result<Tensor> {
            let size = x.size();
            let rows = x.f_reshape([size[0] * size[1], size[2]])?;
            Ok(rows.f_index_select(0, reversal)?.f_view(size.as_slice())?)
        };
        if side_by_side::can(x) {
            return self.read_side_by_side(forward, x, move |x| turn(x, &reversal));
        }
        let weights = self.weights(forward)?;
        let (onwards, backwards) = weights.split_at(4);
        let direction = |x: &Tensor, weights| lstm(x, weights, self.hidden, forward.training(), false);
        let onwards = direction(x, onwards)?;
        let backwards = turn(&direction(&turn(x, &reversal)?, backwards)?, &reversal)?;
        Ok(Tensor::f_cat(&[onwards, backwards], 2)?)
    }

    /// The weights of both directions, in the arithmetic of this pass.
    fn weights(&self, forward: &Forward<'_>) -> Result<Vec<Tensor>> {
        self.weights.iter().map(|&weight| forward.leaf(weight)).collect()
    }

    /// Both directions at once, each on a thread of its own; `turn` makes the last real position the first, and back.
    fn read_side_by_side(
        &self,
        forward: &Forward<'_>,
        x: &Tensor,
        turn: impl Fn(&Tensor) -> Result<Tensor> + Send,
    ) -> Result<Tensor> {
        let (hidden, training) = (self.hidden, forward.training());
        let turn = Mutex::new(turn);
        let weights = self.weights(forward)?;
        let (onwards, backwards) = weights.split_at(4);
        side_by_side::halves(x, [onwards, backwards], |direction, x, weights| match direction {
            0 => lstm(x, weights, hidden, training, false),
            _ => {
                let turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
                turn(&lstm(&turn(x)?, weights, hidden, training, false)?)
            }
        })
    }
}

/// The layer of LSTM with these `weights`, four of each direction: `[B, position, unit]` of `x` `[B, position, input]`, f32.
fn lstm(x: &Tensor, weights: &[Tensor], hidden: i64, training: bool, bidirectional: bool) -> Result<Tensor> {
    let directions = 1 + i64::from(bidirectional);
    let zeros = Tensor::f_zeros([directions, x.size()[0], hidden], (x.kind(), x.device()))?;
    let state = [zeros.shallow_clone(), zeros];
    let (x, _, _) = x.f_lstm(&state, weights, true, 1, 0.0, training, bidirectional, true)?;
    Ok(x.f_to_kind(Kind::Float)?)
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
