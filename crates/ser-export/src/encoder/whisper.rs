//! Whisper's encoder: a log mel spectrum of a recording that is filled up with silence to a fixed length, two convolutions, and
//! a transformer.

use ser_core::{Error, ErrorKind, Result};
use ser_features::{FeatureConfig, MelNorm, MelScale, PadMode, Window};
use ser_model::CarriedEncoder;
use serde::Deserialize;

use super::tensors::Tensors;
use super::transformer::{Layers, Names};
use super::{layer_norm, parsed};
use crate::features::{padding, spectrum};
use crate::nodes::gelu;
use crate::onnx::{Attribute, ElementType, Graph, Value};

/// Frequencies that the bands cover, in Hz.
const HIGHEST_HZ: f64 = 8_000.0;
/// The least power of a band.
const FLOOR: f64 = 1e-10;
/// What is kept below the loudest value of a recording, in powers of ten.
const RANGE: f64 = 8.0;
/// Frames of the spectrum that become one state.
const FRAMES_OF_A_STATE: usize = 2;
/// Frames that a convolution sees.
const KERNEL: usize = 3;

const NAMES: Names = Names {
    layers: "layers",
    attention: "self_attn",
    attention_norm: "self_attn_layer_norm",
    inner: "fc1",
    outer: "fc2",
    final_norm: "final_layer_norm",
};

/// `config.json` and what counts of the preprocessor, which were checked when the encoder was tuned. Defaults are those of
/// `transformers`.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Settings {
    pub(super) d_model: usize,
    encoder_attention_heads: usize,
    pub(super) encoder_layers: usize,
    encoder_ffn_dim: usize,
    num_mel_bins: usize,
    max_source_positions: usize,
    activation_function: String,
    #[serde(skip)]
    front_end: FrontEnd,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            d_model: 384,
            encoder_attention_heads: 6,
            encoder_layers: 4,
            encoder_ffn_dim: 1536,
            num_mel_bins: 80,
            max_source_positions: 1500,
            activation_function: "gelu".to_owned(),
            front_end: FrontEnd::default(),
        }
    }
}

/// The preprocessor.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default)]
struct FrontEnd {
    n_fft: usize,
    hop_length: usize,
    /// Seconds that recordings are filled up to.
    chunk_length: usize,
    sampling_rate: u32,
}

impl Default for FrontEnd {
    fn default() -> Self {
        Self { n_fft: 400, hop_length: 160, chunk_length: 30, sampling_rate: 16_000 }
    }
}

/// A processor's file, with the preprocessor in it, or the preprocessor's own.
#[derive(Debug, Deserialize)]
struct Processor {
    feature_extractor: Option<FrontEnd>,
}

impl Settings {
    /// # Errors
    /// When the settings are damaged.
    pub(super) fn of(carried: &CarriedEncoder<'_>) -> Result<Self> {
        let mut settings: Self = parsed(carried.config)?;
        let within: Processor = parsed(carried.preprocessor)?;
        settings.front_end = match within.feature_extractor {
            Some(front_end) => front_end,
            None => parsed(carried.preprocessor)?,
        };
        let FrontEnd { n_fft, hop_length, chunk_length, sampling_rate } = settings.front_end;
        let sizes = [settings.d_model, settings.encoder_attention_heads, settings.num_mel_bins];
        let fit = sizes.iter().all(|size| (1..=8192).contains(size))
            && (16..=65_536).contains(&n_fft)
            && (1..=n_fft).contains(&hop_length)
            && (1..=60).contains(&chunk_length)
            && (1_000..=384_000).contains(&sampling_rate)
            && (1..=256).contains(&settings.encoder_layers)
            && settings.d_model.is_multiple_of(settings.encoder_attention_heads)
            && settings.samples() / hop_length == FRAMES_OF_A_STATE * settings.max_source_positions;
        match fit {
            true => Ok(settings),
            false => {
                Err(Error::new(ErrorKind::Damaged, "carries an encoder whose sizes do not fit together"))
            }
        }
    }

    /// Samples that recordings are filled up to, and the most of one.
    pub(super) fn samples(&self) -> usize {
        self.front_end.chunk_length * self.front_end.sampling_rate as usize
    }

    /// The spectrum as features of our own.
    fn features(&self) -> FeatureConfig {
        let FrontEnd { n_fft, hop_length, sampling_rate, .. } = self.front_end;
        FeatureConfig {
            sample_rate: sampling_rate,
            n_fft,
            win_length: n_fft,
            hop_length,
            window: Window::Hann,
            center: true,
            pad_mode: PadMode::Reflect,
            n_mels: self.num_mel_bins,
            f_min: 0.0,
            f_max: HIGHEST_HZ,
            mel_scale: MelScale::Slaney,
            mel_norm: MelNorm::Slaney,
            ..FeatureConfig::default()
        }
    }
}

