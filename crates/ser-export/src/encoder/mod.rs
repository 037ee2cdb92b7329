//! A pretrained speech encoder as nodes of a graph: what `ser_encoder` computes of one recording, with the tensors and the
//! settings that the checkpoint carries.
//!
//! ```text
//! samples ─▶ normalised ─▶ convolutions ─▶ projection ─▶ + positions ─▶ layers of a transformer ─▶ states
//! [1, N]     [1, 1, N]     [1, channel, F]  [1, F, D]                                              [1, F, D] of each
//! ```
//!
//! wav2vec 2.0 and its kin (`speech.rs`) and Whisper (`whisper.rs`) are made of parts, each a file here; the speaker encoder
//! (`ge2e.rs`) has neither convolutions nor a transformer. Others are refused by name.

mod attention;
mod convolutions;
mod ge2e;
mod positions;
mod settings;
mod speech;
mod tensors;
mod transformer;
mod whisper;

use ser_core::remedy::Setting;
use ser_core::{Error, ErrorKind, Result, remedy};
use ser_model::CarriedEncoder;
use ser_model::checkpoint::Checkpoint;
use serde::de::DeserializeOwned;

use crate::nodes::{affine, standardised};
use crate::onnx::{Attribute, Graph, Value};

pub(crate) use tensors::Tensors;

/// The longest recording that a family hears at once, but for Whisper.
const MOST_SECONDS: usize = 60;

/// The settings of an encoder, by what it is made of.
enum Family {
    Speech(settings::Settings),
    Whisper(whisper::Settings),
    Ge2e(ge2e::Settings),
}

impl Family {
    /// That of `carried`.
    ///
    /// # Errors
    /// When it cannot be expressed, or its settings are damaged.
    fn of(carried: &CarriedEncoder<'_>) -> Result<Self> {
        match carried.family {
            "whisper" => whisper::Settings::of(carried).map(Self::Whisper),
            "ge2e" => ge2e::Settings::of(carried).map(Self::Ge2e),
            _ => settings::Settings::of(carried).map(Self::Speech),
        }
    }
}

/// The encoder that `checkpoint` carries, which is to be of this `family` and have this `digest`.
///
/// # Errors
/// [`ErrorKind::Unsupported`] when the checkpoint does not carry it, or it is of a family that cannot be expressed;
/// [`ErrorKind::Damaged`] when it is another one or lacks a part.
pub(crate) fn carried<'a>(
    checkpoint: &'a Checkpoint,
    family: &'a str,
    digest: &str,
) -> Result<CarriedEncoder<'a>> {
    let Some(carried) = CarriedEncoder::of(checkpoint, family, digest)? else {
        let what = "needs a pretrained encoder, which the checkpoint does not carry";
        return Err(
            Error::new(ErrorKind::Unsupported, what).help(remedy!["train it with ", Setting::EmbedEncoder])
        );
    };
    Family::of(&carried)?;
    Ok(carried)
}

/// Settings that a checkpoint carries of an encoder, in JSON.
///
/// # Errors
/// [`ErrorKind::Damaged`] when they are not what they should be.
fn parsed<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| {
        let what = format!("carries an encoder whose settings cannot be understood: {error}");
        Error::new(ErrorKind::Damaged, what).caused_by(error)
    })
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
    let last = match Family::of(tensors.carried())? {
        Family::Speech(settings) => speech::last_state(graph, scope, samples, most, &settings, tensors)?,
        Family::Whisper(settings) => {
            let last = settings.encoder_layers;
            last_of(whisper::states(graph, scope, samples, &[last], &settings, tensors)?)?
        }
        Family::Ge2e(settings) => {
            let last = settings.num_hidden_layers;
            last_of(ge2e::states(graph, scope, samples, last, &settings, tensors)?)?
        }
    };
    graph.enter(&format!("{scope}/mean"));
    let mean = graph.op_with("ReduceMean", &[&last], &[Attribute::Ints("axes", &[1])]);
    Ok(graph.squeeze(&mean, &[1]))
}

/// The states of the last layer.
fn last_of(mut states: Vec<Value>) -> Result<Value> {
    states.pop().ok_or_else(|| Error::new(ErrorKind::Damaged, "carries an encoder without layers"))
}

/// Adds the encoder with `tensors` to `graph`: the states `[1, F, D]` of each of `layers`, ascending, of `samples` `[1, N]`, f32,
/// of which there are at most `most`. Layer 0 is what goes into the first.
///
/// # Errors
/// When a tensor is missing, or of another shape than the settings say, or there is no such layer.
pub(crate) fn states(
    graph: &mut Graph,
    scope: &str,
    samples: &Value,
    most: usize,
    layers: &[u32],
    tensors: &Tensors<'_>,
) -> Result<Vec<Value>> {
    let layers: Vec<usize> = layers.iter().map(|layer| *layer as usize).collect();
    let deepest = layers.iter().copied().max().unwrap_or_default();
    let states = match Family::of(tensors.carried())? {
        Family::Speech(settings) => speech::states(graph, scope, samples, most, deepest, &settings, tensors)?,
        Family::Whisper(settings) => {
            return whisper::states(graph, scope, samples, &layers, &settings, tensors);
        }
        Family::Ge2e(settings) => ge2e::states(graph, scope, samples, deepest, &settings, tensors)?,
    };
    Ok(layers.iter().filter_map(|layer| states.get(*layer).cloned()).collect())
}

/// What the settings of an encoder say of recordings and states.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// The fewest samples of which there is a frame.
    pub(crate) fewest: usize,
    /// No encoder of the family hears more samples at once.
    pub(crate) most: usize,
    /// Numbers of a state.
    pub(crate) dimension: usize,
}

/// Those of `carried`, which hears recordings at `sample_rate`, in Hz.
///
/// # Errors
/// When its settings are damaged.
pub(crate) fn sizes(carried: &CarriedEncoder<'_>, sample_rate: u32) -> Result<Sizes> {
    let most = MOST_SECONDS.saturating_mul(sample_rate as usize);
    Ok(match Family::of(carried)? {
        Family::Speech(settings) => {
            Sizes { fewest: settings.samples_of_a_frame(), most, dimension: settings.hidden_size }
        }
        Family::Whisper(settings) => {
            Sizes { fewest: 1, most: settings.samples(), dimension: settings.d_model }
        }
        Family::Ge2e(settings) => Sizes { fewest: 1, most, dimension: settings.hidden_size },
    })
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
