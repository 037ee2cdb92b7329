//! Layers that treat every position alike, or a vector: linear ones, layer normalisation, activations, and what is added to
//! its input.

use ser_core::Result;
use ser_model::network::{Activation, Layer};

use super::weights::EPSILON;
use super::{Builder, Flow, Form};
use crate::nodes::{affine, gelu, scaled_and_shifted, standardised};
use crate::onnx::{Attribute, Value};

impl Builder<'_> {
    /// A linear layer with bias.
    pub(super) fn linear(&mut self, name: &str, units: u32, input: Flow) -> Result<Flow> {
        self.enter(name);
        self.linear_of(name, units as usize, input)
    }

    /// The same among the nodes of another layer.
    pub(super) fn linear_of(&mut self, name: &str, units: usize, input: Flow) -> Result<Flow> {
        let (input, inputs) = self.sequence(input);
        let weight = self.weight(&format!("{name}.weight"), &[units, inputs])?;
        let bias = self.weight(&format!("{name}.bias"), &[units])?;
        let x = affine(self.graph, &input.x, &weight, &bias, inputs);
        Ok(with_units(input, x, units))
    }

    /// Brings the units at each position to mean 0 and variance 1, then scales and shifts them.
    pub(super) fn layer_norm(&mut self, name: &str, input: Flow) -> Result<Flow> {
        self.enter(name);
        let (input, units) = self.sequence(input);
        let scale = self.weight(&format!("{name}.weight"), &[units])?;
        let shift = self.weight(&format!("{name}.bias"), &[units])?;
        let epsilon = self.graph.float(EPSILON);
        let x = standardised(self.graph, &input.x, &epsilon);
        let x = scaled_and_shifted(self.graph, &x, &[units], &scale, &shift);
        Ok(with_units(input, x, units))
    }

    /// A function of each value.
    pub(super) fn activation(&mut self, activation: Activation, input: Flow) -> Flow {
        match activation {
            Activation::Relu => {
                let x = self.graph.op("Relu", &[&input.x]);
                Flow { x, ..input }
            }
            Activation::Gelu => {
                let x = gelu(self.graph, &input.x);
                Flow { x, ..input }
            }
            Activation::Swish => {
                let x = self.gated(&input.x, &input.x);
                Flow { x, ..input }
            }
            Activation::Glu => {
                let (input, units) = self.sequence(input);
                let axis = if matches!(input.form, Form::Vector { .. }) { 1 } else { 2 };
                let half = units / 2;
                let sizes = self.graph.ints(&[2], &[half as i64; 2]);
                let [kept, gate] =
                    self.graph.outputs_of("Split", &[&input.x, &sizes], &[Attribute::Int("axis", axis)]);
                let x = self.gated(&kept, &gate);
                with_units(input, x, half)
            }
        }
    }

    /// x · σ(y)
    fn gated(&mut self, x: &Value, y: &Value) -> Value {
        let gate = self.graph.op("Sigmoid", &[y]);
        self.graph.op("Mul", &[x, &gate])
    }

    /// x + `scale` · `layers`(x)
    pub(super) fn residual(&mut self, layers: &[Layer], scale: f64, input: Flow) -> Result<Flow> {
        let (input, _) = self.sequence(input);
        let added = self.layers(layers, input.clone())?;
        let by = match scale {
            1.0 => added.x,
            scale => {
                let scale = self.graph.float(scale as f32);
                self.graph.op("Mul", &[&added.x, &scale])
            }
        };
        let x = self.graph.op("Add", &[&input.x, &by]);
        Ok(Flow { x, ..input })
    }
}

/// A sequence or vector with other values at the same positions.
fn with_units(input: Flow, x: Value, units: usize) -> Flow {
    let form = match input.form {
        Form::Vector { .. } => Form::Vector { units },
        _ => Form::Sequence { units },
    };
    Flow { x, form, ..input }
}
