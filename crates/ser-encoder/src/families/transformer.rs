//! The layers of a transformer, one after the other.

use ser_torch::Result;
use tch::Tensor;

use crate::families::Receiver;
use crate::parts::Frames;

/// A model that is a transformer behind something that makes its inputs.
pub(crate) trait Transformer {
    /// What goes into the first layer for recordings, each with at least one frame and not too long.
    fn inputs(&self, batch: &[&[f32]]) -> Result<Inputs>;

    /// How many layers there are.
    fn depth(&self) -> usize;

    /// What the layer `number`, from 0, makes of `x` `[B, frame, D]`; `inputs` are those of the first layer.
    fn layer(&self, number: usize, inputs: &Inputs, x: &Tensor) -> Result<Tensor>;

    /// The states that `transformers` gives for what comes out of the last layer.
    fn last_states(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.shallow_clone())
    }
}

/// What goes into the first layer, and what all layers share.
#[derive(Debug)]
pub(crate) struct Inputs {
    /// `[B, frame, D]`
    pub(crate) x: Tensor,
    /// The frames that are the recordings' own.
    pub(crate) real: Frames,
    /// The frames that attention sees, where it sees others too.
    pub(crate) seen: Option<Frames>,
    /// What the layers share of their positions, `[1, head, query, key]`.
    pub(crate) positions: Option<Tensor>,
}

impl Inputs {
    /// The frames that attention sees.
    pub(crate) fn seen(&self) -> &Frames {
        self.seen.as_ref().unwrap_or(&self.real)
    }
}

/// [`Model::run`](super::Model::run) of a transformer.
pub(crate) fn run(
    transformer: &dyn Transformer,
    batch: &[&[f32]],
    last: usize,
    each: &mut Receiver<'_>,
) -> Result<()> {
    let mut inputs = transformer.inputs(batch)?;
    each(0, &inputs.x, &inputs.real)?;
    let depth = transformer.depth();
    let mut x = std::mem::replace(&mut inputs.x, Tensor::new());
    for number in 0..depth.min(last) {
        x = transformer.layer(number, &inputs, &x)?;
        match number + 1 == depth {
            true => each(number + 1, &transformer.last_states(&x)?, &inputs.real)?,
            false => each(number + 1, &x, &inputs.real)?,
        }
    }
    Ok(())
}
