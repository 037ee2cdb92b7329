//! The states of a pretrained encoder as features: what `ser_encoder::EncoderExtractors` computes of a recording that the
//! encoder hears at once.

use ser_core::Result;
use ser_features::{EncoderStates, FeatureConfig, Pooling, ValueType};
use ser_model::CarriedEncoder;

use super::{Features, Normalisation, level, real_frames};
use crate::encoder::{Tensors, states};
use crate::onnx::{Attribute, ElementType, Graph, Value};
use crate::weights::Weights;

/// The encoder whose states are features, and how much of a recording it hears.
#[derive(Debug)]
pub(crate) struct StatesEncoder<'a> {
    pub(crate) carried: CarriedEncoder<'a>,
    /// The fewest and the most samples of a recording.
    pub(crate) fewest: usize,
    pub(crate) most: usize,
}

/// The `of` states of `encoder` for `samples` `[1, N]`. Recordings that are too short for a frame, or longer than is heard at
/// once, are not usable: what is longer is put together from several windows in preparation.
///
/// # Errors
/// When the encoder lacks a tensor, or a layer that is wanted.
pub(super) fn features(
    graph: &mut Graph,
    samples: &Value,
    config: &FeatureConfig,
    of: &EncoderStates,
    encoder: &StatesEncoder<'_>,
    normalisation: &Normalisation,
) -> Result<Features> {
    graph.enter("level");
    let level = level::normalise(graph, samples, config.normalisation);
    let count = size(graph, samples);
    let [too_few, too_many] =
        [encoder.fewest as i64 - 1, encoder.most as i64 + 1].map(|number| graph.int(number));
    let long_enough = graph.op("Greater", &[&count, &too_few]);
    let short_enough = graph.op("Less", &[&count, &too_many]);
    let usable = graph.op("And", &[&level.usable, &long_enough]);
    let usable = graph.op("And", &[&usable, &short_enough]);
    let [start, most, axis] = [0, encoder.most as i64, 1].map(|number| graph.int(number));
    let kept = graph.op("Slice", &[&level.samples, &start, &most, &axis]);
    let kept = graph.cast(&kept, ElementType::Float);
    // Nothing of it was trained here.
    let trained = Weights::of(&[]);
    let tensors = Tensors::new(&encoder.carried, &trained, String::new(), None);
    let layers = states(graph, "encoder", &kept, encoder.most, &of.layers, &tensors)?;
    graph.enter("states");
    let all = pooled(graph, &layers, of.pooling);
    let all = rounded(graph, &all, of.dtype);
    // What is beyond the range of half precision is infinite now, and preparation refuses it.
    let within = is_finite(graph, &all);
    let usable = graph.op("And", &[&usable, &within]);
    let (unnormalised, frames) = filled_up(graph, &all, config.max_frames);
    let frames = graph.rename(&frames, "frames");
    let real = real_frames(graph, &frames, config.max_frames);
    graph.enter("normalisation");
    let tensor = normalisation.apply(graph, &unnormalised, &frames, &real);
    let tensor = graph.rename(&tensor, "features");
    Ok(Features { tensor, unnormalised, real, frames, usable })
}

/// The states of each of `layers` as rows, one layer after the other: `[1, layer, number, frame]`.
fn pooled(graph: &mut Graph, layers: &[Value], pooling: Pooling) -> Value {
    let mut pooled = Vec::new();
    for layer in layers {
        let rows = match pooling {
            Pooling::Mean => mean(graph, layer),
            Pooling::Statistics => mean_and_deviation(graph, layer),
            Pooling::None => layer.clone(),
        };
        let rows = graph.transpose(&rows, &[0, 2, 1]); // [1, number, frame]
        pooled.push(graph.unsqueeze(&rows, &[1]));
    }
    let all: Vec<&Value> = pooled.iter().collect();
    graph.op_with("Concat", &all, &[Attribute::Int("axis", 1)])
}

/// How many samples there are of `[1, N]`, `[1]`.
fn size(graph: &mut Graph, samples: &Value) -> Value {
    let shape = graph.op("Shape", &[samples]);
    let second = graph.int(1);
    graph.gather(&shape, &second, 0)
}

/// The mean over frames of `[1, F, D]`, `[1, 1, D]`.
fn mean(graph: &mut Graph, states: &Value) -> Value {
    graph.op_with("ReduceMean", &[states], &[Attribute::Ints("axes", &[1])])
}

/// The same and the standard deviation after it, `[1, 1, 2 D]`.
fn mean_and_deviation(graph: &mut Graph, states: &Value) -> Value {
    let average = mean(graph, states);
    let centred = graph.op("Sub", &[states, &average]);
    let squares = graph.op("Mul", &[&centred, &centred]);
    let variance = mean(graph, &squares);
    let deviation = graph.op("Sqrt", &[&variance]);
    graph.op_with("Concat", &[&average, &deviation], &[Attribute::Int("axis", 2)])
}

/// `values` as they are when they have been stored as `dtype`.
fn rounded(graph: &mut Graph, values: &Value, dtype: ValueType) -> Value {
    match dtype {
        ValueType::F32 => values.clone(),
        ValueType::F16 => {
            let stored = graph.cast(values, ElementType::Half);
            graph.cast(&stored, ElementType::Float)
        }
    }
}

/// Whether all of `values`, of four axes, are finite, `[1, 1]`.
fn is_finite(graph: &mut Graph, values: &Value) -> Value {
    let magnitudes = graph.op("Abs", &[values]);
    let exact = graph.cast(&magnitudes, ElementType::Double);
    // A sum, unlike a maximum, is NaN where any value is, and no comparison with NaN holds.
    let sum = graph.sum(&exact, &[2, 3]);
    let sum = graph.sum(&sum, &[1]);
    let sum = graph.reshape(&sum, &[1, 1]);
    let infinite = graph.double(f64::MAX);
    graph.op("Less", &[&sum, &infinite])
}

/// The first `most` frames of `states` `[1, layer, number, F]` with zeros after them, `[1, layer, number, most]`, and how many
/// are of the recording, `[1]`.
fn filled_up(graph: &mut Graph, states: &Value, most: usize) -> (Value, Value) {
    let [start, all, axis] = [0, most as i64, 3].map(|number| graph.int(number));
    let kept = graph.op("Slice", &[states, &start, &all, &axis]);
    let shape = graph.op("Shape", &[&kept]);
    let frames = graph.gather(&shape, &axis, 0);
    let missing = graph.op("Sub", &[&all, &frames]);
    let none = graph.ints(&[7], &[0; 7]);
    let pads = graph.op_with("Concat", &[&none, &missing], &[Attribute::Int("axis", 0)]);
    (graph.op_with("Pad", &[&kept, &pads], &[Attribute::Text("mode", "constant")]), frames)
}
