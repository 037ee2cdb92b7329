//! What lies before the first sample and after the last: `ser_features::FrameLayout`.

use ser_features::{FeatureConfig, PadMode};

use crate::onnx::{Attribute, Graph, Value};

/// `samples` `[1, N]` with half a frame before and after them, where frames are centred.
pub(super) fn pad(graph: &mut Graph, samples: &Value, config: &FeatureConfig) -> Value {
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
/// of N samples repeats every 2(N − 1): sample i is number min(i mod 2(N − 1), 2(N − 1) − i mod 2(N − 1)).
fn reflect(graph: &mut Graph, samples: &Value, margin: i64) -> Value {
    let [zero, one, two, first, margin] = [0, 1, 2, -margin, margin].map(|number| graph.ints(&[], &[number]));
    let shape = graph.op("Shape", &[samples]);
    let count = graph.gather(&shape, &one, 0);
    let last = graph.op("Sub", &[&count, &one]);
    // Of one sample there is no other to repeat.
    let turn = graph.op("Max", &[&last, &one]);
    let period = graph.op("Mul", &[&turn, &two]);
    let end = graph.op("Add", &[&count, &margin]);
    let positions = graph.op("Range", &[&first, &end, &one]);
    let at = graph.op("Mod", &[&positions, &period]);
    let back = graph.op("Sub", &[&period, &at]);
    let at = graph.op("Min", &[&at, &back]);
    let at = graph.op("Min", &[&at, &last]);
    let at = graph.op("Max", &[&at, &zero]);
    graph.gather(samples, &at, 1)
}
