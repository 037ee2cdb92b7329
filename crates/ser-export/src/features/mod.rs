//! From samples to the features that a network reads: what `ser_features::Extractor` computes, as nodes of a graph.
//!
//! ```text
//! samples ─▶ level ─▶ padding ─▶ spectrum ─▶ speech ─▶ decibel ─▶ cepstrum ─▶ mean ─▶ delta ─▶ normalisation
//! [1, N]     (peak,   (centre)   (STFT, mel) (which    (top_db)   (MFCC       (mean   (Δ, ΔΔ)   (utterance,
//!             rms)                            frames)              alone)      subtraction)      training)
//! ```
//!
//! How long a recording is, is known only when the model runs. Up to the mel bands every frame is computed; then a fixed
//! number of them is gathered, from the first that counts, and all that follows has a fixed shape. Beyond the end the last
//! frame is gathered again: for the derivatives that is what mode `nearest` wants, and everything else is masked.

mod cepstrum;
mod decibel;
mod delta;
mod level;
mod mean;
mod normalisation;
pub(crate) mod padding;
pub(crate) mod spectrum;
mod speech;
mod states;
mod waveform;

use ser_core::{Error, ErrorKind, Result};
use ser_features::{FeatureConfig, Representation};

use self::speech::Speech;
use crate::onnx::{ElementType, Graph, Value};

pub(crate) use normalisation::Normalisation;
pub(crate) use states::StatesEncoder;

/// What comes out.
#[derive(Debug)]
pub(crate) struct Features {
    /// `[1, channel, row, T]`, f32, zero after the real frames; of a waveform the real frames alone.
    pub(crate) tensor: Value,
    /// The same before it was normalised.
    pub(crate) unnormalised: Value,
    /// 1 for the real frames and 0 for the others, `[1, 1, 1, T]`, f32; a single 1 of a waveform.
    pub(crate) real: Value,
    /// How many frames are real, `[1]`, i64, from 1 to T.
    pub(crate) frames: Value,
    /// Whether the samples can be used at all, `[1, 1]`: preparation refuses silence that is to be normalised, and samples
    /// that are not finite.
    pub(crate) usable: Value,
}

/// The rows of a feature configuration, if they can be expressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    LogMel,
    Mfcc,
}

impl Rows {
    fn of(config: &FeatureConfig) -> Result<Self> {
        match config.representation {
            kind if kind == Representation::MFCC => Ok(Self::Mfcc),
            kind if kind == Representation::LOG_MEL => Ok(Self::LogMel),
            other => Err(Error::new(
                ErrorKind::Unsupported,
                format!("reads features of the kind {other}, of which there is no ONNX graph"),
            )
            .help("export a model of mfcc or log-mel features")),
        }
    }
}

/// Frames that are gathered for the tensor and around it.
#[derive(Debug, Clone, Copy)]
struct Window {
    /// T, those of the tensor.
    tensor: usize,
    /// Frames that derivatives may reach: T, and the width of a derivative where there are any.
    reached: usize,
    /// Frames gathered before the first and after those, for the derivatives at the ends.
    margin: usize,
}

impl Window {
    fn of(config: &FeatureConfig) -> Self {
        let tensor = config.max_frames;
        match config.delta_order {
            0 => Self { tensor, reached: tensor, margin: 0 },
            _ => Self { tensor, reached: tensor + config.delta_width, margin: config.delta_width / 2 },
        }
    }

    /// Frames gathered in all.
    fn len(self) -> usize {
        self.reached + 2 * self.margin
    }

    /// The frame at each place, the first real one being 0.
    fn positions(self) -> Vec<i64> {
        let from = -(self.margin as i64);
        (from..from + self.len() as i64).collect()
    }
}

/// Adds the computation of `config`, which is valid, to `graph`. `samples` are `[1, N]`, f32, at its rate; `encoder` is the one
/// whose states the features are, if they are.
///
/// # Errors
/// For a kind of features that cannot be expressed, and for an encoder that is damaged.
pub(crate) fn features(
    graph: &mut Graph,
    samples: &Value,
    config: &FeatureConfig,
    normalisation: &Normalisation,
    encoder: Option<&StatesEncoder<'_>>,
) -> Result<Features> {
    if let (Some(of), Some(encoder)) = (&config.encoder, encoder) {
        return states::features(graph, samples, config, of, encoder, normalisation);
    }
    if config.is_waveform() {
        return Ok(waveform::features(graph, samples, config));
    }
    let rows = Rows::of(config)?;
    let window = Window::of(config);
    graph.enter("level");
    let level = level::normalise(graph, samples, config.normalisation);
    let (values, speech) = rows_of_speech(graph, &level.samples, config, rows, window);
    let reached = graph.int(window.reached as i64);
    let computed = graph.op("Min", &[&speech.count, &reached]);
    let most = graph.int(window.tensor as i64);
    let frames = graph.op("Min", &[&speech.count, &most]);
    let frames = graph.rename(&frames, "frames");
    let values = graph.transpose(&values, &[0, 2, 1]); // [1, row, frame]
    let values = match config.mean_subtraction {
        true => {
            graph.enter("mean");
            mean::subtract(graph, &values, &frames, window)
        }
        false => values,
    };
    graph.enter("delta");
    let channels = delta::channels(graph, &values, &computed, config, window); // [1, channel, row, T]
    let real = real_frames(graph, &frames, window.tensor);
    let unnormalised = graph.op("Mul", &[&channels, &real]);
    graph.enter("normalisation");
    let tensor = normalisation.apply(graph, &unnormalised, &frames, &real);
    let tensor = graph.rename(&tensor, "features");
    Ok(Features { tensor, unnormalised, real, frames, usable: level.usable })
}

/// The rows `[1, frame, row]` of the frames of `window`, counted from where speech begins in `samples`, and where that is.
fn rows_of_speech(
    graph: &mut Graph,
    samples: &Value,
    config: &FeatureConfig,
    rows: Rows,
    window: Window,
) -> (Value, Speech) {
    graph.enter("spectrum");
    let padded = padding::pad(graph, samples, config);
    let power = spectrum::power(graph, &padded, config);
    let mel = spectrum::mel(graph, &power, config);
    graph.enter("speech");
    let speech = speech::find(graph, &power, &mel, config);
    let chosen = speech.gather(graph, &mel, window);
    graph.enter("decibel");
    let db = decibel::convert(graph, &chosen, &speech.loudest, config);
    let values = match rows {
        Rows::LogMel => db,
        Rows::Mfcc => {
            graph.enter("cepstrum");
            cepstrum::transform(graph, &db, config)
        }
    };
    (values, speech)
}

/// 1 for the first `frames` of T frames and 0 for the others, `[1, 1, 1, T]`, f32.
fn real_frames(graph: &mut Graph, frames: &Value, most: usize) -> Value {
    let positions: Vec<i64> = (0..most as i64).collect();
    let positions = graph.ints(&[1, 1, 1, most], &positions);
    let real = graph.op("Less", &[&positions, frames]);
    graph.cast(&real, ElementType::Float)
}
