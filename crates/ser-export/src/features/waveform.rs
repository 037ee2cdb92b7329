//! The samples themselves as features, one frame a sample.

use ser_features::FeatureConfig;

use super::{Features, level};
use crate::onnx::{ElementType, Graph, Value};

/// The first samples of `samples` `[1, N]`, as many as the tensor holds, without padding after them: what reads them hears a
/// recording as it is.
pub(super) fn features(graph: &mut Graph, samples: &Value, config: &FeatureConfig) -> Features {
    graph.enter("level");
    let level = level::normalise(graph, samples, config.normalisation);
    graph.enter("waveform");
    let [start, most, axis] = [0, config.max_frames as i64, 1].map(|number| graph.int(number));
    let kept = graph.op("Slice", &[&level.samples, &start, &most, &axis]);
    let kept = graph.cast(&kept, ElementType::Float);
    let shape = graph.op("Shape", &[&kept]);
    let frames = graph.gather(&shape, &axis, 0);
    let frames = graph.rename(&frames, "frames");
    let tensor = graph.unsqueeze(&kept, &[1, 2]);
    let tensor = graph.rename(&tensor, "features");
    let real = graph.floats(&[1, 1, 1, 1], &[1.0]);
    Features { unnormalised: tensor.clone(), tensor, real, frames, usable: level.usable }
}
