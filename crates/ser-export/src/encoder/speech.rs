//! wav2vec 2.0 and its kin: convolutions over the waveform, a projection, positions by convolution, and a transformer.

use ser_core::Result;

use super::attention::RelativePositions;
use super::settings::Settings;
use super::tensors::Tensors;
use super::transformer::{Layers, Names};
use super::{convolutions, last_of, layer_norm, linear, positions};
use crate::nodes::standardised;
use crate::onnx::{Attribute, ElementType, Graph, Value};

/// Added to the variance of a recording by `Wav2Vec2FeatureExtractor`.
const LEAST_VARIANCE: f64 = 1e-7;

const NAMES: Names = Names {
    layers: "encoder.layers",
    attention: "attention",
    attention_norm: "layer_norm",
    inner: "feed_forward.intermediate_dense",
    outer: "feed_forward.output_dense",
    final_norm: "final_layer_norm",
};

/// What the encoder says last, `last_hidden_state` in `transformers`, `[1, F, D]`; see [`states`].
///
/// # Errors
/// As [`states`].
pub(super) fn last_state(
    graph: &mut Graph,
    scope: &str,
    samples: &Value,
    most: usize,
    settings: &Settings,
    tensors: &Tensors<'_>,
) -> Result<Value> {
    let last = last_of(states(graph, scope, samples, most, settings.num_hidden_layers, settings, tensors)?)?;
    let (size, epsilon) = (settings.hidden_size, settings.layer_norm_eps);
    match settings.pre_norm() {
        true => layer_norm(graph, tensors, "encoder.layer_norm", &last, size, epsilon),
        false => Ok(last),
    }
}

/// The states `[1, F, D]` of the layers 0 to `deepest` of `samples` `[1, N]`, f32, of which there are at most `most`.
///
/// # Errors
/// When a tensor is missing, or of another shape than the settings say, or there are fewer layers.
pub(super) fn states(
    graph: &mut Graph,
    scope: &str,
    samples: &Value,
    most: usize,
    deepest: usize,
    settings: &Settings,
    tensors: &Tensors<'_>,
) -> Result<Vec<Value>> {
    graph.enter(&format!("{scope}/waveform"));
    let samples = filled_up(graph, samples, settings.samples_of_a_frame());
    let samples = if settings.normalises { normalised(graph, &samples) } else { samples };
    graph.enter(&format!("{scope}/convolutions"));
    let frames = convolutions::apply(graph, &samples, settings, tensors)?; // [1, F, channel]
    graph.enter(&format!("{scope}/projection"));
    let channels = settings.conv_dim.last().copied().unwrap_or(1);
    let (size, epsilon) = (settings.hidden_size, settings.layer_norm_eps);
    let frames = match settings.projection_norm() {
        true => layer_norm(graph, tensors, "feature_projection.layer_norm", &frames, channels, epsilon)?,
        false => frames,
    };
    let x = linear(graph, tensors, "feature_projection.projection", &frames, [channels, size])?;
    graph.enter(&format!("{scope}/positions"));
    let by_convolution = positions::of(graph, &x, settings, tensors)?;
    let mut x = graph.op("Add", &[&x, &by_convolution]);
    if !settings.pre_norm() {
        x = layer_norm(graph, tensors, "encoder.layer_norm", &x, size, epsilon)?;
    }
    let positions = match settings.has_relative_positions() {
        true => Some(RelativePositions::of(graph, &x, settings.frames_of(most), settings, tensors)?),
        false => None,
    };
    let layers = Layers {
        count: settings.num_hidden_layers,
        size,
        heads: settings.num_attention_heads,
        inner: settings.intermediate_size,
        epsilon,
        pre_norm: settings.pre_norm(),
        activation: &settings.hidden_act,
        names: NAMES,
    };
    layers.apply(graph, scope, x, positions.as_ref(), deepest, tensors)
}

/// `samples` `[1, N]` with silence after them where they are fewer than `least`, `[1, 1, N or least]`.
fn filled_up(graph: &mut Graph, samples: &Value, least: usize) -> Value {
    let shape = graph.op("Shape", &[samples]);
    let second = graph.int(1);
    let count = graph.gather(&shape, &second, 0); // [1]
    let [least, zero] = [least as i64, 0].map(|number| graph.int(number));
    let missing = graph.op("Sub", &[&least, &count]);
    let missing = graph.op("Max", &[&missing, &zero]);
    let none = graph.ints(&[3], &[0; 3]);
    let pads = graph.op_with("Concat", &[&none, &missing], &[Attribute::Int("axis", 0)]);
    let filled = graph.op_with("Pad", &[samples, &pads], &[Attribute::Text("mode", "constant")]);
    graph.unsqueeze(&filled, &[1])
}

/// Samples with mean 0 and variance 1, computed in f64.
fn normalised(graph: &mut Graph, samples: &Value) -> Value {
    let exact = graph.cast(samples, ElementType::Double);
    let least = graph.double(LEAST_VARIANCE);
    let exact = standardised(graph, &exact, &least);
    graph.cast(&exact, ElementType::Float)
}
