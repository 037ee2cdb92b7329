//! Subtraction of each row's mean over the frames kept.

use super::Window;
use crate::onnx::{ElementType, Graph, Value};

/// `values` `[1, row, frame]`, f32, without their mean over the first `frames` frames of the tensor.
pub(super) fn subtract(graph: &mut Graph, values: &Value, frames: &Value, window: Window) -> Value {
    // Before the first frame and after the last of the tensor lies what only derivatives want: no number of frames is
    // as large as this.
    let beyond = i64::MAX / 2;
    let positions = window.positions().into_iter().map(|at| if at < 0 { beyond } else { at });
    let positions: Vec<i64> = positions.collect();
    let positions = graph.ints(&[1, 1, window.len()], &positions);
    let kept = graph.op("Less", &[&positions, frames]);
    let kept = graph.cast(&kept, ElementType::Double);
    let exact = graph.cast(values, ElementType::Double);
    let kept = graph.op("Mul", &[&exact, &kept]);
    let sum = graph.sum(&kept, &[2]);
    let count = graph.cast(frames, ElementType::Double);
    let mean = graph.op("Div", &[&sum, &count]);
    let mean = graph.cast(&mean, ElementType::Float);
    graph.op("Sub", &[values, &mean])
}
