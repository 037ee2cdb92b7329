//! A pretrained speech encoder as nodes of a graph: what `ser_encoder` computes of one recording, with the tensors and the
//! settings that the checkpoint carries.
//!
//! ```text
//! samples ─▶ normalised ─▶ convolutions ─▶ projection ─▶ + positions ─▶ layers of a transformer ─▶ mean over frames
//! [1, N]     [1, 1, N]     [1, channel, F]  [1, F, D]                   [1, F, D]                  [1, D]
//! ```
//!
//! wav2vec 2.0 and its kin are made of the same parts, each a file here; Whisper and others are refused by name.

mod attention;
mod convolutions;
mod positions;
mod settings;
mod tensors;
mod transformer;

use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_model::checkpoint::Checkpoint;
use ser_model::network::{EMBEDDED_ENCODER, TunedEncoder};

use crate::nodes::{affine, standardised};
use crate::onnx::{Attribute, ElementType, Graph, Value};

use settings::Settings;
pub(crate) use tensors::{Carried, Tensors};

/// Added to the variance of a recording by `Wav2Vec2FeatureExtractor`.
const LEAST_VARIANCE: f64 = 1e-7;

/// The encoder that the network in `checkpoint`, of which it is to be `wanted`, begins with.
///
/// # Errors
/// [`ErrorKind::Unsupported`] when the checkpoint does not carry it, or it is of a family that cannot be expressed;
/// [`ErrorKind::Damaged`] when it is another one or lacks a part.
pub(crate) fn carried<'a>(checkpoint: &'a Checkpoint, wanted: &TunedEncoder) -> Result<Carried<'a>> {
    let Some(entry) = checkpoint.extra(EMBEDDED_ENCODER) else {
        let what = "begins with a pretrained encoder, which the checkpoint does not carry";
        return Err(
            Error::new(ErrorKind::Unsupported, what).help(remedy!["train it with ", Setting::EmbedEncoder])
        );
    };
    let carried = Carried::of(entry, wanted)?;
    Settings::of(&carried)?;
    Ok(carried)
}

/// Adds the encoder with `tensors` to `graph`: the mean over frames of its last states, `[1, D]`, of `samples` `[1, N]`, f32,
/// of which there are at most `most`.
///
/// # Errors
/// When a tensor is missing, or of another shape than the settings say.
pub(crate) fn mean_state(
    graph: &mut Graph,
    scope: &str,
    samples: &Value,
    most: usize,
    tensors: &Tensors<'_>,
) -> Result<Value> {
    let settings = Settings::of(tensors.carried())?;
    graph.enter(&format!("{scope}/waveform"));
    let samples = filled_up(graph, samples, settings.samples_of_a_frame());
    let samples = if settings.normalises { normalised(graph, &samples) } else { samples };
    graph.enter(&format!("{scope}/convolutions"));
    let frames = convolutions::apply(graph, &samples, &settings, tensors)?; // [1, F, channel]
    graph.enter(&format!("{scope}/projection"));
    let channels = settings.conv_dim.last().copied().unwrap_or(1);
    let epsilon = settings.layer_norm_eps;
    let frames = match settings.projection_norm() {
        true => layer_norm(graph, tensors, "feature_projection.layer_norm", &frames, channels, epsilon)?,
        false => frames,
    };
    let x =
        linear(graph, tensors, "feature_projection.projection", &frames, [channels, settings.hidden_size])?;
    graph.enter(&format!("{scope}/positions"));
    let positions = positions::of(graph, &x, &settings, tensors)?;
    let x = graph.op("Add", &[&x, &positions]);
    let most = settings.frames_of(most);
    let x = transformer::apply(graph, scope, &x, most, &settings, tensors)?;
    graph.enter(&format!("{scope}/mean"));
    let mean = graph.op_with("ReduceMean", &[&x], &[Attribute::Ints("axes", &[1])]);
    Ok(graph.squeeze(&mean, &[1]))
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

/// The linear layer `name` from `inputs` to `outputs` units.
fn linear(
    graph: &mut Graph,
    tensors: &Tensors<'_>,
    name: &str,
    x: &Value,
    [inputs, outputs]: [usize; 2],
) -> Result<Value> {
    let weight = tensors.get(&format!("{name}.weight"), &[outputs, inputs])?;
    let bias = tensors.get(&format!("{name}.bias"), &[outputs])?;
    Ok(affine(graph, x, &weight, &bias, inputs))
}

/// The layer normalisation `name` over the last axis, of `units`.
fn layer_norm(
    graph: &mut Graph,
    tensors: &Tensors<'_>,
    name: &str,
    x: &Value,
    units: usize,
    epsilon: f64,
) -> Result<Value> {
    let scale = tensors.get(&format!("{name}.weight"), &[units])?;
    let shift = tensors.get(&format!("{name}.bias"), &[units])?;
    let epsilon = graph.float(epsilon as f32);
    let x = standardised(graph, x, &epsilon);
    Ok(crate::nodes::scaled_and_shifted(graph, &x, &[units], &scale, &shift))
}
