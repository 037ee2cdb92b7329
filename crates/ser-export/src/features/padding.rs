//! What lies before the first sample and after the last: `ser_features::FrameLayout`.

use ser_features::{FeatureConfig, PadMode};

use crate::onnx::{Attribute, ElementType, Graph, Value};

/// `samples` `[1, N]` with half a frame before and after them, where frames are centred.
pub(crate) fn pad(graph: &mut Graph, samples: &Value, config: &FeatureConfig) -> Value {
    let margin = config.n_fft / 2;
    match (config.center, config.pad_mode) {
        (false, _) => samples.clone(),
        (true, PadMode::Constant) => {
            let margin = margin as i64;
            let pads = graph.ints(&[4], &[0, margin, 0, margin]);
            graph.op_with("Pad", &[samples, &pads], &[Attribute::Text("mode", "constant")])
        }
        (true, PadMode::Reflect) => reflect(graph, samples, margin as i64),
    }
}

/// The operator `Pad` mirrors a recording once, and wants it longer than the padding. Mirrored again and again, a recording
/// of N samples repeats every 2(N − 1): what lies d samples before or after the first one is number
/// min(d mod 2(N − 1), 2(N − 1) − d mod 2(N − 1)).
fn reflect(graph: &mut Graph, samples: &Value, margin: i64) -> Value {
    let [one, two, first, margin] = [1, 2, -margin, margin].map(|number| graph.ints(&[], &[number]));
    let shape = graph.op("Shape", &[samples]);
    let count = graph.gather(&shape, &one, 0);
    // To tract sizes are expressions, which it computes remainders of only once they are numbers.
    let count = graph.cast(&count, ElementType::Double);
    let count = graph.cast(&count, ElementType::Int64);
    let last = graph.op("Sub", &[&count, &one]);
    // Of one sample there is no other to repeat.
    let turn = graph.op("Max", &[&last, &one]);
    let period = graph.op("Mul", &[&turn, &two]);
    let end = graph.op("Add", &[&count, &margin]);
    let positions = graph.op("Range", &[&first, &end, &one]);
    // Runtimes do not agree on the remainder of a negative number.
    let distances = graph.op("Abs", &[&positions]);
    let at = graph.op("Mod", &[&distances, &period]);
    let back = graph.op("Sub", &[&period, &at]);
    let at = graph.op("Min", &[&at, &back]);
    let at = graph.op("Min", &[&at, &last]);
    graph.gather(samples, &at, 1)
}
