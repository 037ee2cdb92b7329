//! Groups of nodes that layers of different kinds need.

use crate::onnx::{Attribute, Graph, Value};

/// `x` `[…, input]` times the transpose of `weight` `[output, input]`, and `bias` added.
pub(crate) fn affine(graph: &mut Graph, x: &Value, weight: &[f32], bias: &[f32], inputs: usize) -> Value {
    let weight = graph.floats(&[inputs, bias.len()], &transposed(weight, inputs));
    let bias = graph.floats(&[bias.len()], bias);
    let x = graph.op("MatMul", &[x, &weight]);
    graph.op("Add", &[&x, &bias])
}

/// `x` with mean 0 and variance 1 over its last axis; `epsilon` is added to the variance.
pub(crate) fn standardised(graph: &mut Graph, x: &Value, epsilon: &Value) -> Value {
    let mean = graph.mean_of_last(x);
    let centred = graph.op("Sub", &[x, &mean]);
    let squares = graph.op("Mul", &[&centred, &centred]);
    let variance = graph.mean_of_last(&squares);
    let variance = graph.op("Add", &[&variance, epsilon]);
    let deviation = graph.op("Sqrt", &[&variance]);
    graph.op("Div", &[&centred, &deviation])
}

/// `x` scaled and shifted by constants of `shape`.
pub(crate) fn scaled_and_shifted(
    graph: &mut Graph,
    x: &Value,
    shape: &[usize],
    scale: &[f32],
    shift: &[f32],
) -> Value {
    let scale = graph.floats(shape, scale);
    let x = graph.op("Mul", &[x, &scale]);
    let shift = graph.floats(shape, shift);
    graph.op("Add", &[&x, &shift])
}

/// `x · Φ(x)`
pub(crate) fn gelu(graph: &mut Graph, x: &Value) -> Value {
    let [root, one, half] = [std::f32::consts::SQRT_2, 1.0, 0.5].map(|number| graph.float(number));
    let scaled = graph.op("Div", &[x, &root]);
    let error = graph.op("Erf", &[&scaled]);
    let twice = graph.op("Add", &[&error, &one]);
    let x = graph.op("Mul", &[x, &twice]);
    graph.op("Mul", &[&x, &half])
}

/// `values` `[row, column]` as `[column, row]`.
pub(crate) fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    let columns = columns.max(1);
    (0..columns).flat_map(|column| values.iter().skip(column).step_by(columns).copied()).collect()
}

/// The weights of one direction of an LSTM as PyTorch has them, gates in the order input, forget, cell, output.
#[derive(Debug)]
pub(crate) struct LstmWeights {
    /// `[4 · hidden, input]`
    pub(crate) input: Vec<f32>,
    /// `[4 · hidden, hidden]`
    pub(crate) recurrent: Vec<f32>,
    /// `[4 · hidden]` each.
    pub(crate) biases: [Vec<f32>; 2],
}

/// What an LSTM of `hidden` units says at each position of `x` `[position, N, input]`, which it reads from the first on:
/// `[position, N, hidden]`.
pub(crate) fn lstm(
    graph: &mut Graph,
    x: &Value,
    weights: &LstmWeights,
    inputs: usize,
    hidden: usize,
) -> Value {
    let input = gates_in_order(&weights.input, hidden * inputs);
    let recurrent = gates_in_order(&weights.recurrent, hidden * hidden);
    let biases: Vec<f32> = weights.biases.iter().flat_map(|bias| gates_in_order(bias, hidden)).collect();
    let input = graph.floats(&[1, 4 * hidden, inputs], &input);
    let recurrent = graph.floats(&[1, 4 * hidden, hidden], &recurrent);
    let biases = graph.floats(&[1, 8 * hidden], &biases);
    let size = [Attribute::Int("hidden_size", hidden as i64)];
    let states = graph.op_with("LSTM", &[x, &input, &recurrent, &biases], &size); // [position, direction = 1, N, hidden]
    graph.squeeze(&states, &[1])
}

/// ONNX's order of gates is input, output, forget, cell.
fn gates_in_order(gates: &[f32], size: usize) -> Vec<f32> {
    let gates: Vec<&[f32]> = gates.chunks(size.max(1)).collect();
    match gates[..] {
        [input, forget, cell, output] => [input, output, forget, cell].concat(),
        _ => Vec::new(),
    }
}
