//! Which frames count: all, or those from the first to the last that is loud enough, as preparation trims them.

use ser_features::FeatureConfig;

use super::Window;
use crate::onnx::{Attribute, ElementType, Graph, Value};

/// The frames that count.
#[derive(Debug)]
pub(super) struct Speech {
    /// The first of them, `[1]`, i64.
    first: Value,
    /// The last of them, `[1]`, i64.
    last: Value,
    /// How many they are, `[1]`, i64.
    pub(super) count: Value,
    /// Power of the loudest band of all of them, one value of as many axes as mel bands have, f64.
    pub(super) loudest: Value,
}

/// Finds them among the frames of `power` `[1, frame, bin]` and `mel` `[1, frame, band]`.
pub(super) fn find(graph: &mut Graph, power: &Value, mel: &Value, config: &FeatureConfig) -> Speech {
    let shape = graph.op("Shape", &[mel]);
    let one = graph.int(1);
    let all = graph.gather(&shape, &one, 0);
    let Some(top_db) = config.trim_top_db else {
        let (first, last) = (graph.int(0), graph.op("Sub", &[&all, &one]));
        return Speech { first, last, count: all, loudest: graph.max(mel, &[1, 2]) };
    };
    // Parseval: the energy under the window is that of the spectrum, whose upper half is the mirror image of the lower.
    let (n_fft, bins) = (config.n_fft, config.n_fft / 2 + 1);
    let share = |bin: usize| if bin == 0 || 2 * bin == n_fft { 1.0 } else { 2.0 } / n_fft as f64;
    let shares: Vec<f64> = (0..bins).map(share).collect();
    let shares = graph.doubles(&[bins, 1], &shares);
    let energies = graph.op("MatMul", &[power, &shares]); // [1, frame, 1]
    let loudest = graph.max(&energies, &[1]);
    let below = graph.double(10.0_f64.powf(-top_db / 10.0));
    let least = graph.op("Mul", &[&loudest, &below]);
    let quiet = graph.op("Less", &[&energies, &least]);
    let loud = graph.op("Not", &[&quiet]);
    let loud = graph.cast(&loud, ElementType::Float);
    let loud = graph.squeeze(&loud, &[0, 2]); // [frame]
    let first = graph.op_with("ArgMax", &[&loud], &[Attribute::Int("axis", 0)]);
    let select = [Attribute::Int("axis", 0), Attribute::Int("select_last_index", 1)];
    let last = graph.op_with("ArgMax", &[&loud], &select);
    let between = graph.op("Sub", &[&last, &first]);
    let count = graph.op("Add", &[&between, &one]);
    // A frame before the first loud one, or after the last, has no loud one on that side.
    let axis = graph.ints(&[], &[0]);
    let so_far = graph.op("CumSum", &[&loud, &axis]);
    let to_come = graph.op_with("CumSum", &[&loud, &axis], &[Attribute::Int("reverse", 1)]);
    let inside = graph.op("Mul", &[&so_far, &to_come]);
    let none = graph.float(0.0);
    let inside = graph.op("Greater", &[&inside, &none]);
    let inside = graph.cast(&inside, ElementType::Double);
    let inside = graph.unsqueeze(&inside, &[0, 2]); // [1, frame, 1]
    let of_frames = graph.max(mel, &[2]);
    let of_speech = graph.op("Mul", &[&of_frames, &inside]);
    Speech { first, last, count, loudest: graph.max(&of_speech, &[1]) }
}

impl Speech {
    /// The frames of `values` `[1, frame, …]` that `window` wants: the first and the last are repeated outwards.
    pub(super) fn gather(&self, graph: &mut Graph, values: &Value, window: Window) -> Value {
        let positions = graph.ints(&[window.len()], &window.positions());
        let at = graph.op("Add", &[&positions, &self.first]);
        let at = graph.op("Max", &[&at, &self.first]);
        let at = graph.op("Min", &[&at, &self.last]);
        graph.gather(values, &at, 1)
    }
}
