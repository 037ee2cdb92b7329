//! Derivatives along time: `ser_features::Delta`.

use ser_features::FeatureConfig;

use super::Window;
use crate::onnx::{Graph, Value};

/// The channels `[1, channel, row, T]` of `values` `[1, row, frame]`, of which the first `computed` frames are real: the
/// values themselves, and their derivatives.
pub(super) fn channels(
    graph: &mut Graph,
    values: &Value,
    computed: &Value,
    config: &FeatureConfig,
    window: Window,
) -> Value {
    let own: Vec<i64> = (0..window.tensor).map(|frame| (window.margin + frame) as i64).collect();
    let own = graph.ints(&[window.tensor], &own);
    let own = graph.gather(values, &own, 2);
    let own = graph.unsqueeze(&own, &[0]);
    if config.delta_order == 0 {
        return own;
    }
    // Each row by itself: [row, 1, frame] → [row, order, reached].
    let rows = graph.transpose(values, &[1, 0, 2]);
    let weights = weights(config.delta_width, config.delta_order);
    let weights = graph.floats(&[config.delta_order, 1, config.delta_width], &weights);
    let derivatives = graph.op("Conv", &[&rows, &weights]);
    let derivatives = at_the_ends(graph, &derivatives, computed, config.delta_width, window);
    let derivatives = graph.transpose(&derivatives, &[1, 0, 2]); // [order, row, T]
    let derivatives = graph.unsqueeze(&derivatives, &[0]);
    graph.op_with("Concat", &[&own, &derivatives], &[crate::onnx::Attribute::Int("axis", 1)])
}

/// The first T of `derivatives` `[row, order, frame]`. Near an end, where a window reaches beyond it, the derivative is that
/// of the outermost window that does not. Recordings shorter than a window have none, and keep the derivatives with their
/// ends repeated outwards.
fn at_the_ends(
    graph: &mut Graph,
    derivatives: &Value,
    computed: &Value,
    width: usize,
    window: Window,
) -> Value {
    let half = (width / 2) as i64;
    let [width, first, beyond] = [width as i64, half, half + 1].map(|number| graph.int(number));
    let short = graph.op("Less", &[computed, &width]);
    let (zero, most) = (graph.int(0), graph.int(window.reached as i64 - 1));
    let first = graph.op("Where", &[&short, &zero, &first]);
    let last = graph.op("Sub", &[computed, &beyond]);
    let last = graph.op("Where", &[&short, &most, &last]);
    let positions: Vec<i64> = (0..window.tensor as i64).collect();
    let positions = graph.ints(&[window.tensor], &positions);
    let at = graph.op("Max", &[&positions, &first]);
    let at = graph.op("Min", &[&at, &last]);
    graph.gather(derivatives, &at, 2)
}

/// The weights of the frames under a window, `[order, width]`: a line's slope is `Σ j·x / S₂`, with `S₂ = Σ j²`; a parabola's
/// second derivative is `2·Σ (j² − m)·x / Σ (j² − m)²`, with `m = S₂ / width`.
fn weights(width: usize, orders: usize) -> Vec<f32> {
    let half = (width / 2) as i64;
    let offsets = move || (-half..=half).map(|j| j as f64);
    let s2: f64 = offsets().map(|j| j * j).sum();
    let mean = s2 / width as f64;
    let curvature: f64 = offsets().map(|j| (j * j - mean).powi(2)).sum();
    let slope = offsets().map(|j| (j / s2) as f32);
    let bend = offsets().map(|j| (2.0 * (j * j - mean) / curvature) as f32);
    slope.chain(bend).take(orders * width).collect()
}

#[cfg(test)]
mod tests {
    use ser_features::Delta;

    use super::*;

    #[test]
    fn the_weights_are_those_of_the_features() {
        let row: Vec<f32> = (0..9_u8).map(|t| f32::from(t * t % 7)).collect();
        for (order, weights) in [1, 2].into_iter().zip(weights(5, 2).chunks(5)) {
            let mut expected = [0.0; 9];
            Delta::new(5, order).apply(&row, &mut expected);
            let middle: f32 = row[2..7].iter().zip(weights).map(|(value, weight)| value * weight).sum();
            assert!((middle - expected[4]).abs() < 1e-5, "order {order}: {middle} and {}", expected[4]);
        }
    }
}
