//! Gradient checkpointing: a forward pass that keeps only what goes into each layer, and a backward pass that runs a layer
//! again when it comes to it (T. Chen et al., "Training deep nets with sublinear memory cost", arXiv:1604.06174, 2016, with
//! every layer a checkpoint).

use ser_core::{Error, ErrorKind};
use ser_torch::Result;
use tch::{Kind, Tensor};

use crate::families::{Inputs, Model};

/// The part of a backward pass that goes through an encoder whose layers kept nothing.
#[derive(Debug)]
pub struct Replay {
    model: Box<dyn Model>,
    inputs: Inputs,
    /// The first layer that something learns in.
    from: usize,
    /// What went into each layer from there on, `[B, frame, D]`.
    into: Vec<Tensor>,
    /// What came out of the last, where the pass up to there begins.
    out: Tensor,
    /// The layers' shared positions with the graph that they come from, where something in that learns.
    positions: Option<Tensor>,
}

/// The last states of an encoder for a batch, and what its backward pass needs.
#[derive(Debug)]
pub(crate) struct ReplayedStates {
    /// `[B, frame, D]`
    pub(crate) states: Tensor,
    /// How many frames of each recording are real.
    pub(crate) lengths: Vec<i64>,
    pub(crate) replay: Replay,
}

impl Replay {
    /// Runs `model` for a backward pass through the layers from the number `from` on.
    ///
    /// # Errors
    /// When the model is no transformer, or the device lacks memory.
    pub(crate) fn of(model: Box<dyn Model>, batch: &[&[f32]], from: usize) -> Result<ReplayedStates> {
        let transformer = transformer_of(&*model)?;
        let mut inputs = transformer.inputs(batch)?;
        let positions = inputs.positions.take();
        inputs.positions = positions.as_ref().map(cut_from_graph).transpose()?;
        let mut into = Vec::new();
        let out = tch::no_grad(|| -> Result<Tensor> {
            let mut x = inputs.x.shallow_clone();
            for number in 0..transformer.depth() {
                if number >= from {
                    into.push(x.shallow_clone());
                }
                x = transformer.layer(number, &inputs, &x)?;
            }
            Ok(x)
        })?;
        let out = out.f_detach()?.f_set_requires_grad(true)?;
        let states = model.last(&transformer.last_states(&out)?)?;
        let lengths = inputs.real.lengths().to_vec();
        let positions = positions.filter(Tensor::requires_grad);
        Ok(ReplayedStates { states, lengths, replay: Self { model, inputs, from, into, out, positions } })
    }

    /// Adds to the gradients of everything in the encoder that learns, once the backward pass has come to what the encoder
    /// said.
    ///
    /// # Errors
    /// When it has not, or the device lacks memory.
    pub fn backward(mut self) -> Result<()> {
        let transformer = transformer_of(&*self.model)?;
        let mut gradient = gradient_of(&self.out)?;
        drop(self.out);
        let layers = (self.from..).zip(std::mem::take(&mut self.into));
        for (number, x) in layers.collect::<Vec<_>>().into_iter().rev() {
            let x = x.f_detach()?.f_set_requires_grad(number > self.from)?;
            let y = transformer.layer(number, &self.inputs, &x)?;
            go_back(&y, &gradient)?;
            if number > self.from {
                gradient = gradient_of(&x)?;
            }
        }
        match (&self.positions, &self.inputs.positions) {
            (Some(positions), Some(shared)) => go_back(positions, &gradient_of(shared)?),
            _ => Ok(()),
        }
    }
}

fn transformer_of(model: &dyn Model) -> Result<&dyn crate::families::Transformer> {
    model.transformer().ok_or_else(|| {
        let what = "the encoder has no layers of a transformer whose values could be computed again";
        Error::new(ErrorKind::Unsupported, what).help("leave gradient checkpointing out").into()
    })
}

/// The same values as a leaf, that takes gradients where `tensor` does.
fn cut_from_graph(tensor: &Tensor) -> Result<Tensor> {
    Ok(tensor.f_detach()?.f_set_requires_grad(tensor.requires_grad())?)
}

fn gradient_of(leaf: &Tensor) -> Result<Tensor> {
    let gradient = leaf.f_grad()?;
    match gradient.defined() {
        true => Ok(gradient),
        false => {
            let what = "the backward pass has not come to what the encoder said";
            Err(Error::new(ErrorKind::Mismatch, what).into())
        }
    }
}

/// Goes on back from `y`, whose gradient is known.
fn go_back(y: &Tensor, gradient: &Tensor) -> Result<()> {
    Ok(y.f_mul(gradient)?.f_sum(Kind::Float)?.f_backward()?)
}
