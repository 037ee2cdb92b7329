//! The speaker encoder: mel spectra of windows of 1.6 s, an LSTM that reads each of them, and a linear layer whose output is
//! brought to length 1. A state belongs to a window. `ser_encoder`'s family of the same name says where all of it is from.

use ser_core::{Error, ErrorKind, Result};
use ser_features::{FeatureConfig, MelNorm, MelScale, Window};
use ser_model::CarriedEncoder;
use serde::Deserialize;

use super::{Tensors, linear, parsed};
use crate::features::spectrum;
use crate::nodes::{LstmWeights, lstm};
use crate::onnx::{Attribute, ElementType, Graph, Value};

/// Samples under the window of a spectrum.
const N_FFT: usize = 400;
/// Samples from one frame of the spectrum to the next.
const HOP: i64 = 160;
/// Frames of a window.
const WINDOW: i64 = 160;
/// Frames from one window to the next.
const STEP: i64 = 77;
/// The fewest samples of the last window that lie within the recording, unless it is the only one: three quarters.
const LEAST_COVERED: i64 = WINDOW * HOP / 4 * 3;
/// Root mean square that quieter recordings are raised to: -30 dB below full scale.
const LEAST_RMS: f64 = 0.031_622_776_601_683_79;

/// `config.json`, which was checked when the encoder was carried along.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Settings {
    num_mel_bins: usize,
    pub(super) hidden_size: usize,
    pub(super) num_hidden_layers: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { num_mel_bins: 40, hidden_size: 256, num_hidden_layers: 3 }
    }
}

impl Settings {
    /// # Errors
    /// When the settings are damaged.
    pub(super) fn of(carried: &CarriedEncoder<'_>) -> Result<Self> {
        let settings: Self = parsed(carried.config)?;
        let fit = (1..=200).contains(&settings.num_mel_bins)
            && (1..=8192).contains(&settings.hidden_size)
            && (1..=64).contains(&settings.num_hidden_layers);
        match fit {
            true => Ok(settings),
            false => Err(Error::new(ErrorKind::Damaged, "carries an encoder whose sizes are beyond reason")),
        }
    }

    /// The spectrum as features of our own.
    fn features(&self) -> FeatureConfig {
        FeatureConfig {
            sample_rate: 16_000,
            n_fft: N_FFT,
            win_length: N_FFT,
            hop_length: HOP as usize,
            window: Window::Hann,
            n_mels: self.num_mel_bins,
            n_mfcc: 1,
            f_min: 0.0,
            f_max: 8_000.0,
            mel_scale: MelScale::Slaney,
            mel_norm: MelNorm::Slaney,
            ..FeatureConfig::default()
        }
    }
}

/// The states `[1, window, D]` of the layers 0 to `deepest` of `samples` `[1, N]`, f32: those of the LSTM, and the embedding
/// as one more.
///
/// # Errors
/// When a tensor is missing, or of another shape than the settings say.
pub(super) fn states(
    graph: &mut Graph,
    scope: &str,
    samples: &Value,
    deepest: usize,
    settings: &Settings,
    tensors: &Tensors<'_>,
) -> Result<Vec<Value>> {
    graph.enter(&format!("{scope}/windows"));
    let mut x = windows(graph, samples, settings); // [frame, window, band]
    let size = settings.hidden_size;
    let mut states = Vec::new();
    let last_frame = graph.int(WINDOW - 1);
    for layer in 0..settings.num_hidden_layers {
        graph.enter(&format!("{scope}/lstm.{layer}"));
        let inputs = if layer == 0 { settings.num_mel_bins } else { size };
        let of = |what: &str, shape: &[usize]| tensors.get(&format!("lstm.{what}_l{layer}"), shape);
        let weights = LstmWeights {
            input: of("weight_ih", &[4 * size, inputs])?,
            recurrent: of("weight_hh", &[4 * size, size])?,
            biases: [of("bias_ih", &[4 * size])?, of("bias_hh", &[4 * size])?],
        };
        x = lstm(graph, &x, &weights, inputs, size);
        states.push(graph.gather(&x, &last_frame, 0));
    }
    if let Some(hidden) = states.last().filter(|_| deepest >= settings.num_hidden_layers).cloned() {
        graph.enter(&format!("{scope}/embedding"));
        let raw = linear(graph, tensors, "linear", &hidden, [size, size])?;
        let raw = graph.op("Relu", &[&raw]);
        let squares = graph.op("Mul", &[&raw, &raw]);
        let length = graph.sum(&squares, &[-1]);
        let length = graph.op("Sqrt", &[&length]);
        // One whose every number is below zero has no direction.
        let least = graph.float(f32::MIN_POSITIVE);
        let length = graph.op("Max", &[&length, &least]);
        states.push(graph.op("Div", &[&raw, &length]));
    }
    Ok(states)
}

