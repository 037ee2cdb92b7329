//! From the channels of an image to one, and from a sequence to one vector, over real positions alone.

use ser_core::Result;

use super::{Builder, Flow, Form, unfit};
use crate::onnx::{Attribute, ElementType, Value};

/// Added to a variance.
const LEAST_VARIANCE: f32 = 1e-5;

impl Builder<'_> {
    /// 1 / n at the n real positions and 0 at the others, `[1, position, 1]`.
    fn equal_shares(&mut self, flow: &Flow) -> Value {
        let real = self.real(flow, &[1, flow.positions, 1]);
        // Where padding is read, a rest of frames that pooling dropped leaves more frames than positions.
        let count = self.real_positions(flow.stride);
        let most = self.graph.int(flow.positions as i64);
        let count = self.graph.op("Min", &[&count, &most]);
        let count = self.graph.cast(&count, ElementType::Float);
        self.graph.op("Div", &[&real, &count])
    }

    /// The sum of `x` `[1, position, unit]` weighted by `shares` `[1, position, 1]`, `[1, 1, unit]`.
    fn weighted(&mut self, x: &Value, shares: &Value) -> Value {
        let x = self.graph.op("Mul", &[x, shares]);
        self.graph.sum(&x, &[1])
    }

    /// The sum of the channels, each times its softmax weight.
    pub(super) fn channel_mix(&mut self, name: &str, input: Flow) -> Result<Flow> {
        self.enter(name);
        let Form::Image { channels, bands } = input.form else { return Err(unfit(name)) };
        let weights = self.weight(name, &[channels])?;
        let highest = weights.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let powers: Vec<f64> = weights.iter().map(|weight| f64::from(weight - highest).exp()).collect();
        let sum: f64 = powers.iter().sum();
        let shares: Vec<f32> = powers.iter().map(|power| (power / sum) as f32).collect();
        let shares = self.graph.floats(&[1, channels, 1, 1], &shares);
        let x = self.graph.op("Mul", &[&input.x, &shares]);
        let x = self.graph.sum(&x, &[1]);
        Ok(Flow { x, form: Form::Image { channels: 1, bands }, ..input })
    }

    /// The mean.
    pub(super) fn mean(&mut self, input: Flow) -> Flow {
        self.enter("mean");
        let (input, units) = self.sequence(input);
        let shares = self.equal_shares(&input);
        let mean = self.weighted(&input.x, &shares);
        let x = self.graph.squeeze(&mean, &[1]);
        Flow { x, form: Form::Vector { units }, ..input }
    }

    /// Mean and standard deviation, side by side.
    pub(super) fn mean_and_deviation(&mut self, input: Flow) -> Flow {
        self.enter("statistics");
        let (input, units) = self.sequence(input);
        let shares = self.equal_shares(&input);
        self.statistics(input, units, &shares)
    }

    /// The same weighted by softmax(v · tanh(W h + b) + k).
    pub(super) fn attentive_pooling(&mut self, names: [&str; 2], units: u32, input: Flow) -> Result<Flow> {
        self.enter(names[0]);
        let [hidden, score] = names;
        let (input, inputs) = self.sequence(input);
        let mut scores = self.linear_of(hidden, units as usize, input.clone())?;
        scores.x = self.graph.op("Tanh", &[&scores.x]);
        let scores = self.linear_of(score, 1, scores)?; // [1, position, 1]
        let scores = self.never_at_padding(&scores.x, &input, &[1, input.positions, 1]);
        let shares = self.graph.op_with("Softmax", &[&scores], &[Attribute::Int("axis", 1)]);
        Ok(self.statistics(input, inputs, &shares))
    }

    fn statistics(&mut self, input: Flow, units: usize, shares: &Value) -> Flow {
        let mean = self.weighted(&input.x, shares);
        let centred = self.graph.op("Sub", &[&input.x, &mean]);
        let squares = self.graph.op("Mul", &[&centred, &centred]);
        let variance = self.weighted(&squares, shares);
        let least = self.graph.float(LEAST_VARIANCE);
        let variance = self.graph.op("Add", &[&variance, &least]);
        let deviation = self.graph.op("Sqrt", &[&variance]);
        let both = self.graph.op_with("Concat", &[&mean, &deviation], &[Attribute::Int("axis", 2)]);
        let x = self.graph.squeeze(&both, &[1]);
        Flow { x, form: Form::Vector { units: 2 * units }, ..input }
    }
}