/// The states `[1, F, D]` of the layers `wanted`, of the frames that are of the recording `samples` `[1, N]`, f32, itself.
///
/// # Errors
/// When a tensor is missing, or of another shape than the settings say, or there is no such layer.
pub(super) fn states(
    graph: &mut Graph,
    scope: &str,
    samples: &Value,
    wanted: &[usize],
    settings: &Settings,
    tensors: &Tensors<'_>,
) -> Result<Vec<Value>> {
    let size = settings.d_model;
    graph.enter(&format!("{scope}/spectrum"));
    let shape = graph.op("Shape", &[samples]);
    let second = graph.int(1);
    let count = graph.gather(&shape, &second, 0); // [1]
    let x = log_mel(graph, samples, &count, settings); // [1, band, frame]
    graph.enter(&format!("{scope}/convolutions"));
    let x = convolve(graph, &x, "conv1", [settings.num_mel_bins, size], 1, tensors)?;
    let x = convolve(graph, &x, "conv2", [size, size], FRAMES_OF_A_STATE, tensors)?;
    let x = graph.transpose(&x, &[0, 2, 1]);
    let shape = [settings.max_source_positions, size];
    let positions = graph.floats(&shape, &tensors.get("embed_positions.weight", &shape)?);
    let x = graph.op("Add", &[&x, &positions]);
    let layers = Layers {
        count: settings.encoder_layers,
        size,
        heads: settings.encoder_attention_heads,
        inner: settings.encoder_ffn_dim,
        epsilon: 1e-5,
        pre_norm: true,
        activation: &settings.activation_function,
        names: NAMES,
    };
    // Attention hears the silence too, as it did in training.
    let deepest = wanted.iter().copied().max().unwrap_or_default();
    let states = layers.apply(graph, scope, x, None, deepest, tensors)?;
    graph.enter(&format!("{scope}/real"));
    let real = states_of(graph, &count, settings);
    let [start, axis] = [0, 1].map(|number| graph.int(number));
    let mut found = Vec::new();
    for number in wanted {
        let Some(x) = states.get(*number) else { continue };
        let x = match *number == settings.encoder_layers {
            true => layer_norm(graph, tensors, "layer_norm", x, size, 1e-5)?,
            false => x.clone(),
        };
        found.push(graph.op("Slice", &[&x, &start, &real, &axis]));
    }
    Ok(found)
}

/// How many states are of `count` samples and not of the silence after them, `[1]`.
fn states_of(graph: &mut Graph, count: &Value, settings: &Settings) -> Value {
    let of_a_state = (settings.front_end.hop_length * FRAMES_OF_A_STATE) as i64;
    let [rest, whole] = [of_a_state - 1, of_a_state].map(|number| graph.int(number));
    let up = graph.op("Add", &[count, &rest]);
    graph.op("Div", &[&up, &whole])
}

/// The spectrum `[1, band, frame]` of `samples` `[1, N]`, of which there are `count`.
fn log_mel(graph: &mut Graph, samples: &Value, count: &Value, settings: &Settings) -> Value {
    let config = settings.features();
    let all = graph.int(settings.samples() as i64);
    let missing = graph.op("Sub", &[&all, count]);
    let none = graph.ints(&[3], &[0; 3]);
    let pads = graph.op_with("Concat", &[&none, &missing], &[Attribute::Int("axis", 0)]);
    let exact = graph.cast(samples, ElementType::Double);
    let filled = graph.op_with("Pad", &[&exact, &pads], &[Attribute::Text("mode", "constant")]);
    let mirrored = padding::pad(graph, &filled, &config);
    let power = spectrum::power(graph, &mirrored, &config);
    // There is a frame more than states have room for.
    let [start, frames, axis] =
        [0, (settings.samples() / config.hop_length) as i64, 1].map(|number| graph.int(number));
    let power = graph.op("Slice", &[&power, &start, &frames, &axis]);
    let mel = spectrum::mel(graph, &power, &config); // [1, frame, band]
    let [floor, ten, range, four] =
        [FLOOR, std::f64::consts::LN_10, RANGE, 4.0].map(|number| graph.double(number));
    let mel = graph.op("Max", &[&mel, &floor]);
    let logarithm = graph.op("Log", &[&mel]);
    let logarithm = graph.op("Div", &[&logarithm, &ten]);
    let loudest = graph.max(&logarithm, &[1, 2]);
    let least = graph.op("Sub", &[&loudest, &range]);
    let kept = graph.op("Max", &[&logarithm, &least]);
    let raised = graph.op("Add", &[&kept, &four]);
    let scaled = graph.op("Div", &[&raised, &four]);
    let scaled = graph.cast(&scaled, ElementType::Float);
    graph.transpose(&scaled, &[0, 2, 1])
}

/// A convolution over three frames of `x` `[1, channel, frame]`, padded by one on either side, and GELU.
fn convolve(
    graph: &mut Graph,
    x: &Value,
    name: &str,
    [inputs, outputs]: [usize; 2],
    stride: usize,
    tensors: &Tensors<'_>,
) -> Result<Value> {
    let shape = [outputs, inputs, KERNEL];
    let weight = graph.floats(&shape, &tensors.get(&format!("{name}.weight"), &shape)?);
    let bias = graph.floats(&[outputs], &tensors.get(&format!("{name}.bias"), &[outputs])?);
    let with = [Attribute::Ints("pads", &[1, 1]), Attribute::Ints("strides", &[stride as i64])];
    let x = graph.op_with("Conv", &[x, &weight, &bias], &with);
    Ok(gelu(graph, &x))
}
