//! Power spectrum and mel bands of every frame, in f64: `ser_features::{PowerSpectrum, MelFilterBank}`.
//!
//! In f32 the rounding noise of a loud bin covers the quiet ones of its frame: on a pure tone their logarithms are wrong by
//! 0.6.

use ser_features::{FeatureConfig, MelFilterBank, window};

use crate::onnx::{Attribute, Graph, Value};

/// `[1, frame, bin]`, f64, of `samples` `[1, N]`.
pub(crate) fn power(graph: &mut Graph, samples: &Value, config: &FeatureConfig) -> Value {
    // Not every runtime reads a signal without its third axis.
    let signal = graph.unsqueeze(samples, &[2]);
    let step = graph.ints(&[], &[config.hop_length as i64]);
    let shape = window(config.window, config.win_length, config.n_fft);
    let shape = graph.doubles(&[config.n_fft], &shape);
    let length = graph.ints(&[], &[config.n_fft as i64]);
    let spectrum =
        graph.op_with("STFT", &[&signal, &step, &shape, &length], &[Attribute::Int("onesided", 1)]);
    let squares = graph.op("Mul", &[&spectrum, &spectrum]); // [1, frame, bin, 2]
    let power = graph.sum(&squares, &[3]);
    graph.squeeze(&power, &[3])
}

/// `[1, frame, band]`, f64, of `power`.
pub(crate) fn mel(graph: &mut Graph, power: &Value, config: &FeatureConfig) -> Value {
    let bins = config.n_fft / 2 + 1;
    let by_band = MelFilterBank::new(config).to_dense();
    let by_bin: Vec<f64> =
        (0..bins).flat_map(|bin| by_band.chunks_exact(bins).map(move |band| band[bin])).collect();
    let filters = graph.doubles(&[bins, config.n_mels], &by_bin);
    graph.op("MatMul", &[power, &filters])
}
