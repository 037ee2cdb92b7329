//! Layers that treat every position alike, or a vector: linear ones, layer normalisation, activations, and what is added to
//! its input.

use ser_core::Result;
use ser_model::network::{Activation, Layer};

use super::{Builder, Flow, Form};
use crate::nodes::{affine, gelu, scaled_and_shifted, standardised};
use crate::onnx::Value;
use crate::weights::EPSILON;

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
        }
    }

    /// x + `layers`(x)
    pub(super) fn residual(&mut self, layers: &[Layer], input: Flow) -> Result<Flow> {
        let (input, _) = self.sequence(input);
        let added = self.layers(layers, input.clone())?;
        let x = self.graph.op("Add", &[&input.x, &added.x]);
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
