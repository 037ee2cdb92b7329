//! Layers that treat every position alike, or a vector: linear ones, activations, dropout, and what is added to its input.

use ser_model::network::{Activation, Layer};
use tch::Tensor;

use super::{Compute, Flow, Forward, Places, build};
use ser_torch::{Result, linear};

/// A linear layer with bias, in f32.
#[derive(Debug)]
pub(super) struct Linear {
    weight: usize,
    bias: usize,
}

impl Linear {
    pub(super) fn new(places: &Places, name: &str) -> Result<Self> {
        let [weight, bias] = places.weight_and_bias(name)?;
        Ok(Self { weight, bias })
    }

    /// `[…, input]` → `[…, output]`
    pub(super) fn apply(&self, forward: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        linear(x, &forward.leaves[self.weight], &forward.leaves[self.bias])
    }
}

impl Compute for Linear {
    fn forward(&self, forward: &mut Forward<'_>, input: Flow) -> Result<Flow> {
        let x = self.apply(forward, &input.units_last()?)?;
        Ok(input.with_units_last(x))
    }
}

/// A function of each value.
#[derive(Debug)]
pub(super) struct Activate(pub(super) Activation);

impl Compute for Activate {
    fn forward(&self, _forward: &mut Forward<'_>, input: Flow) -> Result<Flow> {
        let x = match self.0 {
            Activation::Relu => input.x.f_relu()?,
            Activation::Gelu => input.x.f_gelu("none")?,
        };
        Ok(Flow { x, ..input })
    }
}

/// Drops a share of all values in training.
#[derive(Debug)]
pub(super) struct Dropout(pub(super) f64);

impl Compute for Dropout {
    fn forward(&self, forward: &mut Forward<'_>, input: Flow) -> Result<Flow> {
        let Flow { x, form, real } = input;
        Ok(Flow { x: forward.drop_out(x, self.0)?, form, real })
    }
}

/// x + layers(x), in f32.
#[derive(Debug)]
pub(super) struct Residual(Vec<Box<dyn Compute>>);

impl Residual {
    pub(super) fn new(places: &Places, layers: &[Layer]) -> Result<Self> {
        Ok(Self(layers.iter().map(|layer| build(layer, places)).collect::<Result<_>>()?))
    }
}

impl Compute for Residual {
    fn forward(&self, forward: &mut Forward<'_>, input: Flow) -> Result<Flow> {
        let x = input.units_last()?;
        let input = input.with_units_last(x.shallow_clone());
        let added = self.0.iter().try_fold(input, |flow, layer| layer.forward(forward, flow))?;
        let x = x.f_add(&added.units_last()?)?;
        Ok(added.with_units_last(x))
    }
}