/// The mel spectra of the windows of `samples` `[1, N]`, `[frame, window, band]`, f32: power, not its logarithm.
fn windows(graph: &mut Graph, samples: &Value, settings: &Settings) -> Value {
    let shape = graph.op("Shape", &[samples]);
    let second = graph.int(1);
    let count = graph.gather(&shape, &second, 0); // [1]
    let windows = windows_of(graph, &count);
    let loud = at_least_as_loud(graph, samples);
    let [one, step, length, hop] = [1, STEP, WINDOW, HOP].map(|number| graph.int(number));
    let others = graph.op("Sub", &[&windows, &one]);
    let begins = graph.op("Mul", &[&others, &step]);
    let frames = graph.op("Add", &[&begins, &length]);
    let needed = graph.op("Mul", &[&frames, &hop]);
    let missing = graph.op("Sub", &[&needed, &count]);
    // Silence before and after, so that frames are centred, and up to the end of the last window.
    let [none, half] = [0, N_FFT as i64 / 2].map(|number| graph.int(number));
    let missing = graph.op("Max", &[&missing, &none]);
    let after = graph.op("Add", &[&half, &missing]);
    let pads = graph.op_with("Concat", &[&none, &half, &none, &after], &[Attribute::Int("axis", 0)]);
    let filled = graph.op_with("Pad", &[&loud, &pads], &[Attribute::Text("mode", "constant")]);
    let config = settings.features();
    let power = spectrum::power(graph, &filled, &config);
    let mel = spectrum::mel(graph, &power, &config); // [1, frame, band]
    let mel = graph.squeeze(&mel, &[0]);
    let mel = graph.cast(&mel, ElementType::Float);
    // Frame n of window w is frame n + 77 w of the recording.
    let [start, by] = [0, 1].map(|number| graph.ints(&[], &[number]));
    let end = graph.squeeze(&windows, &[0]);
    let window = graph.op("Range", &[&start, &end, &by]);
    let window = graph.op("Mul", &[&window, &step]);
    let frame: Vec<i64> = (0..WINDOW).collect();
    let frame = graph.ints(&[WINDOW as usize, 1], &frame);
    let places = graph.op("Add", &[&frame, &window]); // [frame, window]
    graph.gather(&mel, &places, 0)
}

/// Windows of a recording of `count` `[1]` samples, `[1]`: one begins every 77 frames, the last one only if enough of it lies
/// within the recording.
fn windows_of(graph: &mut Graph, count: &Value) -> Value {
    let [one, hop, window, step, covered] =
        [1, HOP, WINDOW, STEP, LEAST_COVERED].map(|number| graph.int(number));
    let whole = graph.op("Div", &[count, &hop]);
    let frames = graph.op("Add", &[&whole, &one]);
    let [later, rest] = [STEP + 1, STEP - 1].map(|number| graph.int(number));
    let reach = graph.op("Add", &[&frames, &later]);
    let beyond = graph.op("Sub", &[&reach, &window]);
    let beyond = graph.op("Max", &[&beyond, &one]);
    let up = graph.op("Add", &[&beyond, &rest]);
    let windows = graph.op("Div", &[&up, &step]);
    let fewer = graph.op("Sub", &[&windows, &one]);
    let begins = graph.op("Mul", &[&fewer, &step]);
    let begins = graph.op("Mul", &[&begins, &hop]);
    let within = graph.op("Sub", &[count, &begins]);
    let too_little = graph.op("Less", &[&within, &covered]);
    let fewer = graph.op("Max", &[&fewer, &one]);
    graph.op("Where", &[&too_little, &fewer, &windows])
}

/// `samples` `[1, N]` in f64, raised to a root mean square of [`LEAST_RMS`] where they are quieter. Silence stays silence.
fn at_least_as_loud(graph: &mut Graph, samples: &Value) -> Value {
    let exact = graph.cast(samples, ElementType::Double);
    let squares = graph.op("Mul", &[&exact, &exact]);
    let power = graph.mean_of_last(&squares); // [1, 1]
    let rms = graph.op("Sqrt", &[&power]);
    let [least, zero, one] = [LEAST_RMS, 0.0, 1.0].map(|number| graph.double(number));
    let sounds = graph.op("Greater", &[&rms, &zero]);
    let scale = graph.op("Div", &[&least, &rms]);
    let scale = graph.op("Max", &[&scale, &one]);
    let scale = graph.op("Where", &[&sounds, &scale, &one]);
    let scaled = graph.op("Mul", &[&exact, &scale]);
    // Rounded to f32, in which the encoder hears them.
    let heard = graph.cast(&scaled, ElementType::Float);
    graph.cast(&heard, ElementType::Double)
}
