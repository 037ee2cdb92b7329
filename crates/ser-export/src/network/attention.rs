//! Self-attention and the positions it is told.

use ser_core::Result;

use super::{Builder, Flow, Form};
use crate::nodes::affine;
use crate::onnx::{Attribute, Value};

/// Added to the scores of positions that are not real, whose share is then zero in f32.
pub(super) const NEVER: f32 = -1e30;

impl Builder<'_> {
    /// Attention of every position to the real ones.
    pub(super) fn self_attention(&mut self, name: &str, heads: u32, input: Flow) -> Result<Flow> {
        self.enter(name);
        let (input, width) = self.sequence(input);
        let heads = (heads as usize).max(1);
        let weight = self.weight(&format!("{name}.in_proj_weight"), &[3 * width, width])?;
        let bias = self.weight(&format!("{name}.in_proj_bias"), &[3 * width])?;
        let mut parts = Vec::new();
        for (weight, bias) in weight.chunks(width * width).zip(bias.chunks(width)) {
            let projected = affine(self.graph, &input.x, weight, bias, width);
            let parted = self.graph.reshape(&projected, &[input.positions, heads, width / heads]);
            parts.push(self.graph.transpose(&parted, &[1, 0, 2])); // [head, position, width/head]
        }
        let [query, key, value] = &parts[..] else { return Ok(input) };
        let key = self.graph.transpose(key, &[0, 2, 1]);
        let scores = self.graph.op("MatMul", &[query, &key]);
        let scale = self.graph.float(((width / heads) as f32).sqrt().recip());
        let scores = self.graph.op("Mul", &[&scores, &scale]);
        let scores = self.never_at_padding(&scores, &input, &[1, 1, input.positions]);
        let shares = self.graph.op_with("Softmax", &[&scores], &[Attribute::Int("axis", 2)]);
        let attended = self.graph.op("MatMul", &[&shares, value]);
        let attended = self.graph.transpose(&attended, &[1, 0, 2]);
        let attended = self.graph.reshape(&attended, &[1, input.positions, width]);
        self.linear_of(&format!("{name}.out_proj"), width, Flow { x: attended, ..input })
    }

    /// `scores` that are lowered without end at padding, whose axis is that of `axes` which is not 1.
    pub(super) fn never_at_padding(&mut self, scores: &Value, flow: &Flow, axes: &[usize]) -> Value {
        let real = self.is_real(flow, axes);
        let never = self.graph.float(NEVER);
        self.graph.op("Where", &[&real, scores, &never])
    }

    /// Adds sin(p / 10000^(2i / width)) to the even units, cos to the odd ones.
    pub(super) fn positional_encoding(&mut self, input: Flow) -> Flow {
        self.enter("positions");
        let (input, width) = self.sequence(input);
        let value = |position: usize, unit: usize| {
            let angle = position as f64 / 10_000f64.powf((unit / 2 * 2) as f64 / width as f64);
            if unit.is_multiple_of(2) { angle.sin() as f32 } else { angle.cos() as f32 }
        };
        let sinusoids: Vec<f32> =
            (0..input.positions).flat_map(|p| (0..width).map(move |unit| value(p, unit))).collect();
        let sinusoids = self.graph.floats(&[1, input.positions, width], &sinusoids);
        let x = self.graph.op("Add", &[&input.x, &sinusoids]);
        Flow { x, form: Form::Sequence { units: width }, ..input }
    }
}
