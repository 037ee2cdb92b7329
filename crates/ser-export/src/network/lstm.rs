//! A bidirectional LSTM.
//!
//! Each direction is an LSTM that reads every position from the first on. The second direction reads a sequence whose real
//! positions have been turned round, so that it begins at the last of them, and is turned back. The operator's own way to
//! say how long a sequence is, `sequence_lens`, is not known by every runtime unless it is a constant.

use ser_core::Result;
use ser_model::network::Padding;

use super::{Builder, Flow, Form};
use crate::nodes::{LstmWeights, lstm};
use crate::onnx::{Attribute, Value};

impl Builder<'_> {
    /// `[1, position, 2 · hidden]`
    pub(super) fn lstm(&mut self, name: &str, hidden: u32, input: Flow) -> Result<Flow> {
        self.enter(name);
        let (input, inputs) = self.sequence(input);
        let hidden = hidden as usize;
        let x = self.graph.transpose(&input.x, &[1, 0, 2]); // [position, 1, unit]
        let turned = self.turned(&input);
        let onwards = self.direction(name, "", &x, inputs, hidden)?;
        let x = self.graph.gather(&x, &turned, 0);
        let backwards = self.direction(name, "_reverse", &x, inputs, hidden)?;
        let backwards = self.graph.gather(&backwards, &turned, 0);
        let x = self.graph.op_with("Concat", &[&onwards, &backwards], &[Attribute::Int("axis", 2)]);
        let x = self.graph.transpose(&x, &[1, 0, 2]);
        Ok(Flow { x, form: Form::Sequence { units: 2 * hidden }, ..input })
    }

    /// Which position comes to stand at each when the real ones are turned round: all, where padding is read. Twice is back.
    fn turned(&mut self, flow: &Flow) -> Value {
        let positions: Vec<i64> = (0..flow.positions as i64).collect();
        if self.padding == Padding::Read {
            let turned: Vec<i64> = positions.into_iter().rev().collect();
            return self.graph.ints(&[flow.positions], &turned);
        }
        let real = self.real_positions(flow.stride);
        let one = self.graph.int(1);
        let last = self.graph.op("Sub", &[&real, &one]);
        let positions = self.graph.ints(&[flow.positions], &positions);
        let turned = self.graph.op("Sub", &[&last, &positions]);
        let is_real = self.graph.op("Less", &[&positions, &real]);
        self.graph.op("Where", &[&is_real, &turned, &positions])
    }

    /// `[position, 1, hidden]` in one direction of `x` `[position, 1, input]`.
    fn direction(
        &mut self,
        name: &str,
        suffix: &str,
        x: &Value,
        inputs: usize,
        hidden: usize,
    ) -> Result<Value> {
        let of = |what: &str, shape: &[usize]| self.weight(&format!("{name}.{what}_l0{suffix}"), shape);
        let weights = LstmWeights {
            input: of("weight_ih", &[4 * hidden, inputs])?,
            recurrent: of("weight_hh", &[4 * hidden, hidden])?,
            biases: [of("bias_ih", &[4 * hidden])?, of("bias_hh", &[4 * hidden])?],
        };
        Ok(lstm(self.graph, x, &weights, inputs, hidden))
    }
}
